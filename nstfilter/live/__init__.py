"""A live run: from a camera to a virtual camera, a window and a recording, at a steady rate."""
