"""Runs graphs in OpenVINO: compiles them, keeps the latest, and chooses device and precision.

The engine knows graphs and arrays; what a picture is, the models know.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nstfilter.errors import UsageError
from nstfilter.files import write_file
from nstfilter.models.embeddings import cache_folder
from nstfilter.models.openvino import ov

# How many compiled graphs an engine keeps: twice the sizes of the live governor, for a glide from one set of
# weights to another. How many pixels their frames may have together: a compiled graph takes 60 bytes a pixel.
GRAPHS = 16
PIXELS = 8_000_000

# how many compiled graphs are kept on disk, for devices that take long to compile
FILES = 64

# How many things a graph computes at a time that is compiled for several. Threads that share one picture wait
# for each other after every layer, and for whichever of them another program slows down; two pictures do not
# wait for each other.
ABREAST = 2

PRECISIONS = ("f32", "bf16")
DEVICES = ("cpu", "gpu", "npu", "auto")
# the largest mean difference, in [0, 1], at which two pictures are the same to the eye
SAME = 0.005

log = logging.getLogger("nstfilter")


class Target(NamedTuple):
    """Where a graph computes: `device` is "cpu", "gpu" or "npu", `precision` one of PRECISIONS, or "" for the
    device's own choice."""

    device: str
    precision: str


EXACT = Target("cpu", "f32")


@cache
def core() -> Any:
    """OpenVINO's entry, one per process and never released: its CPU plugin gives the thread that makes it a
    stack for signal handlers and takes it back with the last core. After two cores were released in the order
    of their making, the next signal, Ctrl-C for example, would crash the process."""
    return ov.Core()


class Graph:
    """A compiled graph. Several threads may call it; they take turns."""

    def __init__(self, compiled: Any) -> None:
        output = compiled.outputs[0]
        self._shape, self._dtype = tuple(output.shape), output.element_type.to_dtype()
        self._compiled = compiled
        self._idle: list[Any] = []  # requests, of which each computes one thing at a time
        self._turn = threading.Lock()

    def __call__(self, *inputs: np.ndarray, out: np.ndarray | None = None) -> list[np.ndarray]:
        """The outputs for `inputs`, which have the shapes and dtypes that the graph was built with.

        Arrays must be C-contiguous. The first output is written to `out` where that is given; the others are
        copies.
        """
        with self._turn:
            return self.begin(*inputs, out=out)()

    def begin(self, *inputs: np.ndarray, out: np.ndarray | None = None) -> Callable[[], list[np.ndarray]]:
        """As a call, but it returns at once, and what it returns waits for the outputs. That must be called,
        once, for the arrays are in use until then."""
        if out is None:
            out = np.empty(self._shape, self._dtype)
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        request.set_output_tensor(0, ov.Tensor(out, shared_memory=True))
        for index, array in enumerate(inputs):
            # OpenVINO shares memory with writeable arrays only, and copies others
            request.set_input_tensor(index, ov.Tensor(array, shared_memory=array.flags.writeable))
        request.start_async()

        def finish(_: object = inputs) -> list[np.ndarray]:  # they have to live as long
            request.wait()
            outputs = [out, *(tensor.data.copy() for tensor in request.output_tensors[1:])]
            self._idle.append(request)
            return outputs

        return finish


