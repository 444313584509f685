"""OpenCV, imported in one place so that its missing system libraries are explained once.

from nstfilter.opencv import cv2
"""

from __future__ import annotations

from nstfilter.errors import MissingLibraryError

try:
    import cv2
except ImportError as error:
    raise MissingLibraryError(
        f"OpenCV cannot be loaded ({error}); on Debian or Ubuntu: "
        "apt-get install -y libgl1 libglib2.0-0 libxcb1; or, where no preview window is wanted: "
        "pip uninstall -y opencv-python && pip install opencv-python-headless"
    ) from error

__all__ = ["cv2"]
