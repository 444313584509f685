"""Distil magenta-mobile's transformer into ours. The same command resumes a run that was stopped.

    python training/train_transformer.py --shared ../shared --steps 8000

Losses against the teacher on the same photograph and embedding: L1, L1 of gradients, L1 of 8x8 means, and the
quarter-size maps of both networks (hints, after Romero et al. 2015, arXiv 1412.6550). On top, the style score
itself: how far the predictor's embedding of our picture is from the one we asked for; and calm: the same
picture, moved by a few pixels, with noise and in other light, is to be painted the same.
"""

import argparse
import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import bank
import cv2
import data
import network
import numpy as np
import teacher as teaching
import torch
import torch.nn.functional as F  # noqa: N812

Tensor = torch.Tensor
RUNS = Path(__file__).parent / "runs"


def picture_loss(out: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    l1 = (out - target).abs().mean()
    loss = l1 + (data.means(out) - data.means(target)).abs().mean()
    for a, b in zip(data.gradients(out), data.gradients(target), strict=True):
        loss = loss + 0.5 * (a - b).abs().mean()
    return loss, l1


@torch.no_grad()
def validate(student, model, shared: Path, known: dict[str, Tensor], device, sheet: Path) -> dict[str, float]:
    """Held-out photographs x held-out styles, with the teacher's embeddings; writes a sheet to look at."""
    paths = data.content_paths(shared, held_out=True)
    rows, sums = [], {"l1": 0.0, "score": 0.0, "teacher": 0.0}
    picks = range(0, len(paths), 9)
    styles = known["held_out_style"].to(device)
    for k in picks:
        x = data.to_tensor(data.read(paths[k]))[None].to(device)
        own = known["held_out_content"][k].to(device)
        z = styles[[k % 10, (k + 3) % 10, (k + 6) % 10, (k + 9) % 10]]
        xs = x.expand(len(z), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        target, out = model.stylize(xs, z), student(xs, z)
        sums["l1"] += (out - target).abs().mean().item()
        base = (own - z).norm(dim=1)
        sums["score"] += (1 - (model.embed(out) - z).norm(dim=1) / base).mean().item()
        sums["teacher"] += (1 - (model.embed(target) - z).norm(dim=1) / base).mean().item()
        rows.append(torch.cat([torch.cat([x, *target[:, None]], 3), torch.cat([x, *out[:, None]], 3)], 2)[0])
    image = (torch.cat(rows[:4], 1).clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()
    cv2.imwrite(str(sheet), image[..., ::-1])
    return {key: value / len(picks) for key, value in sums.items()}


def grid(picture: Tensor) -> Tensor:
    """By how much each of the 4x4 pixels of a cell differs, over windows of 16 pixels, from their mean."""
    local = F.avg_pool2d(F.pixel_unshuffle(picture, 4), 4, stride=2).reshape(*picture.shape[:2], 16, -1)
    return local - local.mean(2, keepdim=True)


def grid_loss(out: Tensor, target: Tensor) -> Tensor:
    """Cells may show where the teacher's texture happens to, and not more: in flat areas not at all.

    Compared with a smoothed target instead, this took away texture and a tenth of the style score.
    """
    return F.relu(grid(out).abs() - grid(target).abs()).mean()


def shaken(x: Tensor, random: np.random.Generator) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The pictures moved by up to four pixels, with noise and a little brighter or darker; and the move."""
    move = tuple(int(d) for d in random.integers(-4, 5, size=2))

    def moved(picture: Tensor) -> Tensor:
        return picture.roll(move, (2, 3))

    light = 0.02 * torch.randn(len(x), 1, 1, 1, device=x.device)
    again = (moved(x) + 0.015 * torch.randn_like(x) + light).clamp(0, 1)
    return again.contiguous(memory_format=torch.channels_last), moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument(
        "--run", default="transformer", help="name of the run; its files lie in training/runs"
    )
    parser.add_argument("--start", type=Path, help="weights to begin from instead of random ones")
    parser.add_argument("--encoder", type=Path, help="a run of train_encoder.py: be given its embeddings")
    parser.add_argument("--pairs", type=int, default=0, help="other pictures whose embeddings to ask for too")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--l1", type=float, default=1.0, help="weight of the plain difference")
    parser.add_argument("--hint", type=float, default=0.05)
    parser.add_argument("--style", type=float, default=0.2, help="weight of the style score")
    parser.add_argument(
        "--calm", type=float, default=0.0, help="weight of the same answer under small changes"
    )
    parser.add_argument("--grid", type=float, default=2.0, help="weight against a visible grid of cells")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    RUNS.mkdir(exist_ok=True)

    model = teaching.load(device)
    known = bank.known_embeddings(model, args.shared, device)
    supply = bank.Bank(known)
    encoder = None
    if args.encoder:
        encoder = network.load_encoder(args.encoder).to(device, memory_format=torch.channels_last).eval()
    if args.pairs:
        pairs = bank.pairs(model, encoder, supply, args.shared, args.pairs, device)
        supply.add(0.8 if encoder else 0.5, *pairs)
    photos = [data.read(p) for p in data.content_paths(args.shared, held_out=False)]
    hints = model.trunk_names()
    hints = [hints[0], *hints[-network.BLOCKS :]]

    student = network.Transformer().to(device, memory_format=torch.channels_last)
    if args.start:
        student.load_state_dict(torch.load(args.start, map_location=device)["ema"])
    ema = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.Adam(student.parameters(), lr=args.rate, betas=(0.9, 0.99))
    step, checkpoint = 0, RUNS / f"{args.run}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        student.load_state_dict(state["student"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    random = np.random.default_rng(args.seed + step)
    log = (RUNS / f"{args.run}.log").open("a", buffering=1)

    def say(text: str) -> None:
        log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    say(f"from step {step}: {vars(args)}")
    sums: dict[str, float] = {}
    began = time.time()
    while step < args.steps:
        warm = min(1.0, (step + 1) / 200)
        for group in optimizer.param_groups:
            group["lr"] = args.rate * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * step / args.steps)) / 2)
        which = random.integers(len(photos), size=args.batch)
        x = torch.stack([data.to_tensor(data.crop(photos[i], random, 0.5)) for i in which])
        x = x.to(device).contiguous(memory_format=torch.channels_last)
        given, z = (v.to(device) for v in supply.draw(args.batch, random))
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                target, *maps = [m.float() for m in model.stylize(x, z, also=tuple(hints))]
            out, own = student(x, given, inner=True)
        loss, l1 = picture_loss(out, target)
        loss = loss + (args.l1 - 1) * l1
        parts = {"l1": l1.item()}
        cells = grid_loss(out, target)
        parts["grid"] = cells.item()
        loss = loss + args.grid * cells
        hint = sum(F.mse_loss(a.float(), b) / b.square().mean() for a, b in zip(own, maps, strict=True))
        parts["hint"] = hint.item()
        loss = loss + args.hint * hint
        if args.style and step >= 300 and step % 2 == 0:
            with torch.autocast(device.type, torch.bfloat16):
                got = model.embed(out.contiguous(memory_format=torch.channels_last)).float()
            base = (known["content"][which].to(device) - z).norm(dim=1)
            share = (got - z).norm(dim=1) / (base + 0.2 * base.mean())
            parts["style"] = share.mean().item()
            loss = loss + 2 * args.style * share.mean()
        if args.calm and step % 2 == 1:
            again, moved = shaken(x, random)
            with torch.autocast(device.type, torch.bfloat16):
                again = student(again, given)
            calm = (again - moved(out))[..., 8:-8, 8:-8].abs().mean()
            parts["calm"] = calm.item()
            loss = loss + 2 * args.calm * calm
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(0.999, (step + 1) / (step + 10))
        with torch.no_grad():
            for a, b in zip(ema.parameters(), student.parameters(), strict=True):
                a.lerp_(b, 1 - decay)
        for key, value in parts.items():
            sums[key] = sums.get(key, 0.0) + value
            sums["n_" + key] = sums.get("n_" + key, 0.0) + 1
        if step % 50 == 0:
            pace = (time.time() - began) / 50
            keys = [k for k in sums if not k.startswith("n_")]
            say(f"{step} " + " ".join(f"{k} {sums[k] / sums['n_' + k]:.4f}" for k in keys) + f" {pace:.2f} s")
            sums, began = {}, time.time()
        if step % 250 == 0 or step == args.steps:
            state = {"student": student.state_dict(), "ema": ema.state_dict(), "step": step}
            torch.save(state | {"optimizer": optimizer.state_dict()}, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
        if step % 500 == 0 or step == args.steps:
            figures = validate(ema, model, args.shared, known, device, RUNS / f"{args.run}.png")
            say(f"{step} held out: " + " ".join(f"{k} {v:.4f}" for k, v in figures.items()))
            began = time.time()


if __name__ == "__main__":
    main()