class Engine:
    """Compiles graphs and keeps them by key.

    threads    how many the CPU may use; None leaves it to OpenVINO
    device     one of DEVICES. "auto" is the graphics card where there is one, else the CPU. A device other
               than the CPU must first give the same picture as the CPU, see `choose`
    precision  one of PRECISIONS; None lets `choose` decide

    All methods may be called from several threads: one can compile ahead while another computes.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        device: str | None = None,
        precision: str | None = None,
        core: Callable[[], Any] = core,
    ) -> None:
        if precision not in (None, *PRECISIONS):
            raise UsageError(f"no precision is called {precision!r}; expected {' or '.join(PRECISIONS)}")
        if device not in (None, *DEVICES):
            raise UsageError(f"no device is called {device!r}; expected {', '.join(DEVICES)}")
        self._device, self._precision = device or "cpu", precision
        self._threads = threads
        self._core = core()
        self._graphs: OrderedDict[Hashable, tuple[Future[Graph], int]] = OrderedDict()
        self._lock = threading.Lock()

    def graph(
        self,
        key: Hashable,
        build: Callable[[], Any],
        *,
        pixels: int = 0,
        target: Target = EXACT,
        abreast: bool = False,
    ) -> Graph:
        """The graph of `key`, compiled for `target` when it is first asked for; `build` gives it as an
        `openvino.Model` with fixed shapes.

        Compiling takes about a tenth of a second and holds up only those who ask for the same key. `pixels`
        counts towards PIXELS; the graphs used least recently are dropped. A graph that is to compute several
        things at a time, `abreast`, is compiled for that: each gets a share of the threads.
        """
        key = key, target, abreast
        with self._lock:
            entry = self._graphs.get(key)
            if entry:
                self._graphs.move_to_end(key)
            else:
                future: Future[Graph] = Future()
                self._graphs[key] = future, pixels
                while len(self._graphs) > 1 and (
                    len(self._graphs) > GRAPHS or sum(pixels for _, pixels in self._graphs.values()) > PIXELS
                ):
                    self._graphs.popitem(last=False)
        if entry:
            return entry[0].result()
        try:
            future.set_result(Graph(self._compile(build(), target, abreast)))
        except BaseException as error:
            with self._lock:
                self._graphs.pop(key, None)
            future.set_exception(error)
        return future.result()

    def choose(self, name: str, build: Callable[[], Any], *inputs: np.ndarray) -> Target:
        """Where to compute, by what the graph that `build` gives makes of `inputs`, a test picture: its first
        output is uint8.

        bf16 is taken where the CPU computes in it and the picture stays the same to the eye, another device
        where it gives the picture that the CPU gives in f32. What was asked for and cannot be used is said in
        one line in the log. The choice for the CPU is kept on disk under `name`, the fingerprint of what is
        computed.
        """
        if self._device != "cpu" and (target := self._other_device(build, *inputs)):
            return target
        return Target("cpu", self._precision or self._fitting_precision(name, build, *inputs))

    def _other_device(self, build: Callable[[], Any], *inputs: np.ndarray) -> Target | None:
        there = {str(device).partition(".")[0].lower() for device in self._core.available_devices}
        device = "gpu" if self._device == "auto" else self._device
        if device not in there:
            if self._device != "auto":
                found = ", ".join(sorted(there)) or "none"
                log.warning("OpenVINO finds no %s here (found: %s); computing on the CPU", device, found)
            return None
        target = Target(device, self._precision or "")
        try:
            picture = self._picture(build, target, *inputs)
        except Exception as error:  # whatever a driver makes OpenVINO raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            log.warning("the %s cannot be used (%s); computing on the CPU", device, reason)
            return None
        if _difference(picture, self._picture(build, EXACT, *inputs)) > SAME:
            log.warning("the %s gives another picture than the CPU; computing on the CPU", device)
            return None
        return target

    def _fitting_precision(self, name: str, build: Callable[[], Any], *inputs: np.ndarray) -> str:
        if "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            return "f32"
        computer = f"{name} {self._core.get_property('CPU', 'FULL_DEVICE_NAME')} {ov.__version__}"
        kept = cache_folder() / "precisions" / hashlib.sha256(computer.encode()).hexdigest()[:16]
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if (precision := kept.read_text("utf-8")) in PRECISIONS:
                return precision
        pictures = [self._picture(build, Target("cpu", precision), *inputs) for precision in PRECISIONS]
        precision = "bf16" if _difference(*pictures) < SAME else "f32"
        # a cache that cannot be written costs time, not the picture
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_file(kept, precision.encode())
        return precision

    def _picture(self, build: Callable[[], Any], target: Target, *inputs: np.ndarray) -> np.ndarray:
        return Graph(self._compile(build(), target))(*inputs)[0]

    def _compile(self, model: Any, target: Target, abreast: bool = False) -> Any:
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if abreast and target.device == "cpu":
            settings = {"NUM_STREAMS": ABREAST}
        if target.precision:
            settings["INFERENCE_PRECISION_HINT"] = target.precision
        if target.device != "cpu":
            # other devices may take seconds to compile; on the CPU, reading a compiled graph back from disk
            # was measured to take as long as compiling it
            settings["CACHE_DIR"] = str(_emptied(cache_folder() / "openvino"))
        elif self._threads:
            settings["INFERENCE_NUM_THREADS"] = self._threads
        return self._core.compile_model(model, target.device.upper(), settings)


def _emptied(folder: Path) -> Path:
    """The folder, without the oldest of its files where there are more than FILES."""
    with contextlib.suppress(OSError):
        for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-FILES]:
            old.unlink()
    return folder


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float32) - other).mean()) / 255
