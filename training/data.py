"""Pictures to learn from: loading, the held-out lists, crops and jitter. RGB throughout."""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

Tensor = torch.Tensor
HELD_OUT_STYLES = (Path(__file__).parent / "held_out_styles.txt").read_text().split()


def read(path: Path, longest: int | None = None) -> np.ndarray:
    """A picture as HxWx3 RGB uint8, shrunk to `longest` if it is longer."""
    picture = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    if longest and max(picture.shape[:2]) > longest:
        scale = longest / max(picture.shape[:2])
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return picture


def content_paths(shared: Path, held_out: bool) -> list[Path]:
    """Every tenth photograph is held out."""
    paths = sorted((shared / "data" / "content").glob("*.jpg"))
    return [p for i, p in enumerate(paths) if (i % 10 == 0) == held_out]


def style_paths(shared: Path, held_out: bool) -> list[Path]:
    """Paintings, some of them held out by name; the bundled styles are all for training."""
    paths = sorted((shared / "data" / "style").glob("*.jpg"))
    bundled = sorted((Path(__file__).parents[1] / "styles" / "atelier").glob("*.jpg"))
    return [p for p in paths if (p.name in HELD_OUT_STYLES) == held_out] + ([] if held_out else bundled)


def to_tensor(picture: np.ndarray, size: int = 256) -> Tensor:
    """HxWx3 uint8 -> [3, size, size] float in [0, 1], squeezed to a square as the predictor wants it."""
    if picture.shape[:2] != (size, size):
        shrink = max(picture.shape[:2]) > size
        picture = cv2.resize(
            picture, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        )
    return torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)


def crop(picture: np.ndarray, random: np.random.Generator, smallest: float, size: int = 256) -> np.ndarray:
    """A random square crop, `smallest` to 1 of the shorter side, at `size`; mirrored half of the time."""
    side = min(picture.shape[:2])
    edge = round(side * random.uniform(smallest, 1))
    top = random.integers(0, picture.shape[0] - edge + 1)
    left = random.integers(0, picture.shape[1] - edge + 1)
    part = picture[top : top + edge, left : left + edge]
    if random.random() < 0.5:
        part = part[:, ::-1]
    if edge != size:
        part = cv2.resize(
            part, (size, size), interpolation=cv2.INTER_AREA if edge > size else cv2.INTER_LINEAR
        )
    return part


def jitter(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Another coloring of the same picture: channels swapped or mixed, contrast, brightness, gamma."""
    x = picture.astype(np.float32) / 255
    if random.random() < 0.5:
        x = x[..., random.permutation(3)]
    if random.random() < 0.5:
        angle = random.uniform(0, 2 * np.pi)  # a turn about the gray axis changes hue and keeps brightness
        c, s = np.cos(angle), np.sin(angle) / np.sqrt(3)
        turn = (
            np.full((3, 3), (1 - c) / 3) + c * np.eye(3) + s * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
        )
        x = x @ turn.T.astype(np.float32)
    gray = x.mean(axis=2, keepdims=True)
    x = gray + (x - gray) * random.uniform(0.2, 1.6)
    x = (x - 0.5) * random.uniform(0.6, 1.4) + 0.5 + random.uniform(-0.15, 0.15)
    if random.random() < 0.1:
        x = 1 - x
    return (np.clip(x, 0, 1) ** random.uniform(0.7, 1.4) * 255).round().astype(np.uint8)


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]


def means(x: Tensor, size: int = 8) -> Tensor:
    return F.avg_pool2d(x, size)
