"""Teach pocket the bundled styles one after the other, through the perceptual teachers.

    python training/train_styles.py --shared ../shared mosaic:1:0.12 wave:1:0.12 ...

Each style is NAME:STROKE:CONTENT: the picture's shorter side is 512 times STROKE pixels, CONTENT weighs the
content loss. The losses and the method are those of `nstfilter styles teach` (nstfilter/models/lesson.py),
with another eye, bfloat16, and photographs, people and rooms to practice on. Writes NAME.taught.npz beside
the style's picture; a style that has one is passed over.
"""

import argparse
import math
import time
from pathlib import Path

import cv2
import data
import export
import network
import numpy as np
import perceptual
import torch
import torch.nn.functional as F  # noqa: N812
from train_base import RUNS, contents, light, shipped, state_of
from train_transformer import shaken

from nstfilter.files import write_file
from nstfilter.models import taught
from nstfilter.models.pocket import WEIGHTS, PocketModel
from nstfilter.packs.reading import find_style
from nstfilter.packs.style import taught_beside

Tensor = torch.Tensor


class Free(network.Transformer):
    """The transformer with scales and shifts of its own for one style."""

    def begin(self, z: Tensor) -> None:
        with torch.no_grad():
            self.both = torch.nn.Parameter(self.style(z[None])[0].clone())
        del self.style

    def conditions(self, z: Tensor) -> list[tuple[Tensor, Tensor]]:
        scale, shift = self.both.chunk(2)
        scales = scale[None, :, None, None].split(self.channels, dim=1)
        shifts = shift[None, :, None, None].split(self.channels, dim=1)
        return list(zip(scales, shifts, strict=True))


def vector_of(student: Free) -> np.ndarray:
    arrays = taught.for_frames(export.of_transformer(student))
    return taught.join(arrays, student.both.detach().numpy())


def at_other_size(student: Free, x: Tensor, out: Tensor) -> Tensor:
    """How far the painting of a smaller copy is from the painting's own smaller copy, by means of 8x8 pixels:
    a live run that has to paint smaller should not change its colors."""
    small = F.interpolate(x, scale_factor=5 / 8, mode="bilinear", antialias=True)
    with torch.autocast("cpu", torch.bfloat16):
        small = student(small.contiguous(memory_format=torch.channels_last), None)
    return (F.avg_pool2d(small.float(), 5) - F.avg_pool2d(out.float(), 8)).abs().mean()


def teach(name: str, stroke: float, c: float, photos: list[np.ndarray], eye: torch.nn.Module, args) -> None:
    style = find_style(f"atelier/{name}")
    file = (args.out or style.path.parent) / taught_beside(style.path).name
    if file.exists():
        return
    picture = data.read(style.path)
    student = shipped(args.weights).to(memory_format=torch.channels_last)
    student.__class__ = Free
    before = args.begin and args.begin / file.name
    student.begin(torch.from_numpy(PocketModel(weights=args.weights).embed(picture[..., ::-1].copy())))
    if before:
        arrays, both = taught.split(taught.read(before).vector)
        student.load_state_dict(state_of(taught.for_file(arrays)) | {"both": torch.from_numpy(both.copy())})
    scale = 512 * stroke / min(picture.shape[:2])
    size = tuple(round(side * scale) // 8 * 8 for side in picture.shape[1::-1])
    whole = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    with torch.no_grad():
        x = torch.from_numpy(whole).permute(2, 0, 1)[None].float() / 255
        wanted = [perceptual.gram(m) for m in eye(x.contiguous(memory_format=torch.channels_last))]
    colors = perceptual.palette(picture)
    optimizer = torch.optim.Adam(student.parameters(), lr=args.rate, betas=(0.9, 0.99))
    random = np.random.default_rng(args.seed)
    log = (args.runs / "styles.log").open("a", buffering=1)
    log.write(f"{time.strftime('%H:%M:%S')} {name} stroke {stroke} content {c}: {vars(args)}\n")
    sums: dict[str, list[float]] = {}
    began, used = time.time(), time.process_time()
    for step in range(args.steps):
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 30)
            group["lr"] = args.rate * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * step / args.steps)) / 2)
        which = random.integers(len(photos), size=args.batch)
        x = np.stack([data.crop(photos[i], random, 0.6, args.crop) for i in which])
        x = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                own = eye(x, last=3)[2]
            out = student(x, None)
            maps = eye(out.contiguous(memory_format=torch.channels_last))
        parts = {
            "style": perceptual.style_loss([perceptual.gram(m) for m in maps], wanted).mean(),
            "content": perceptual.content_loss(maps[2], own).mean(),
            "light": perceptual.content_loss(light(out), light(x)).mean(),
            "weave": perceptual.weave(out).mean(),
            "strange": perceptual.strangeness(out, colors).mean(),
        }
        loss = parts["style"] + c * parts["content"] + 0.3 * c * parts["light"] + args.weave * parts["weave"]
        loss = loss + args.palette * parts["strange"]
        if step % 2:
            parts["size"] = at_other_size(student, x, out)
            loss = loss + args.size * parts["size"]
        elif step % 4 == 0:
            again, moved = shaken(x, random)
            with torch.autocast("cpu", torch.bfloat16):
                again = student(again, None)
            parts["calm"] = (again - moved(out))[..., 8:-8, 8:-8].abs().mean()
            loss = loss + args.calm * parts["calm"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        for key, value in parts.items():
            sums.setdefault(key, []).append(value.item())
        if (step + 1) % 100 == 0:
            means = " ".join(f"{key} {np.mean(values):.5f}" for key, values in sums.items())
            log.write(f"{time.strftime('%H:%M:%S')} {name} {step + 1} {means}\n")
            sums = {}
    recipe = {
        "style": name,
        "picture": taught.short_hash(style.path),
        "model": "pocket",
        "by": "training/train_styles.py",
        "stroke": stroke,
        "content_weight": c,
        "steps": args.steps,
        "batch": args.batch,
        "crop": args.crop,
        "rate": args.rate,
        "seed": args.seed,
        "eye": args.eye,
        "weave_weight": args.weave,
        "palette_weight": args.palette,
        "size_weight": args.size,
        "calm_weight": args.calm,
        "practiced_on": "photographs, people, rooms",
    }
    if before:
        recipe["began_with"] = taught.read(before).recipe
    write_file(file, taught.dump(vector_of(student), recipe))
    log.write(f"{name} done: {time.time() - began:.0f} s, {time.process_time() - used:.0f} s of processor\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("styles", nargs="+", metavar="NAME:STROKE:CONTENT")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--out", type=Path, help="another folder than that of the style's picture")
    parser.add_argument("--begin", type=Path, help="a folder of taught styles to go on from")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="the pocket.npz to begin from")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--crop", type=int, default=208)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--weave", type=float, default=200, help="weight against what repeats every 4 pixels")
    parser.add_argument("--palette", type=float, default=3, help="weight against colors the style lacks")
    parser.add_argument("--eye", choices=("both", "vgg"), default="both")
    parser.add_argument("--size", type=float, default=0.8, help="weight of looking the same painted smaller")
    parser.add_argument("--calm", type=float, default=0.6, help="weight of painting a moved picture alike")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.runs.mkdir(exist_ok=True, parents=True)
    eye: torch.nn.Module = perceptual.Eyes(args.shared)
    if args.eye == "vgg":
        eye = eye.vgg
    photos = contents(args.shared)
    for given in args.styles:
        torch.manual_seed(args.seed)
        name, stroke, content = given.split(":")
        teach(name, float(stroke), float(content), photos, eye, args)


if __name__ == "__main__":
    main()
