"""OpenCV, imported in one place so that its missing system libraries are explained once.

from nstfilter.graphics.opencv import cv2
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nstfilter.errors import MissingLibraryError

if TYPE_CHECKING:
    cv2: Any  # its own type stubs refuse calls that its documentation recommends, such as calc(a, b, None)
else:
    try:
        import cv2
    except ImportError as error:
        raise MissingLibraryError(
            f"OpenCV cannot be loaded ({error}); on Debian or Ubuntu: "
            "apt-get install -y libgl1 libglib2.0-0 libxcb1; or, where no preview window is wanted: "
            "pip uninstall -y opencv-python && pip install opencv-python-headless"
        ) from error

__all__ = ["cv2"]
