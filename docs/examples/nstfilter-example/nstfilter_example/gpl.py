"""The most common colors of a painting as a GIMP palette: a text file with a line for each color."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nstfilter import Frame, Sink, SinkError, StreamInfo
from nstfilter.files import write_file

BITS = 4  # a channel's leading bits: colors that share them count as one


class GplSink(Sink):
    """The file appears in `close`, whole or not at all. Raises `SinkError` if it cannot be written."""

    def __init__(self, target: str, *, overwrite: bool = False, count: int = 12) -> None:
        super().__init__()
        self.path = Path(target)
        self.overwrite = overwrite
        self.count = count

    def _open(self, info: StreamInfo) -> None:
        if not self.path.parent.is_dir():
            raise SinkError(f"there is no folder {self.path.parent}; make it first")
        if self.path.exists() and not self.overwrite:
            raise SinkError(f"{self.path} exists; choose another name, or allow overwriting")
        self._pixels = np.zeros(1 << 3 * BITS)
        self._sums = np.zeros((1 << 3 * BITS, 3))

    def _write(self, frame: Frame) -> None:
        # frames may be gray or have alpha: HxW, HxWx3 (BGR), HxWx4 (BGRA)
        bgr = np.atleast_3d(frame.image)[:, :, :3] * np.ones(3, np.uint8)
        pixels = bgr.reshape(-1, 3)
        leading = pixels.astype(np.intp) >> (8 - BITS)
        bins = (leading[:, 0] << 2 * BITS) | (leading[:, 1] << BITS) | leading[:, 2]
        self._pixels += np.bincount(bins, minlength=self._pixels.size)
        for channel in range(3):
            self._sums[:, channel] += np.bincount(bins, pixels[:, channel], minlength=self._pixels.size)

    def _close(self) -> None:
        common = np.argsort(-self._pixels, kind="stable")[: self.count]
        lines = ["GIMP Palette", f"Name: {self.path.stem}", "Columns: 4", "#"]
        for index in common[self._pixels[common] > 0]:
            blue, green, red = (self._sums[index] / self._pixels[index]).round().astype(int)
            lines.append(f"{red:3} {green:3} {blue:3}\t#{red:02x}{green:02x}{blue:02x}")
        try:
            write_file(self.path, "\n".join([*lines, ""]).encode(), overwrite=self.overwrite)
        except OSError as error:
            raise SinkError(f"cannot write {self.path}: {error.strerror}") from error
