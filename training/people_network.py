"""The network that finds people, in PyTorch: a picture -> for each pixel, how likely it belongs to a person.

Its twin at run time is nstfilter/people/network.py. An encoder of inverted residuals (Sandler et al. 2018,
arXiv 1801.04381) down to 1/32 of the size, its mean over the whole picture added back in, and a decoder that
adds the encoder's maps on the way up (Ronneberger et al. 2015, arXiv 1505.04597). No convolution runs at
full size: the input is folded by 2, and the answer is unfolded by 2.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

Tensor = torch.Tensor
WIDTHS = (16, 24, 48, 80, 112)
"""Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size."""


class Unit(nn.Module):
    """Convolution, batch normalization (folded into the convolution on export), ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        depthwise: bool = False,
        relu: bool = True,
    ) -> None:
        super().__init__()
        groups = inputs if depthwise else 1
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, momentum=0.02)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return F.relu(x) if self.relu else x

    def folded(self) -> tuple[Tensor, Tensor]:
        gain = self.norm.weight * torch.rsqrt(self.norm.running_var + self.norm.eps)
        return self.conv.weight * gain[:, None, None, None], self.norm.bias - self.norm.running_mean * gain


class Block(nn.Module):
    """An inverted residual: 1x1 to `wide` channels, depthwise, 1x1 back; adds to its input where it can."""

    def __init__(self, inputs: int, outputs: int, wide: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.widen = Unit(inputs, wide, 1)
        self.depth = Unit(wide, wide, kernel, stride, depthwise=True)
        self.narrow = Unit(wide, outputs, 1, relu=False)
        self.adds = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(self.depth(self.widen(x)))
        return x + y if self.adds else y


class People(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.stem = Unit(12, a)
        self.down = nn.ModuleList(
            [
                nn.Sequential(Unit(a, b, 3, 2), Block(b, b, 2 * b)),
                nn.Sequential(Block(b, c, 3 * b, 3, 2), Block(c, c, 3 * c)),
                nn.Sequential(Block(c, d, 3 * c, 5, 2), Block(d, d, 3 * d, 5), Block(d, d, 3 * d, 5)),
                nn.Sequential(Block(d, e, 3 * d, 5, 2), Block(e, e, 3 * e, 5), Block(e, e, 3 * e, 5)),
            ]
        )
        self.context = nn.Linear(e, e)
        self.side = nn.ModuleList(Unit(i, o, 1, relu=False) for i, o in ((e, d), (d, c), (c, b), (b, a)))
        self.up = nn.ModuleList([Block(d, d, 2 * d), Block(c, c, 2 * c), Block(b, b, 2 * b)])
        self.last = nn.Sequential(Unit(a, a, 3, depthwise=True), Unit(a, a, 1), Unit(a, a, 3, depthwise=True))
        self.out = nn.Conv2d(a, 4, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """[n, 3, h, w] RGB in [0, 1] (h, w multiples of 32) -> [n, 1, h, w], before the sigmoid."""
        x = F.pixel_unshuffle(picture - 0.5, 2).contiguous(memory_format=torch.channels_last)
        maps = [self.stem(x)]
        for stage in self.down:
            maps.append(stage(maps[-1]))
        x = maps.pop()
        x = x + self.context(x.mean((2, 3)))[:, :, None, None]
        for side, up in zip(self.side, [*self.up, self.last], strict=True):
            x = up(F.relu(maps.pop() + F.interpolate(side(x), scale_factor=2.0, mode="nearest")))
        return F.pixel_shuffle(self.out(x).float(), 2)
