"""Distil magenta-mobile's style predictor into our encoder. The same command resumes a run that was stopped.

    python training/train_encoder.py --shared ../shared --steps 9000

Loss: squared error of the embedding, and of the five inner maps (hints), each relative to its own spread.
Pictures: style pictures, photographs, the teacher's own paintings, patterns, blends; cropped, turned,
recoloured. Each step brings a few new ones, and the rest of the batch comes from those seen lately, because
asking the teacher costs as much as learning.
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
import teacher as teaching
import torch
import train_transformer

Tensor = torch.Tensor
RUNS = Path(__file__).parent / "runs"


class Pictures:
    """An endless, mixed supply of pictures, [256, 256, 3] RGB uint8."""

    def __init__(self, shared: Path, model: teaching.Teacher, known: dict[str, Tensor], seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.styles = [data.read(p, 512) for p in data.style_paths(shared, held_out=False)]
        self.photos = [data.read(p) for p in data.content_paths(shared, held_out=False)]
        self.model, self.known = model, known

    def one(self, kind: float | None = None) -> np.ndarray:
        random = self.random
        kind = random.random() if kind is None else kind
        if kind < 0.34:
            picture = self.styles[random.integers(len(self.styles))]
            if random.random() < 0.3:  # whole, squeezed to a square, as a user's picture is
                picture = cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA)
            else:
                picture = data.crop(picture, random, 0.3)
        elif kind < 0.55:
            picture = data.crop(self.photos[random.integers(len(self.photos))], random, 0.4)
        elif kind < 0.7:
            picture = patterns.draw(random)
        elif kind < 0.8:
            picture = self.blend(self.one(random.uniform(0, 0.7)), self.one(random.uniform(0, 0.7)))
        else:
            picture = self.painting()
        if random.random() < 0.4:
            picture = data.jitter(picture, random)
        if random.random() < 0.15:
            picture = np.rot90(picture, random.integers(4))
        return np.ascontiguousarray(picture)

    def blend(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        random = self.random
        kind = random.integers(3)
        if kind == 0:
            return cv2.addWeighted(a, weight := random.uniform(0.2, 0.8), b, 1 - weight, 0)
        if kind == 1:
            at = random.integers(64, 192)
            return np.concatenate([a[:, :at], b[:, at:]], 1)
        half = cv2.resize(a, (128, 128), interpolation=cv2.INTER_AREA)
        other = cv2.resize(b, (128, 128), interpolation=cv2.INTER_AREA)
        return np.concatenate([np.concatenate([half, other], 1), np.concatenate([other, half], 1)], 0)

    @torch.no_grad()
    def painting(self) -> np.ndarray:
        """A photograph in the teacher's hand: a picture that looks like a style, for nothing."""
        device = next(self.model.buffers()).device
        x = data.to_tensor(data.crop(self.photos[self.random.integers(len(self.photos))], self.random, 0.5))
        z = train_transformer.draw(self.known, 1, self.random).to(device)
        out = self.model.stylize(x[None].to(device).contiguous(memory_format=torch.channels_last), z)[0]
        return (out.clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()


def to_batch(pictures: list[np.ndarray], device: torch.device) -> Tensor:
    batch = torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).float() / 255
    return batch.contiguous(memory_format=torch.channels_last)


class Pool:
    """The latest pictures with the teacher's answers, kept in memory."""

    def __init__(self, size: int) -> None:
        self.size, self.rows, self.at = size, [], 0

    def add(self, row: tuple) -> None:
        if len(self.rows) < self.size:
            self.rows.append(row)
        else:
            self.rows[self.at] = row
        self.at = (self.at + 1) % self.size

    def draw(self, n: int, random: np.random.Generator) -> list[tuple]:
        return [self.rows[i] for i in random.integers(len(self.rows), size=n)]


