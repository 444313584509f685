"""Train pocket's transformer on, with a perceptual loss against the style pictures themselves.

    python training/train_base.py --shared ../shared --minutes 90

It begins with the weights that ship. The encoder stays as it is: a style is its embedding of the picture's
middle square, and what the painting should have are the Gram matrices of that square at 384 pixels through
the perceptual teacher (Johnson et al. 2016, arXiv 1603.08155). Losses:

style     |G(out) - G(style)|_1 / |G(style)|_1, the mean over relu1_1, 2_1, 3_1 and 4_1
content   squared difference of normalized relu3_1 to the photograph's; its weight goes from --content[0] to
          --content[1] on the way: strokes grow first, then structure comes back
light     the same for 8x8 means of the light
weave     power of what repeats every four pixels: the network paints cells of 4x4
calm      the same picture, moved by a few pixels, with noise and in other light, is to be painted the same

The rate falls with time and not with steps, so that a busy machine changes how far a run comes and not where
it ends. The same command resumes a run that was stopped.
"""

import argparse
import copy
import math
import time
from pathlib import Path

import cv2
import data
import network
import numpy as np
import patterns
import perceptual
import torch
import torch.nn.functional as F  # noqa: N812
from train_eye import painting_paths
from train_transformer import shaken

from nstfilter.models.pocket import WEIGHTS, PocketModel

Tensor = torch.Tensor
RUNS = Path(__file__).parent / "runs"
STYLE_SIZE = 384
CROP = 192


def shipped(path: Path = WEIGHTS) -> network.Transformer:
    """The transformer with the weights in a pocket.npz: the inverse of export.py."""
    student = network.Transformer()
    with np.load(path) as file:
        state = state_of({key: file[key] for key in file.files})
        for name in ("style.weight", "style.bias"):
            state[name] = torch.from_numpy(file[name].astype(np.float32))
    student.load_state_dict(state)
    return student


