"""Distil magenta-mobile's style predictor into our encoder. The same command resumes a run that was stopped.

    python training/train_encoder.py --shared ../shared --steps 9000

Loss: squared error of the embedding, of what each place says before they are averaged to it, and of the
five inner maps (hints), each relative to its own spread. At first each stage starts from the teacher's map,
so that all learn at once; then they learn as a chain.
Pictures: style pictures, photographs, the teacher's own paintings, patterns, blends; cropped, turned,
recolored. Each step brings a few new ones, and the rest of the batch comes from those seen lately, because
asking the teacher costs as much as learning.
"""

import argparse
import copy
import math
import time
from pathlib import Path

import bank
import data
import network
import numpy as np
import patterns
import teacher as teaching
import torch
import torch.nn.functional as F  # noqa: N812
from pictures import Pictures, to_batch

Tensor = torch.Tensor
RUNS = Path(__file__).parent / "runs"


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
    parser.add_argument("--first", type=int, default=600, help="pictures to begin with")
    parser.add_argument("--pool", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--hint", type=float, default=0.2)
    parser.add_argument("--places", type=float, default=0.3, help="weight of the answer place by place")
    parser.add_argument("--start", type=Path, help="weights to begin from instead of random ones")
    parser.add_argument("--plain", action="store_true", help="without residual layers; they can come later")
    parser.add_argument(
        "--forced", type=int, default=1200, help="steps in which each stage starts from the teacher's map"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)

    model = teaching.load(device)
    known = bank.known_embeddings(model, args.shared, device)
    middle = known["style"].mean(0).to(device)
    spread = (known["style"] - known["style"].mean(0)).square().sum(1).mean().item()
    names = model.predictor_names()
    # the ends of the predictor's groups of blocks, and its last map
    hints: tuple[str, ...] = (*(names[2 * i + 2] for i in (1, 3, 6, 10, 13)), names[-2])

    student = network.load_encoder(args.start) if args.start else network.Encoder(residual=not args.plain)
    student = student.to(device, memory_format=torch.channels_last)
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
    pictures = Pictures(args.shared, model, bank.Bank(known), args.seed + step)
    random = pictures.random
    pool = Pool(args.pool)
    scales = RUNS / f"{args.run}.scales.pt"
    if not scales.exists():  # mean and deviation of each channel of the teacher's maps
        with torch.no_grad():
            _, *maps, _ = model.embed(to_batch([pictures.one() for _ in range(96)], device), also=hints)
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

    @torch.no_grad()
    def learn_about(n: int) -> None:
        """Ask the teacher about n new pictures."""
        fresh = [pictures.one() for _ in range(n)]
        z, *maps, last = model.embed(to_batch(fresh, device), also=hints)
        maps = [(m - mean) / deviation for m, (mean, deviation) in zip(maps, usual, strict=True)]
        maps.append(model.places(last))
        for i, picture in enumerate(fresh):
            pool.add((picture, z[i], [m[i].to(torch.bfloat16) for m in maps]))

    def say(text: str) -> None:
        log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    say(f"from step {step}: {vars(args)}; {sum(p.numel() for p in student.parameters())} parameters")
    say("hints " + " ".join(h.split("/")[-1] for h in hints))
    sums = np.zeros(len(hints) + 2)
    began = time.time()
    while len(pool.rows) < args.first:
        learn_about(8)
    while step < args.steps:
        rate = (
            args.rate
            * min(1.0, (step + 1) / 100)
            * (0.005 + 0.995 * (1 + math.cos(math.pi * step / args.steps)) / 2)
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        learn_about(args.fresh)
        rows = [pool.rows[(pool.at - 1 - i) % len(pool.rows)] for i in range(args.fresh)]
        rows += pool.draw(max(0, args.batch - len(rows)), random)
        x = to_batch([r[0] for r in rows], device)
        z = torch.stack([r[1] for r in rows])
        maps = [torch.stack([r[2][k] for r in rows]) for k in range(len(hints))]
        *maps, said = [m.contiguous(memory_format=torch.channels_last) for m in maps]
        with torch.autocast(device.type, torch.bfloat16):
            got, places, own = student(x, inner=True, given=maps if step < args.forced else None)
        answer = (got - z).square().sum(1).mean() / spread
        local = (places - said.float()).square().sum(1).mean() / spread
        hint = torch.stack([F.mse_loss(a.float(), b.float()) for a, b in zip(own, maps, strict=True)])
        loss = answer + args.places * local + (1.0 if step < args.forced else args.hint) * hint.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimizer.step()
        step += 1
        decay = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            for a, b in zip(ema.state_dict().values(), student.state_dict().values(), strict=True):
                if a.dtype.is_floating_point:
                    a.lerp_(b, 1 - decay)
        sums += [answer.item(), local.item(), *hint.tolist(), 1]
        if step % 50 == 0:
            share = sums / sums[-1]
            stages = " ".join(f"{v:.3f}" for v in share[2:-1])
            pace = (time.time() - began) / 50
            say(f"{step} answer {share[0]:.4f} places {share[1]:.4f} stages {stages} {pace:.2f} s")
            sums, began = np.zeros(len(hints) + 2), time.time()
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
