"""Pictures to show to the encoder: styles, photographs, patterns, blends, and the teacher's own paintings."""

from pathlib import Path
from typing import Any

import cv2
import data
import numpy as np
import patterns
import teacher as teaching
import torch

Tensor = torch.Tensor


class Pictures:
    """An endless, mixed supply of pictures, [256, 256, 3] RGB uint8."""

    def __init__(self, shared: Path, model: teaching.Teacher, bank: Any, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.styles = [data.read(p, 512) for p in data.style_paths(shared, held_out=False)]
        self.photos = [data.read(p) for p in data.content_paths(shared, held_out=False)]
        self.model, self.bank = model, bank

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
        z = self.bank.draw(1, self.random)[1].to(device)
        out = self.model.stylize(x[None].to(device).contiguous(memory_format=torch.channels_last), z)[0]
        return (out.clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()


def to_batch(pictures: list[np.ndarray], device: torch.device) -> Tensor:
    batch = torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).float() / 255
    return batch.contiguous(memory_format=torch.channels_last)
