"""Networks that see, in PyTorch, and the losses through them.

`Vgg16x` replays the perceptual teacher (VGG-19 with a quarter of the channels, from Collaborative
Distillation, Wang et al. 2020, arXiv 2003.08436). `Eye` is ours, taught to see as it sees; its twin at run
time is nstfilter/models/eye.py. Both take [n, 3, h, w] RGB in [0, 1] and give the maps relu1_1, relu2_1,
relu3_1 and relu4_1 at 1, 1/2, 1/4 and 1/8 of the size. Of the teacher's 16, 32, 64 and 128 channels some are
0 on every picture; `Eye` has only the others, each map scaled to a deviation of about 1.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

Tensor = torch.Tensor
WIDTHS = (16, 26, 56, 51)


def conv(x: Tensor, layer: nn.Conv2d) -> Tensor:
    return layer(F.pad(x, (1, 1, 1, 1), mode="reflect"))


class Vgg16x(nn.Module):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        with np.load(path) as file:
            for key in [key.removesuffix(".weight") for key in file.files if key.endswith("weight")]:
                if key.endswith("aux"):
                    continue
                weight = torch.from_numpy(file[f"{key}.weight"])
                layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
                layer.weight.data, layer.bias.data = weight, torch.from_numpy(file[f"{key}.bias"])
                self.layers[key] = layer
        self.requires_grad_(False)

    def forward(self, x: Tensor, last: int = 4) -> list[Tensor]:
        """The maps up to relu`last`_1."""
        layers, maps = self.layers, []
        x = layers["conv0"](x)
        for stage, count in enumerate((2, 2, 4, 1), 1):
            for k in range(1, count + 1):
                x = F.relu(conv(x, layers[f"conv{stage}{k}"]))
                if k == 1:
                    maps.append(x)
                    if stage == last:
                        return maps
            x = F.max_pool2d(x, 2)
        return maps


class Eye(nn.Module):
    """Four stages, each of which ends in a 1x1 convolution and a ReLU that give its map; the next stage looks
    at that map and nothing else. Of the teacher's four layers at a quarter of the size one is left, with two
    more at an eighth, which sees as far and costs less."""

    STAGES = (((3, 16),), ((16, 16), (16, 32)), ((26, 32), (32, 64)), ((56, 96), (96, 96), (96, 96)))
    POOL_BEFORE = (None, 1, 1, 0)

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.ModuleList([*(nn.Conv2d(i, o, 3) for i, o in stage), nn.Conv2d(stage[-1][1], width, 1)])
            for stage, width in zip(self.STAGES, WIDTHS, strict=True)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, last: int = 4, given: list[Tensor] | None = None) -> list[Tensor]:
        """With `given`, each stage starts from that map and not from what the stage before it made."""
        maps: list[Tensor] = []
        x = (x - 0.5) * 4
        for s in range(last):
            for k, layer in enumerate(self.stages[s]):
                if k == self.POOL_BEFORE[s]:
                    x = F.max_pool2d(x, 2)
                x = F.relu(conv(x, layer) if layer.kernel_size[0] > 1 else layer(x))
            maps.append(x)
            if given is not None:
                x = given[s]
        return maps


class Eyes(nn.Module):
    """Two perceptual teachers at once: the maps of `Vgg16x`, then three inner maps of magenta-mobile's style
    predictor at 1/4, 1/8 and 1/16 of the size. What looks right to one eye alone need not to another."""

    BLOCKS = (6, 12, 24)

    def __init__(self, shared: Path) -> None:
        super().__init__()
        import teacher

        self.vgg = Vgg16x(shared / "models" / "vgg-16x" / "e4.npz").to(memory_format=torch.channels_last)
        self.predictor = teacher.load()
        self.names = [self.predictor.predictor_names()[k] for k in self.BLOCKS]

    def forward(self, x: Tensor, last: int = 5) -> list[Tensor]:
        """As `Vgg16x`; with `last` up to 4, its maps alone."""
        maps = self.vgg(x, min(last, 4))
        return maps if last < 5 else maps + self.predictor.run({self.predictor.style: x}, self.names)


def gram(x: Tensor) -> Tensor:
    """[n, c, h, w] -> [n, c, c] float32, the mean over places of the products of channels."""
    flat = x.permute(0, 2, 3, 1).flatten(1, 2)  # maps lie channels last: no copy
    return (flat.transpose(1, 2) @ flat).float() / flat.shape[1]


def style_loss(grams: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """[n]: |G - W|_1 / |W|_1, the mean over layers."""
    parts = [(g - w).abs().sum((1, 2)) / w.abs().sum((1, 2)) for g, w in zip(grams, wanted, strict=True)]
    return torch.stack(parts).mean(0)


def normalized(x: Tensor) -> Tensor:
    """A map with mean 0 and deviation 1 in each channel of each picture."""
    x = x.float()
    variance, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
    return (x - mean) * torch.rsqrt(variance + 1e-5 + 1e-3 * variance.mean(1, keepdim=True))


def content_loss(a: Tensor, b: Tensor) -> Tensor:
    """[n]: mean squared difference of normalized maps."""
    return (normalized(a) - normalized(b)).square().mean((1, 2, 3))


def palette(picture: np.ndarray, count: int = 64) -> Tensor:
    """[count, 3]: the colors that a picture (HxWx3 uint8) is made of, in [0, 1], by k-means."""
    small = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float32)
    cv2.setRNGSeed(0)
    ends = cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.5
    return torch.from_numpy(cv2.kmeans(small, count, None, ends, 1, cv2.KMEANS_PP_CENTERS)[2] / 255)


def strangeness(picture: Tensor, colors: Tensor, tolerance: float = 0.1) -> Tensor:
    """[n]: how far the means of 4x4 pixels are from the nearest of `colors`, beyond the tolerance. Statistics
    over a whole map overlook a few pixels in a color that the style does not have."""
    means = F.avg_pool2d(picture.float(), 4).permute(0, 2, 3, 1).flatten(1, 2)
    nearest = torch.cdist(means, colors.expand(len(means), -1, -1)).amin(2)
    return F.relu(nearest - tolerance).mean(1)


def weave(picture: Tensor, cell: int = 4) -> Tensor:
    """[n]: power of what repeats every `cell` pixels, colors in [0, 1].

    In windows of four cells, by how much each pixel of a cell differs from their mean; then the products of
    windows side by side. A pattern that goes on from window to window makes them positive; strokes do not
    repeat, and their products cancel out.
    """
    height, width = (side // (4 * cell) * 4 * cell for side in picture.shape[2:])
    cells = F.avg_pool2d(F.pixel_unshuffle(picture[..., :height, :width], cell), 4)
    cells = cells.unflatten(1, (3, -1))
    cells = cells - cells.mean(2, keepdim=True)
    across = (cells[..., 1:] * cells[..., :-1]).mean((1, 2))
    down = (cells[..., 1:, :] * cells[..., :-1, :]).mean((1, 2))
    return (F.relu(across).mean((1, 2)) + F.relu(down).mean((1, 2))) / 2
