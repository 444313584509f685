"""Draw the style pictures of this pack: `python styles/atelier/draw.py [NAME...] [--out DIR]`.

Every picture is drawn from noise and geometry with NumPy and OpenCV, with a seed of its own, so that anyone
can draw it again and find the same pixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import drawn
import numpy as np
import painted
import pieced
import printed
from fields import Picture
from numpy.typing import NDArray
from strokes import finish

HERE = Path(__file__).resolve().parent
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]

STYLES: dict[str, Callable[[], Picture]] = {
    name.replace("_", "-"): getattr(module, name)
    for module in (painted, printed, pieced, drawn)
    for name in module.__all__
}


def draw(name: str) -> NDArray[np.uint8]:
    """The picture of one style: uint8 BGR, 512x512."""
    return finish(STYLES[name]())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones (all): {', '.join(STYLES)}")
    parser.add_argument("--out", type=Path, default=HERE, help="where to write them (beside this file)")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(STYLES))
    if unknown:
        parser.error(f"no style is called {', '.join(unknown)}; there are {', '.join(STYLES)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name in chosen.names or STYLES:
        target = chosen.out / f"{name}.jpg"
        ok, data = cv2.imencode(".jpg", draw(name), JPEG)
        if not ok:
            parser.error(f"{name} could not be written as a JPEG")
        target.write_bytes(data.tobytes())
        print(f"{target}  {data.size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
