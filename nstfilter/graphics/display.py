"""Whether a window can be shown. To be asked before OpenCV is, which aborts the process where it cannot."""

from __future__ import annotations

import ctypes
import os
import re
import sys


def has_windows(build: str) -> bool:
    """Whether OpenCV was built with a window system; `build` is what `cv2.getBuildInformation` returns."""
    found = re.search(r"^\s*GUI:\s*(\S+)", build, re.MULTILINE)
    return found is not None and found[1].upper() not in ("NONE", "NO")


def why_no_window() -> str | None:
    """None if a window can be shown; otherwise what is missing."""
    if sys.platform in ("win32", "darwin"):
        return None
    display = os.environ.get("DISPLAY")
    if not display:
        # OpenCV's wheels know X11 only, which a Wayland desktop provides through Xwayland
        wayland = "this Wayland session has no Xwayland" if os.environ.get("WAYLAND_DISPLAY") else ""
        return f"{wayland or 'there is no display here'} (DISPLAY is not set)"
    return _why_no_x11(display)


def _why_no_x11(display: str) -> str | None:
    """Connect to the X server as Qt does, and disconnect."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return "libxcb cannot be loaded; on Debian or Ubuntu: apt-get install -y libxcb1"
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return f"no display answers at DISPLAY={display}, or it refuses the connection" if failed else None
