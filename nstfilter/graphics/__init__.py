"""Drawing and showing: OpenCV's one import, text, contact sheets, the display."""
