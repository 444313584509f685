"""An input of sound as PortAudio gives it, block by block, with the time each was heard."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from nstfilter.errors import SourceError
from nstfilter.plugins.microphones import Input, find, inputs, load
from nstfilter.streams import Microphone, SoundInfo

# seconds without a block after which a device counts as gone, and those of a block
PATIENCE, BLOCK = 2.0, 0.02
# blocks that wait to be read, at most: ten seconds
WAITING = 500
# the rate asked for first; every encoder takes it
RATE = 48_000


class SoundDevice(Microphone):
    """The input that `target` means. `library` can be replaced in tests."""

    def __init__(self, target: str, library: Any = None) -> None:
        super().__init__()
        self._library = library or load()
        self._queue: queue.Queue[tuple[np.ndarray, float] | None] = queue.Queue(WAITING)
        try:
            device = find(target, inputs(self._library))
            self.name = device.name
            self._stream, rate, channels = self._opened(device)
        except self._library.PortAudioError as error:
            raise SourceError(
                f"the microphone cannot be opened: {_reason(error)}; is another program using it?"
            ) from None
        self.info = SoundInfo(rate, channels)
        self.reopen = partial(_reopen, device, self._library)

    def _opened(self, device: Input) -> tuple[Any, int, int]:
        """A stream that runs, its rate and its channels: those asked for first, or else the device's own."""
        channels = min(device.channels, 2)
        for rate in (RATE, device.rate):
            try:
                stream = self._library.InputStream(
                    device=device.number,
                    samplerate=rate,
                    channels=channels,
                    blocksize=round(BLOCK * rate),
                    dtype="float32",
                    callback=self._take,
                    finished_callback=self._end,
                )
            except self._library.PortAudioError:
                if rate == device.rate:
                    raise
                continue
            try:
                stream.start()
            except BaseException:
                stream.close()
                raise
            return stream, rate, channels
        raise AssertionError("the last rate has raised")

    def _take(self, samples: np.ndarray, count: int, times: Any, status: Any) -> None:
        """In PortAudio's thread. What nobody reads is dropped, and is silence in the end."""
        now = time.monotonic()
        age = times.currentTime - times.inputBufferAdcTime
        if not 0 <= age < 1:  # some systems do not say
            age = BLOCK
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait((samples.copy(), now - age))

    def _end(self) -> None:
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def _blocks(self) -> Iterator[tuple[np.ndarray, float]]:
        while True:
            try:
                block = self._queue.get(timeout=PATIENCE)
            except queue.Empty:
                raise SourceError(f"{self.name} has given no sound for {PATIENCE:g} seconds") from None
            if self.closed:
                return
            if block is None:
                raise SourceError(f"{self.name} gives no more sound")
            yield block

    def _close(self) -> None:
        self._end()
        self._stream.close(ignore_errors=True)


def _reopen(device: Input, library: Any) -> SoundDevice:
    """`device` again, by its name, and where several have that by its number too. PortAudio lists devices
    once; it is started anew for those that came since. Raises `SourceError` while it is missing."""
    with contextlib.suppress(library.PortAudioError):  # it does not run where starting it failed before
        library._terminate()
    library._initialize()
    same = [one.number for one in inputs(library) if one.name == device.name]
    target = device.number if device.number in same else same[0] if same else device.name
    return SoundDevice(str(target), library)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())
