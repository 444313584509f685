"""Embeddings to ask of the transformer."""

from pathlib import Path

import data
import network
import numpy as np
import teacher as teaching
import torch
from pictures import Pictures, to_batch

Tensor = torch.Tensor
RUNS = Path(__file__).parent / "runs"


@torch.no_grad()
def embeddings(model: teaching.Teacher, pictures: list[np.ndarray], device: torch.device) -> Tensor:
    batches = []
    for i in range(0, len(pictures), 16):
        batch = torch.stack([data.to_tensor(p) for p in pictures[i : i + 16]]).to(device)
        batches.append(model.embed(batch.contiguous(memory_format=torch.channels_last)).cpu())
    return torch.cat(batches)


def known_embeddings(model: teaching.Teacher, shared: Path, device: torch.device) -> dict[str, Tensor]:
    """Embeddings to ask for: style pictures whole, cropped and recolored; photographs; kept on disk."""
    path = RUNS / "bank.pt"
    if not path.exists():
        random = np.random.default_rng(1)
        pictures = []
        for style in data.style_paths(shared, held_out=False):
            picture = data.read(style, 512)
            pictures += [picture] + [data.crop(picture, random, 0.35) for _ in range(7)]
            pictures += [data.jitter(data.crop(picture, random, 0.5), random) for _ in range(4)]
        contents = [data.read(p) for p in data.content_paths(shared, held_out=False)]
        held_out = [data.read(p, 512) for p in data.style_paths(shared, held_out=True)]
        photos = [data.read(p) for p in data.content_paths(shared, held_out=True)]
        torch.save(
            {
                "style": embeddings(model, pictures, device),
                "content": embeddings(model, contents, device),
                "held_out_style": embeddings(model, held_out, device),
                "held_out_content": embeddings(model, photos, device),
            },
            path,
        )
    return torch.load(path)


class Bank:
    """Draws embeddings: what the transformer is given, and the teacher's of the same picture, which is what
    its painting should have. They differ only for pictures that our own encoder has looked at."""

    def __init__(self, known: dict[str, Tensor]) -> None:
        self.sources = [(0.8, known["style"], known["style"]), (0.2, known["content"], known["content"])]
        self.spread = known["style"].std(0)

    def add(self, share: float, given: Tensor, wanted: Tensor) -> None:
        self.sources = [(weight * (1 - share), *rest) for weight, *rest in self.sources]
        self.sources.append((share, given, wanted))

    def draw(self, n: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """[n, 100] each; three in ten are mixed from two, one in five is shaken."""
        weights = [source[0] for source in self.sources]

        def one() -> Tensor:
            _, given, wanted = self.sources[random.choice(len(weights), p=weights)]
            i = random.integers(len(given))
            return torch.stack([given[i], wanted[i]])

        rows = []
        for _ in range(n):
            both = one()
            if random.random() < 0.3:
                both = torch.lerp(both, one(), random.uniform(0, 1))
            if random.random() < 0.2:
                both = both + self.spread * torch.from_numpy(random.normal(0, 0.2, 100).astype(np.float32))
            rows.append(both)
        given, wanted = torch.stack(rows, dim=1)
        return given, wanted


@torch.no_grad()
def pairs(
    model: teaching.Teacher,
    encoder: network.Encoder | None,
    bank: Bank,
    shared: Path,
    n: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Our encoder's (or, without one, the teacher's) and the teacher's embeddings of n pictures, [n, 100]."""
    supply = Pictures(shared, model, bank, seed=2)
    ours, theirs = [], []
    for _ in range(0, n, 16):
        batch = to_batch([supply.one() for _ in range(16)], device)
        theirs.append(model.embed(batch).cpu())
        ours.append(encoder(batch).cpu() if encoder else theirs[-1])
    return torch.cat(ours), torch.cat(theirs)
