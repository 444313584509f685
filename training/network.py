"""The student in PyTorch: a transformer (frame + embedding -> frame) and an encoder (picture -> embedding).

Its twin at run time is nstfilter/models/pocket.py, which builds the same graphs without PyTorch. `export`
writes the weights in the order that file reads: convolutions as [out, in, kernel, kernel], and the channels
of every space-to-depth and depth-to-space as (row, column, color), so that a plain reshape does the work.
"""

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

Tensor = torch.Tensor
WIDTH = 32
HALF = 16
BLOCKS = 4
EPSILON = 1e-5
EMBEDDING = 100


def conv(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """A convolution that sees the picture mirrored at its edges: zeros there would draw a rim."""
    p = layer.kernel_size[0] // 2
    return layer(F.pad(x, (p, p, p, p), mode="reflect"))


class Transformer(nn.Module):
    """Works at a quarter of the size, paints at half of it, and never runs a convolution at full size.

    The last two steps are sub-pixel convolutions (Shi et al. 2016, arXiv 1609.05158). Each of their phases
    is normalized by itself while all phases share one scale and shift, so no phase can stand out as a grid.
    """

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.ModuleList([nn.Conv2d(48, WIDTH, 3), nn.Conv2d(WIDTH, WIDTH, 3)])
        self.blocks = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, bias=False) for _ in range(2 * BLOCKS))
        self.up = nn.Conv2d(WIDTH, 4 * HALF, 3, bias=False)
        self.paint = nn.Conv2d(HALF, HALF, 3, bias=False)
        self.out = nn.Conv2d(HALF, 12, 3, bias=False)
        self.channels = [WIDTH] * (2 * BLOCKS) + [HALF, HALF, 3]
        self.style = nn.Linear(EMBEDDING, 2 * sum(self.channels))
        nn.init.normal_(self.style.weight, std=0.02)
        total = sum(self.channels)
        with torch.no_grad():
            self.style.bias[:total] = 1.0
            self.style.bias[total:] = 0.0
            for layer in self.blocks[1::2]:
                layer.weight *= 0.5

    def conditions(self, z: Tensor) -> list[tuple[Tensor, Tensor]]:
        scale, shift = self.style(z.float()).chunk(2, dim=1)
        scales = scale[:, :, None, None].split(self.channels, dim=1)
        shifts = shift[:, :, None, None].split(self.channels, dim=1)
        return list(zip(scales, shifts, strict=True))

    @staticmethod
    def norm(x: Tensor, condition: tuple[Tensor, Tensor]) -> Tensor:
        """Conditional instance normalization (Dumoulin et al. 2017, arXiv 1610.07629)."""
        scale, shift = condition
        if x.shape[1] != scale.shape[1]:  # phases of a sub-pixel convolution share scale and shift
            scale, shift = (v.repeat_interleave(x.shape[1] // v.shape[1], dim=1) for v in (scale, shift))
        variance, mean = torch.var_mean(x.float(), (2, 3), keepdim=True, correction=0)
        gain = scale * torch.rsqrt(variance + EPSILON)
        return x * gain.to(x.dtype) + (shift - mean * gain).to(x.dtype)

    def forward(self, picture: Tensor, z: Tensor, inner: bool = False):
        """[n, 3, h, w] RGB in [0, 1] (h, w multiples of 4, at least 16), [n, 100] -> the same shape.

        With `inner`, also the quarter-size maps after the front and after each block.
        """
        condition = iter(self.conditions(z))
        x = F.pixel_unshuffle(picture, 4).contiguous(memory_format=torch.channels_last)
        for layer in self.front:
            x = F.relu(conv(x, layer))
        maps = [x]
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            y = F.relu(self.norm(conv(x, first), next(condition)))
            x = x + self.norm(conv(y, second), next(condition))
            maps.append(x)
        x = F.relu(self.norm(conv(x, self.up), next(condition)))
        x = F.pixel_shuffle(x, 2)
        x = F.relu(self.norm(conv(x, self.paint), next(condition)))
        x = F.pixel_unshuffle(F.pixel_shuffle(conv(x, self.out), 2), 4)
        x = self.norm(x, next(condition))  # each of the 4x4 pixels of a cell by itself
        x = torch.sigmoid(F.pixel_shuffle(x, 4).float())
        return (x, maps) if inner else x


class Unit(nn.Module):
    """Convolution, batch normalization (folded into the convolution when exported), ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, momentum=0.02)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return F.relu(x) if self.relu else x

    def folded(self) -> tuple[Tensor, Tensor]:
        gain = self.norm.weight * torch.rsqrt(self.norm.running_var + self.norm.eps)
        return self.conv.weight * gain[:, None, None, None], self.norm.bias - self.norm.running_mean * gain


class Residual(Unit):
    """A unit that adds to what came (He et al. 2016, arXiv 1512.03385); a new one adds nothing yet."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


class Encoder(nn.Module):
    """Six stages of convolutions. The first five end in maps of the same shape as inner maps of the
    teacher's predictor, so that they can be taught one by one; the last answers place by place, and pools."""

    STAGES = (
        ((48, 64, 1), (64, 64, 1), (64, 24, 0)),
        ((24, 96, 2), (96, 96, 1), (96, 32, 0)),
        ((32, 128, 2), (128, 128, 1), (128, 64, 0)),
        ((64, 144, 1), (144, 144, 1), (144, 96, 0)),
        ((96, 192, 2), (192, 192, 1), (192, 160, 0)),
    )
    """(in, out, stride) of each 3x3 convolution; stride 0 is the 1x1 without ReLU that ends a stage."""
    RESIDUAL = (0, 1, 1, 1, 2, 1)
    """How many residual layers each stage has before its last one."""

    def __init__(self, residual: bool = True) -> None:
        super().__init__()
        more = self.RESIDUAL if residual else (0,) * len(self.RESIDUAL)
        self.stages = nn.ModuleList()
        for stage, count in zip(self.STAGES, more, strict=False):
            layers = [
                Unit(i, o, 3 if stride else 1, stride or 1, relu=bool(stride)) for i, o, stride in stage
            ]
            layers[-1:-1] = [Residual(stage[-1][0]) for _ in range(count)]
            self.stages.append(nn.Sequential(*layers))
        self.last = nn.Sequential(
            Unit(160, 192), *(Residual(192) for _ in range(more[-1])), Unit(192, 1024, 1)
        )
        self.answer = nn.Linear(1024, EMBEDDING)
        self.register_buffer("middle", torch.zeros(EMBEDDING))
        self.register_buffer("spread", torch.ones(()))

    def forward(self, picture: Tensor, inner: bool = False, given: list[Tensor] | None = None):
        """[n, 3, 256, 256] RGB in [0, 1] -> [n, 100]; with `inner`, also the answer of each place before they
        are averaged, [n, 100, 8, 8], and the five maps.

        Maps come with mean 0 and deviation 1 in each channel, and the answer is scaled, so that the weights
        need not travel far. With `given`, each stage starts from that map and not from what the stage
        before it made.
        """
        x = F.pixel_unshuffle(picture - 0.5, 4).contiguous(memory_format=torch.channels_last)
        maps = []
        for k, stage in enumerate(self.stages):
            x = stage(x)
            maps.append(x)
            if given is not None:
                x = given[k]
        places = self.answer(self.last(x).float().movedim(1, -1)).movedim(-1, 1)
        places = self.middle[:, None, None] + self.spread * places
        z = places.mean((2, 3))
        return (z, places, maps) if inner else z


def load_encoder(path: Path) -> Encoder:
    """The average of a run of train_encoder.py. Residual layers it does not have are added as nothing yet."""
    state, encoder = torch.load(path, map_location="cpu")["ema"], Encoder()
    if len(state) < len(encoder.state_dict()):
        plain = Encoder(residual=False)
        plain.load_state_dict(state)
        for few, many in zip([*plain.stages, plain.last], [*encoder.stages, encoder.last], strict=True):
            many[: len(few) - 1].load_state_dict(few[:-1].state_dict())
            many[-1].load_state_dict(few[-1].state_dict())
        for name in ("answer", "middle", "spread"):
            setattr(encoder, name, getattr(plain, name))
    else:
        encoder.load_state_dict(state)
    return encoder
