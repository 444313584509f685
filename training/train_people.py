"""Teach the network that finds people (people_network.py) from MediaPipe's selfie segmentation and from
composites. Resumes from its last checkpoint; the learning rate follows the minutes spent.

python training/train_people.py --shared ../shared --minutes 80
"""

import argparse
import copy
import math
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import people_data
import torch
import torch.nn.functional as F  # noqa: N812
from people_network import People
from torch.utils.data import DataLoader, IterableDataset

RUNS = Path(__file__).parent / "runs"


class Examples(IterableDataset):
    """Endless batches, each of one shape: pictures [n, h, w, 3] and masks [n, h, w], uint8. Small ones until
    `large` is set, which the process that makes the batches shares with the one that learns."""

    def __init__(self, material: people_data.Material, batch: int, seed: int) -> None:
        self.material, self.batch, self.seed = material, batch, seed
        self.large = torch.zeros(1).share_memory_()

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        rng = np.random.default_rng(self.seed)
        while True:
            shapes = people_data.SHAPES if self.large.item() else people_data.SMALL
            shape = shapes[rng.choice(len(shapes), p=people_data.SHAPE_WEIGHTS)]
            pairs = [people_data.example(self.material, shape, rng) for _ in range(self.batch)]
            yield tuple(torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))


def as_input(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last).float() / 255


def loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Cross entropy, three times heavier along the edge, and the soft Jaccard distance (an empty truth and
    an empty answer are at no distance)."""
    near = (F.avg_pool2d(truth, 7, 1, 3, count_include_pad=False) - truth).abs()
    weight = 1 + 4 * near.clamp(max=0.5)
    entropy = (weight * F.binary_cross_entropy_with_logits(logits, truth, reduction="none")).mean()
    found = torch.sigmoid(logits)
    both, either = (found * truth).sum((1, 2, 3)), (found + truth - found * truth).sum((1, 2, 3))
    smooth = 0.005 * truth[0].numel()
    return entropy + 0.5 * (1 - (both + smooth) / (either + smooth)).mean()


@torch.inference_mode()
def evaluate(model: People, shared: Path, teacher: people_data.Teacher) -> str:
    model.eval()
    people, rooms = people_data.held_out(shared)
    overlaps, shares = [], []
    for path in [*people, *rooms]:
        picture = people_data.read(path)
        height, width = people_data.fitting_shape(picture)
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        mask = torch.sigmoid(model(as_input(torch.from_numpy(small)[None])))[0, 0].numpy()
        mask = cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        if path in rooms:
            shares.append((mask > 0.5).mean())
        else:
            overlaps.append(people_data.overlap(mask, teacher.run(picture)))
    return (
        f"IoU {np.mean(overlaps):.4f} (median {np.median(overlaps):.4f}), "
        f"empty rooms marked {100 * np.mean(shares):.2f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--run", type=Path, default=RUNS / "people")
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--small", type=float, default=0.5, help="share of the time at half the pixels")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=14)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(args.seed)
    material = people_data.Material(args.shared, args.run / "targets")
    print(
        f"{len(material.people)} people, {len(material.cutouts)} cut-outs, {len(material.empty)} empty",
        flush=True,
    )
    teacher = people_data.Teacher(args.shared)
    model = People().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01)
    average, spent, step = copy.deepcopy(model), 0.0, 0
    checkpoint = args.run / "people.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu")
        model.load_state_dict(state["model"])
        average.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        spent, step = state["spent"], state["step"]
    examples = Examples(material, args.batch, args.seed + step)
    batches = iter(DataLoader(examples, batch_size=None, num_workers=1))
    recent: list[float] = []
    began = saved = time.monotonic()
    model.train()
    while (now := spent + time.monotonic() - began) < 60 * args.minutes:
        done = now / (60 * args.minutes)
        examples.large[0] = float(done > args.small)
        rate = args.rate * min(1, (step + 1) / 200) * (0.5 * (1 + math.cos(math.pi * done)) + 0.003)
        for group in optimizer.param_groups:
            group["lr"] = rate
        pictures, masks = next(batches)
        value = loss(model(as_input(pictures)), masks[:, None].float() / 255)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.append(value.item())
        keep = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
                if kept.is_floating_point():
                    kept.lerp_(new, 1 - keep)
                else:
                    kept.copy_(new)
        step += 1
        if step % 50 == 0:
            print(f"{now / 60:.1f} min, step {step}, rate {rate:.5f}, loss {np.mean(recent):.4f}", flush=True)
            recent.clear()
        if time.monotonic() - saved > 400:
            save(checkpoint, model, average, optimizer, spent + time.monotonic() - began, step)
            print(f"step {step}: {evaluate(average, args.shared, teacher)}", flush=True)
            saved = time.monotonic()
    save(checkpoint, model, average, optimizer, spent + time.monotonic() - began, step)
    print(f"step {step}: {evaluate(average, args.shared, teacher)}", flush=True)


def save(
    path: Path, model: People, average: People, optimizer: torch.optim.Optimizer, spent: float, step: int
) -> None:
    state = {
        "model": model.state_dict(),
        "ema": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "spent": spent,
        "step": step,
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


if __name__ == "__main__":
    main()
