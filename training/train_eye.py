"""Teach the eye to see as the perceptual teacher sees. The same command resumes a run that was stopped.

    python training/train_eye.py --shared ../shared --steps 8000

Loss on each of the four maps: the squared difference as a share of the map's variance, and the difference of
the Gram matrices as a share of the teacher's, since Gram matrices are what the eye is for. At first each
stage is given the teacher's map and learns by itself, then all learn as a chain. Pictures: photographs,
people, rooms, paintings, patterns, blends, paintings made by pocket, and noise on any of them.
"""

import argparse
import copy
import math
import time
from pathlib import Path

import cv2
import data
import numpy as np
import patterns
import perceptual
import torch

Tensor = torch.Tensor
RUNS = Path(__file__).parent / "runs"
SIZE = 144


class Supply:
    """An endless, mixed supply of crops, [size, size, 3] RGB uint8."""

    def __init__(self, shared: Path, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        folders = {
            "photos": data.content_paths(shared, held_out=False),
            "styles": data.style_paths(shared, held_out=False) * 2 + painting_paths(shared, held_out=False),
            "people": sorted((shared / "data" / "people").glob("*.jpg"))[::4],
            "rooms": sorted((shared / "data" / "backgrounds").glob("*.jpg")),
        }
        self.pictures = {name: [data.read(p, 512) for p in paths] for name, paths in folders.items()}
        self.painted: list[np.ndarray] = paintings_by_pocket(self.pictures, self.random)

    def plain(self) -> np.ndarray:
        random = self.random
        kind = random.random()
        if kind < 0.12:
            return data.crop(patterns.draw(random), random, 0.4, SIZE)
        if kind < 0.3:
            return data.crop(self.painted[random.integers(len(self.painted))], random, 0.5, SIZE)
        name = random.choice(["photos", "styles", "people", "rooms"], p=[0.42, 0.38, 0.12, 0.08])
        pictures = self.pictures[name]
        return data.crop(pictures[random.integers(len(pictures))], random, 0.3, SIZE)

    def one(self) -> np.ndarray:
        random = self.random
        picture = self.plain()
        if random.random() < 0.1:
            weight = random.uniform(0.2, 0.8)
            picture = cv2.addWeighted(picture, weight, self.plain(), 1 - weight, 0)
        if random.random() < 0.3:
            picture = data.jitter(picture, random)
        if random.random() < 0.12:
            noise = random.normal(0, random.choice([4, 12, 40, 90]), picture.shape)
            if random.random() < 0.3:
                noise = cv2.GaussianBlur(noise, (0, 0), random.uniform(0.5, 3)) * 3
            picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
        return picture

    def batch(self, n: int) -> Tensor:
        batch = torch.from_numpy(np.stack([self.one() for _ in range(n)])).permute(0, 3, 1, 2).float() / 255
        return batch.contiguous(memory_format=torch.channels_last)


def painting_paths(shared: Path, held_out: bool) -> list[Path]:
    """Every seventh is held out."""
    paths = sorted((shared / "data" / "paintings").glob("*.jpg"))
    return [p for i, p in enumerate(paths) if (i % 7 == 0) == held_out]


def paintings_by_pocket(
    pictures: dict[str, list[np.ndarray]], random: np.random.Generator
) -> list[np.ndarray]:
    from nstfilter.models.pocket import PocketModel

    model, painted = PocketModel(threads=1), []
    for _ in range(250):
        photos = pictures[random.choice(["photos", "people", "rooms"])]
        photo = cv2.resize(photos[random.integers(len(photos))], (320, 256), interpolation=cv2.INTER_AREA)
        style = pictures["styles"][random.integers(len(pictures["styles"]))]
        z = model.embed(np.ascontiguousarray(style[..., ::-1]))
        out = model.stylize(np.ascontiguousarray(photo[..., ::-1]), z)
        painted.append(np.ascontiguousarray(out[..., ::-1]))
    return painted


class Target:
    """The teacher's maps without the channels that are 0 on every picture, divided by a number for each
    map."""

    def __init__(self, teacher: perceptual.Vgg16x, supply: Supply) -> None:
        self.teacher = teacher
        with torch.no_grad():
            maps = teacher(supply.batch(96))
        deviations = [m.std((0, 2, 3)) for m in maps]
        self.live = [(d > 1e-4).nonzero()[:, 0] for d in deviations]
        self.scale = [
            d[live].square().mean().sqrt().item() for d, live in zip(deviations, self.live, strict=True)
        ]

    def __call__(self, x: Tensor) -> list[Tensor]:
        maps = self.teacher(x)
        return [m[:, live] / s for m, live, s in zip(maps, self.live, self.scale, strict=True)]


def losses(maps: list[Tensor], wanted: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Of each map: the share of the variance that is missed, and the relative difference of Gram matrices."""
    missed, grams = [], []
    for a, b in zip(maps, wanted, strict=True):
        spread = b.float().var((0, 2, 3), correction=0)
        error = (a.float() - b.float()).square().mean((0, 2, 3))
        # half by the energy of the channels, half each channel by itself: faint channels count in normalized
        # maps
        missed.append(
            0.5 * error.sum() / spread.sum() + 0.5 * (error / (spread + 0.02 * spread.mean())).mean()
        )
        grams.append(perceptual.style_loss([perceptual.gram(a.float())], [perceptual.gram(b.float())]).mean())
    return missed, grams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--run", default="eye")
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--gram", type=float, default=0.3, help="weight of the Gram matrices")
    parser.add_argument(
        "--forced", type=int, default=1500, help="steps in which each stage gets the teacher's map"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(args.seed)
    args.runs.mkdir(exist_ok=True, parents=True)

    teacher = perceptual.Vgg16x(args.shared / "models" / "vgg-16x" / "e4.npz")
    supply = Supply(args.shared, args.seed)
    target = Target(teacher.to(memory_format=torch.channels_last), supply)
    eye = perceptual.Eye().to(memory_format=torch.channels_last)
    ema = copy.deepcopy(eye).requires_grad_(False)
    optimizer = torch.optim.Adam(eye.parameters(), lr=args.rate, betas=(0.9, 0.99))
    step, checkpoint = 0, args.runs / f"{args.run}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        eye.load_state_dict(state["student"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    supply.random = np.random.default_rng(args.seed + step + 1)
    log = (args.runs / f"{args.run}.log").open("a", buffering=1)
    live = [len(v) for v in target.live]
    log.write(f"{time.strftime('%H:%M:%S')} from step {step}: {vars(args)}, channels {live}\n")
    sums, began = np.zeros(8), time.time()
    while step < args.steps:
        warm = min(1.0, (step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = args.rate * warm * (0.005 + 0.995 * (1 + math.cos(math.pi * step / args.steps)) / 2)
        x = supply.batch(args.batch)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                wanted = target(x)
            maps = eye(x, given=wanted if step < args.forced else None)
        missed, grams = losses(maps, wanted)
        loss = sum(missed) + args.gram * sum(grams)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(eye.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            for a, b in zip(ema.parameters(), eye.parameters(), strict=True):
                a.lerp_(b, 1 - decay)
        sums += [v.item() for v in missed + grams]
        if step % 50 == 0:
            pace = (time.time() - began) / 50
            means = sums / 50
            log.write(
                f"{time.strftime('%H:%M:%S')} {step} missed "
                + " ".join(f"{v:.4f}" for v in means[:4])
                + " gram "
                + " ".join(f"{v:.4f}" for v in means[4:])
                + f" {pace:.2f} s\n"
            )
            sums, began = np.zeros(8), time.time()
        if step % 250 == 0 or step == args.steps:
            state = {"student": eye.state_dict(), "ema": ema.state_dict(), "step": step}
            torch.save(state | {"optimizer": optimizer.state_dict()}, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)


if __name__ == "__main__":
    main()
