"""The pictures of docs/looks.md, of the demo scene: each bundled style before and after it was taught, and a
painting before and after it was refined.

python docs/looks_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from nstfilter import StyleFilter, open_source
from nstfilter.files import write_file
from nstfilter.frames import as_bgr
from nstfilter.graphics.sheet import contact_sheet
from nstfilter.models.pocket import PocketModel
from nstfilter.models.refining import RefiningModel
from nstfilter.packs.reading import find_style, packs, read_picture

PICTURES = Path(__file__).parent / "pictures"
TILE = 208, 117
EACH, COLUMNS = 10, 6
"""How many styles on one picture, and how many tiles, of which a style has three, in a row."""
REFINED = "mosaic", "hatching"
STEPS = 100


def main() -> None:
    model = PocketModel()
    taught(model)
    refined(model)


def taught(model: PocketModel) -> None:
    scene = demo("demo:1280x720")
    styles = [style for style in packs()["atelier"].styles if style.taught]
    for number, first in enumerate(range(0, len(styles), EACH), 1):
        tiles = []
        for style in styles[first : first + EACH]:
            picture = read_picture(style)
            square = cv2.resize(picture, (TILE[1], TILE[1]), interpolation=cv2.INTER_AREA)
            before, after = (StyleFilter(s, model=model)(scene) for s in (picture, style))
            tiles += [(style.title, square), ("before", before), ("taught", after)]
        save(f"looks-{number}.jpg", contact_sheet(tiles, columns=COLUMNS, tile=TILE, margin=8))


def refined(model: PocketModel) -> None:
    scene = demo("demo:640x360")
    tiles = []
    for name in REFINED:
        style = find_style(name)
        refining = RefiningModel([(read_picture(style), 1.0)], steps=STEPS)
        before, after = (StyleFilter(style, model=m, size=360)(scene) for m in (model, refining))
        tiles += [(f"{style.title}, taught", before), (f"{style.title}, refined", after)]
    save("refined.jpg", contact_sheet(tiles, columns=2, tile=(640, 360), margin=8))


def demo(target: str) -> np.ndarray:
    with open_source(target, sound=False) as source:
        return as_bgr(next(iter(source)).image)[0].copy()


def save(name: str, picture: np.ndarray) -> None:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    write_file(PICTURES / name, data.tobytes())


if __name__ == "__main__":
    main()
