"""How far paintings are still from their style, and how much of the photograph's structure they keep.

    python training/look.py --shared ../shared [--styles bundled] [--eye vgg] [--weights pocket.npz] [--sheet
    sheet.png]

Two figures, which move against each other, so always quote both. D is the style loss of the eye: the
difference of Gram matrices as a share of the style's, |G(x) - G(style)|_1 / |G(style)|_1, the mean over the
eye's maps.

left    D(painting) / D(photograph), the mean over pairs: 1 is the photograph itself, 0 the style
kept    correlation of the normalized middle maps (mean 0, deviation 1 in each channel) of painting and
photograph

`--eye vgg` sees through the perceptual teacher, `--eye eye` through ours, `--eye magenta` through the style
predictor of magenta-mobile, which teaches too (run export_teacher.py before). `--eye people` is the judge:
the network that finds people, which takes no part in any lesson (from the run of train_people.py).

Photographs are the held-out ones at 320x320; a style is its middle square at 384 pixels. `--styles held-out`
are pictures and paintings that no training saw, `--styles bundled` those of the package, taught weights
included.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import cv2
import data
import numpy as np
import perceptual
import torch
import torch.nn.functional as F  # noqa: N812
from train_base import square
from train_eye import RUNS, painting_paths

from nstfilter import StyleFilter
from nstfilter.models.pocket import WEIGHTS, PocketModel
from nstfilter.packs.reading import list_styles

Tensor = torch.Tensor


class Seen:
    """What an eye sees in a picture, HxWx3 BGR uint8: Gram matrices, and the normalized middle map."""

    def __init__(self, name: str, shared: Path) -> None:
        self.name = name
        if name == "vgg":
            self.net = perceptual.Vgg16x(shared / "models" / "vgg-16x" / "e4.npz")
        elif name == "eye":
            self.net = perceptual.Eye()
            self.net.load_state_dict(torch.load(RUNS / "eye.pt")["ema"])
        elif name == "people":
            from people_network import People

            self.people = People().eval().requires_grad_(False)
            self.people.load_state_dict(torch.load(RUNS / "people" / "people.pt")["ema"])
            self.net = self._people
        else:
            import teacher

            model = teacher.load()
            # bottleneck blocks at 1/2, 1/4, 1/8 and 1/16 of the size
            names = [model.predictor_names()[k] for k in (0, 6, 12, 24)]
            self.net = lambda x: model.run({model.style: x}, names)

    def _people(self, x: Tensor) -> list[Tensor]:
        """The maps at 1/2, 1/4, 1/8 and 1/16 of the size."""
        height, width = (side // 32 * 32 for side in x.shape[2:])
        maps = [self.people.stem(F.pixel_unshuffle(x[..., :height, :width] - 0.5, 2))]
        for stage in self.people.down[:3]:
            maps.append(stage(maps[-1]))
        return maps

    @torch.no_grad()
    def __call__(self, picture: np.ndarray) -> tuple[list[Tensor], Tensor]:
        x = torch.from_numpy(np.ascontiguousarray(picture[..., ::-1])).permute(2, 0, 1)[None].float() / 255
        maps = self.net(x.contiguous(memory_format=torch.channels_last))
        return [perceptual.gram(m) for m in maps], perceptual.normalized(maps[2])


def correlation(a: Tensor, b: Tensor) -> float:
    """Of normalized maps, over the channels that vary in either."""
    live = ((a.var((2, 3)) > 0.1) & (b.var((2, 3)) > 0.1))[0]
    return float((a * b)[:, live].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--styles", choices=("held-out", "bundled"), default="held-out")
    parser.add_argument("--names", nargs="*", help="only these bundled styles")
    parser.add_argument("--taught", type=Path, help="a folder of taught styles, in place of the package's")
    parser.add_argument("--untaught", action="store_true", help="without the bundled styles' taught weights")
    parser.add_argument("--eye", choices=("vgg", "eye", "magenta", "people"), default="vgg")
    parser.add_argument("--contents", type=int, default=6)
    parser.add_argument("--size", type=int, default=320, help="side of the photographs")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    see = Seen(args.eye, args.shared)
    pocket = PocketModel(weights=args.weights, threads=args.threads)
    paths = data.content_paths(args.shared, held_out=True)
    paths = paths[:: max(1, len(paths) // args.contents)][: args.contents]
    photos = [cv2.resize(data.read(p)[..., ::-1], (args.size, args.size)) for p in paths]
    seen = [see(p) for p in photos]
    if args.styles == "bundled":
        chosen = [
            s for s in list_styles() if s.pack == "atelier" and (not args.names or s.name in args.names)
        ]
        if args.taught:
            files = {s.name: args.taught / f"{s.name}.taught.npz" for s in chosen}
            chosen = [replace(s, taught=files[s.name]) for s in chosen if files[s.name].exists()]
        if args.untaught:
            chosen = [replace(s, taught=None) for s in chosen]
        styles = [(s.name, s, data.read(s.path)[..., ::-1]) for s in chosen]
    else:
        files = data.style_paths(args.shared, held_out=True) + painting_paths(args.shared, held_out=True)
        styles = [(p.stem, p, data.read(p)[..., ::-1]) for p in files]
    rows, figures = [], {}
    for name, style, picture in styles:
        wanted, _ = see(square(picture, 384))
        paint = StyleFilter(style, model=pocket)
        left, kept, row = [], [], [square(picture, args.size)]
        for photo, (own, structure) in zip(photos, seen, strict=True):
            out = paint(np.ascontiguousarray(photo))
            grams, middle = see(out)
            left.append(float(perceptual.style_loss(grams, wanted) / perceptual.style_loss(own, wanted)))
            kept.append(correlation(middle, structure))
            row.append(out)
        figures[name] = {"left": float(np.mean(left)), "kept": float(np.mean(kept))}
        rows.append(np.hstack(row))
    figures["mean"] = {key: float(np.mean([f[key] for f in figures.values()])) for key in ("left", "kept")}
    if args.sheet:
        cv2.imwrite(str(args.sheet), np.vstack([np.hstack([np.zeros_like(photos[0]), *photos]), *rows]))
    if args.json:
        print(json.dumps(figures))
    else:
        for name, row in figures.items():
            print(f"{name:30} left {row['left']:.3f}  kept {row['kept']:.3f}")


if __name__ == "__main__":
    main()