def state_of(found: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The transformer's state from its arrays as they lie in files: inverse of `export.of_transformer`."""
    state = {}
    arrays = {key: torch.from_numpy(array.astype(np.float32)) for key, array in found.items()}

    def colors_first(kernel: Tensor, phases: int, axis: int) -> Tensor:
        shape = list(kernel.shape)
        parts = [*shape[:axis], phases, shape[axis] // phases, *shape[axis + 1 :]]
        return kernel.reshape(parts).transpose(axis, axis + 1).reshape(shape)

    for i in range(2):
        state[f"front.{i}.weight"], state[f"front.{i}.bias"] = (
            arrays[f"front{i}.weight"],
            arrays[f"front{i}.bias"],
        )
    state["front.0.weight"] = colors_first(state["front.0.weight"], 16, 1)
    for i in range(2 * network.BLOCKS):
        state[f"blocks.{i}.weight"] = arrays[f"block{i}.weight"]
    state["up.weight"] = colors_first(arrays["up.weight"], 4, 0)
    state["paint.weight"] = arrays["paint.weight"]
    state["out.weight"] = colors_first(arrays["out.weight"], 4, 0)
    return state


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle square, at `size`."""
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    way = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cv2.resize(picture[top : top + side, left : left + side], (size, size), interpolation=way)


@torch.no_grad()
def grams_of(eye: torch.nn.Module, picture: np.ndarray, size: int = STYLE_SIZE) -> list[Tensor]:
    """Gram matrices [1, c, c] of a picture's middle square, HxWx3 RGB uint8."""
    x = torch.from_numpy(square(picture, size)).permute(2, 0, 1)[None].float() / 255
    return [perceptual.gram(m) for m in eye(x.contiguous(memory_format=torch.channels_last))]


def style_bank(shared: Path, eye: torch.nn.Module, path: Path) -> dict[str, list[Tensor]]:
    """Embedding and Gram matrices of many pictures: style pictures and paintings whole, cropped and
    recolored, patterns, and photographs; kept on disk. `group` says which is which."""
    if path.exists():
        return torch.load(path)
    random = np.random.default_rng(7)
    pocket = PocketModel(threads=1, precision="f32")
    pictures: list[tuple[int, np.ndarray]] = []
    for p in [*data.style_paths(shared, held_out=False), *painting_paths(shared, held_out=False)]:
        picture = data.read(p, 640)
        pictures.append((0, square(picture, 512)))
        pictures += [(1, data.crop(picture, random, 0.45, 400)) for _ in range(4)]
        pictures += [(2, data.jitter(data.crop(picture, random, 0.5, 400), random)) for _ in range(3)]
    pictures += [(3, patterns.draw(random)) for _ in range(160)]
    contents = data.content_paths(shared, held_out=False)
    pictures += [(4, data.read(contents[i])) for i in random.permutation(len(contents))[:80]]
    bank: dict[str, list[Tensor]] = {"group": [], "z": [], "grams": []}
    for group, picture in pictures:
        bank["group"].append(group)
        bank["z"].append(torch.from_numpy(pocket.embed(np.ascontiguousarray(picture[..., ::-1]))))
        bank["grams"].append([g[0] for g in grams_of(eye, picture)])
    torch.save(bank, path)
    return bank


class Styles:
    """Draws what to paint: embeddings [n, 100] and the Gram matrices to have; some are mixed from two."""

    SHARES = (0.34, 0.22, 0.18, 0.09, 0.04, 0.13)
    """Of pictures whole, cropped, and recolored; patterns; photographs; and the bundled styles once more."""

    def __init__(self, bank: dict[str, list[Tensor]], bundled: set[int]) -> None:
        self.bank = bank
        self.members = [[i for i, g in enumerate(bank["group"]) if g == group] for group in range(5)]
        self.members.append([i for i in self.members[0] if i // 8 in bundled])

    def draw(self, n: int, random: np.random.Generator) -> tuple[Tensor, list[Tensor]]:
        rows, grams = [], []
        for _ in range(n):
            i, j = (random.choice(self.members[random.choice(6, p=self.SHARES)]) for _ in range(2))
            t = random.uniform(0.2, 0.8) if random.random() < 0.15 else 0.0
            rows.append(torch.lerp(self.bank["z"][i], self.bank["z"][j], t))
            grams.append(
                [
                    torch.lerp(a, b, t)
                    for a, b in zip(self.bank["grams"][i], self.bank["grams"][j], strict=True)
                ]
            )
        return torch.stack(rows), [torch.stack(layer) for layer in zip(*grams, strict=True)]


def light(x: Tensor) -> Tensor:
    """8x8 means of the light, [n, 1, h/8, w/8]."""
    return F.avg_pool2d((x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True), 8)


def contents(shared: Path) -> list[np.ndarray]:
    """Photographs, people and rooms to practice on."""
    people = sorted((shared / "data" / "people").glob("*.jpg"))[::6]
    rooms = sorted((shared / "data" / "backgrounds").glob("*.jpg"))[::2]
    return [data.read(p, 400) for p in [*data.content_paths(shared, held_out=False), *people, *rooms]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--run", default="base")
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--start", type=Path, help="a run to begin from instead of the weights that ship")
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--content", type=float, nargs=2, default=(0.05, 0.1))
    parser.add_argument("--calm", type=float, default=0.15)
    parser.add_argument("--weave", type=float, default=200, help="weight against what repeats every 4 pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(args.seed)
    args.runs.mkdir(exist_ok=True, parents=True)

    last = torch.channels_last
    eye = perceptual.Eyes(args.shared)
    bundled = {
        i for i, p in enumerate(data.style_paths(args.shared, held_out=False)) if p.parent.name == "atelier"
    }
    styles = Styles(style_bank(args.shared, eye, args.runs / "styles.pt"), bundled)
    photos = contents(args.shared)
    student = shipped().to(memory_format=last)
    if args.start:
        student.load_state_dict(torch.load(args.start)["ema"])
    ema = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.Adam(student.parameters(), lr=args.rate, betas=(0.9, 0.99))
    step, spent, checkpoint = 0, 0.0, args.runs / f"{args.run}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        student.load_state_dict(state["student"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    random = np.random.default_rng(args.seed + step)
    log = (args.runs / f"{args.run}.log").open("a", buffering=1)
    log.write(f"{time.strftime('%H:%M:%S')} from step {step}: {vars(args)}\n")
    sums: dict[str, list[float]] = {}
    before = saved = noted = time.time()
    while spent < args.minutes * 60:
        done = spent / (args.minutes * 60)
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 100)
            group["lr"] = args.rate * warm * (0.005 + 0.995 * (1 + math.cos(math.pi * done)) / 2)
        c = args.content[0] + (args.content[1] - args.content[0]) * done
        which = random.integers(len(photos), size=args.batch)
        x = np.stack([data.crop(photos[i], random, 0.55, CROP) for i in which])
        x = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255
        x = x.contiguous(memory_format=last)
        z, wanted = styles.draw(args.batch, random)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                own = eye(x, last=3)[2]
            out = student(x, z)
            maps = eye(out.contiguous(memory_format=last))
        parts = {
            "style": perceptual.style_loss([perceptual.gram(m) for m in maps], wanted).mean(),
            "content": perceptual.content_loss(maps[2], own).mean(),
            "light": perceptual.content_loss(light(out), light(x)).mean(),
            "weave": perceptual.weave(out).mean(),
        }
        loss = parts["style"] + c * parts["content"] + 0.3 * c * parts["light"] + args.weave * parts["weave"]
        if step % 3 == 0:
            again, moved = shaken(x, random)
            with torch.autocast("cpu", torch.bfloat16):
                again = student(again, z)
            parts["calm"] = (again - moved(out))[..., 8:-8, 8:-8].abs().mean()
            loss = loss + 3 * args.calm * parts["calm"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            for a, b in zip(ema.parameters(), student.parameters(), strict=True):
                a.lerp_(b, 1 - decay)
        for key, value in parts.items():
            sums.setdefault(key, []).append(value.item())
        now = time.time()
        spent, before = spent + now - before, now
        if step % 50 == 0:
            log.write(
                f"{time.strftime('%H:%M:%S')} {step} "
                + " ".join(f"{key} {np.mean(values):.5f}" for key, values in sums.items())
                + f" c {c:.3f} {(now - noted) / 50:.2f} s\n"
            )
            sums, noted = {}, now
        if now - saved > 60 or spent >= args.minutes * 60:
            saved = now
            state = {"student": student.state_dict(), "ema": ema.state_dict(), "step": step, "spent": spent}
            torch.save(state | {"optimizer": optimizer.state_dict()}, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)


if __name__ == "__main__":
    main()
