"""The import of OpenCV, text, contact sheets, and whether there is a display."""