def error(got: Tensor, z: Tensor, middle: Tensor) -> float:
    """Mean distance to the teacher's embedding, relative to that embedding's distance from the mean style."""
    return ((got - z).norm(dim=1) / (z - middle).norm(dim=1)).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--run", default="encoder")
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--fresh", type=int, default=4, help="new pictures a step")
    parser.add_argument("--pool", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--hint", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)

    model = teaching.load(device)
    known = train_transformer.bank(model, args.shared, device)
    middle = known["style"].mean(0).to(device)
    spread = (known["style"] - known["style"].mean(0)).square().sum(1).mean().item()
    names = model.predictor_names()
    hints = tuple(names[2 * i + 2] for i in (1, 3, 6, 10, 13))  # the ends of the predictor's groups of blocks

    student = network.Encoder().to(device, memory_format=torch.channels_last)
    with torch.no_grad():
        student.middle.copy_(middle)
        student.spread.fill_(math.sqrt(spread / network.EMBEDDING))
    ema = copy.deepcopy(student).requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(student.parameters(), lr=args.rate, weight_decay=1e-3, betas=(0.9, 0.99))
    step, checkpoint = 0, RUNS / f"{args.run}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        student.load_state_dict(state["student"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    pictures = Pictures(args.shared, model, known, args.seed + step)
    random = pictures.random
    pool = Pool(args.pool)
    scales = RUNS / f"{args.run}.scales.pt"
    if not scales.exists():  # mean and deviation of each channel of the teacher's maps
        with torch.no_grad():
            _, *maps = model.embed(to_batch([pictures.one() for _ in range(96)], device), also=hints)
        torch.save([(m.mean((0, 2, 3), True), m.std((0, 2, 3), keepdim=True) + 1e-3) for m in maps], scales)
    usual = torch.load(scales, map_location=device)
    held = [data.read(p, 512) for p in data.style_paths(args.shared, held_out=True)]
    held_batch = torch.stack([data.to_tensor(p) for p in held]).to(device)
    photo_paths = data.content_paths(args.shared, held_out=True)[:40]
    photo_batch = torch.stack([data.to_tensor(data.read(p)) for p in photo_paths]).to(device)
    drawn = np.random.default_rng(7)
    drawn_batch = to_batch([patterns.draw(drawn) for _ in range(24)], device)
    with torch.no_grad():
        drawn_z = model.embed(drawn_batch)
    log = (RUNS / f"{args.run}.log").open("a", buffering=1)

    def say(text: str) -> None:
        log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    say(f"from step {step}: {vars(args)}; {sum(p.numel() for p in student.parameters())} parameters")
    say("hints " + " ".join(h.split("/")[-1] for h in hints))
    sums = np.zeros(3)
    began = time.time()
    while step < args.steps:
        rate = (
            args.rate
            * min(1.0, (step + 1) / 100)
            * (0.005 + 0.995 * (1 + math.cos(math.pi * step / args.steps)) / 2)
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        fresh = [pictures.one() for _ in range(args.fresh if len(pool.rows) >= 64 else args.batch)]
        with torch.no_grad():
            z, *maps = model.embed(to_batch(fresh, device), also=hints)
            maps = [(m - mean) / deviation for m, (mean, deviation) in zip(maps, usual, strict=True)]
        for i, picture in enumerate(fresh):
            pool.add((picture, z[i], [m[i].to(torch.bfloat16) for m in maps]))
        rows = [pool.rows[(pool.at - 1 - i) % len(pool.rows)] for i in range(len(fresh))]
        rows += pool.draw(max(0, args.batch - len(rows)), random)
        x = to_batch([r[0] for r in rows], device)
        z = torch.stack([r[1] for r in rows])
        with torch.autocast(device.type, torch.bfloat16):
            got, own = student(x, inner=True)
        answer = (got - z).square().sum(1).mean() / spread
        hint = torch.zeros((), device=device)
        for k, a in enumerate(own):
            b = torch.stack([r[2][k] for r in rows]).float()
            hint = hint + (a.float() - b).square().mean()
        loss = answer + args.hint * hint
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 2.0)
        optimizer.step()
        step += 1
        decay = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            for a, b in zip(ema.state_dict().values(), student.state_dict().values(), strict=True):
                if a.dtype.is_floating_point:
                    a.lerp_(b, 1 - decay)
        sums += [answer.item(), hint.item(), 1]
        if step % 50 == 0:
            say(
                f"{step} answer {sums[0] / sums[2]:.4f} hint {sums[1] / sums[2]:.4f}"
                f" {(time.time() - began) / 50:.2f} s"
            )
            sums, began = np.zeros(3), time.time()
        if step % 250 == 0 or step == args.steps:
            state = {"student": student.state_dict(), "ema": ema.state_dict(), "step": step}
            torch.save(state | {"optimizer": optimizer.state_dict()}, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
            with torch.no_grad():
                styles = error(ema(held_batch), known["held_out_style"].to(device), middle)
                photos = error(ema(photo_batch), known["held_out_content"][:40].to(device), middle)
                shapes = error(ema(drawn_batch), drawn_z, middle)
            say(f"{step} held out error: styles {styles:.4f} photographs {photos:.4f} patterns {shapes:.4f}")
            began = time.time()


if __name__ == "__main__":
    main()
