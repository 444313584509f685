"""The engine, with OpenVINO where it is quick, and with a stand-in for devices that are not here."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openvino", reason="OpenVINO has no wheel for this computer")

from nstfilter.errors import UsageError
from nstfilter.live.governor import SIZES
from nstfilter.models.embeddings import cache_folder
from nstfilter.models.engines import EXACT, FILES, PIXELS, Engine, Target
from nstfilter.models.openvino import ov
from nstfilter.models.pocket import PocketModel

PICTURE = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)


def plus(number: int) -> Any:
    """A graph that adds a number."""
    parameter = ov.opset13.parameter([1, 2, 2, 3], np.uint8)
    return ov.Model([ov.opset13.add(parameter, np.array(number, np.uint8))], [parameter])


class Core:
    """A stand-in for `openvino.Core`: a graph for `device` adds what `adds` says in place of its own number,
    or cannot be compiled where that is an error."""

    def __init__(self, *devices: str, capabilities: tuple[str, ...] = (), **adds: int | Exception) -> None:
        self.available_devices = ["CPU", *devices]
        self.capabilities, self.adds = capabilities, adds
        self.compiled: list[tuple[str, dict[str, Any]]] = []

    def get_property(self, device: str, name: str) -> Any:
        return self.capabilities if name == "OPTIMIZATION_CAPABILITIES" else "a processor"

    def compile_model(self, model: Any, device: str, settings: dict[str, Any]) -> Any:
        self.compiled.append((device, settings))
        adds = self.adds.get(settings.get("INFERENCE_PRECISION_HINT") or device, self.adds.get(device, 1))
        if isinstance(adds, Exception):
            raise adds
        output = SimpleNamespace(shape=PICTURE.shape, element_type=ov.Type.u8)
        return SimpleNamespace(outputs=[output], create_infer_request=lambda: Request(adds))


class Request:
    def __init__(self, adds: int) -> None:
        self.adds = adds
        self.output_tensors: list[Any] = [None]

    def set_input_tensor(self, index: int, tensor: Any) -> None:
        self.input = tensor.data

    def set_output_tensor(self, index: int, tensor: Any) -> None:
        self.output_tensors[index] = tensor

    def start_async(self) -> None:
        self.output_tensors[0].data[:] = self.input + np.uint8(self.adds)

    def wait(self) -> None:
        pass


def test_a_graph_is_compiled_once_for_a_key_and_a_target() -> None:
    engine, built = Engine(threads=1), []

    def build() -> Any:
        built.append(1)
        return plus(3)

    assert (engine.graph("a", build)(PICTURE)[0] == PICTURE + 3).all()
    assert engine.graph("a", build) is engine.graph("a", build)
    assert len(built) == 1
    assert (engine.graph("b", lambda: plus(5))(PICTURE)[0] == PICTURE + 5).all()
    engine.graph("a", build, target=Target("cpu", "bf16"))
    assert len(built) == 2


def test_the_result_is_written_where_it_is_wanted() -> None:
    graph, out = Engine(threads=1).graph("a", lambda: plus(3)), np.zeros_like(PICTURE)
    assert graph(PICTURE, out=out)[0] is out
    assert (out == PICTURE + 3).all()
    first = graph(PICTURE)[0]
    graph(PICTURE + 1)
    assert (first == PICTURE + 3).all(), "without `out` each result has its own array"
    assert (out == PICTURE + 3).all()


def test_compiling_ahead_holds_nobody_up() -> None:
    engine = Engine(threads=1)
    graph = engine.graph("small", lambda: plus(1))
    building, go_on = threading.Event(), threading.Event()

    def slow() -> Any:
        building.set()
        assert go_on.wait(60)
        return plus(2)

    thread = threading.Thread(target=lambda: engine.graph("large", slow))
    thread.start()
    assert building.wait(60)
    assert (graph(PICTURE)[0] == PICTURE + 1).all()
    assert engine.graph("small", lambda: pytest.fail("compiled again")) is graph
    go_on.set()
    thread.join(60)
    assert (engine.graph("large", lambda: pytest.fail("compiled again"))(PICTURE)[0] == PICTURE + 2).all()


def test_a_graph_that_cannot_be_compiled_is_tried_again() -> None:
    engine = Engine(threads=1)
    with pytest.raises(ZeroDivisionError):
        engine.graph("a", lambda: 1 / 0)
    assert (engine.graph("a", lambda: plus(1))(PICTURE)[0] == PICTURE + 1).all()


def test_every_size_of_the_governor_stays_compiled() -> None:
    pocket = PocketModel(threads=1, precision="f32")
    compile_model, compiled = pocket._network._engine._core, []
    pocket._network._engine._core = SimpleNamespace(
        compile_model=lambda *given: compiled.append(1) or compile_model.compile_model(*given)
    )
    sizes = [(size // 4, size // 3) for size in SIZES]  # smaller ones, which are quicker: it is their number
    for size in sizes:
        pocket.prepare(*size)
    assert len(compiled) == len(SIZES)
    embedding = np.zeros(100, np.float32)
    for size in sizes:
        pocket.stylize(np.zeros((*size, 3), np.uint8), embedding)
        pocket.prepare(*size)
    assert len(compiled) == len(SIZES)


def test_graphs_of_large_pictures_are_not_hoarded() -> None:
    core = Core()
    engine = Engine(core=lambda: core)
    for name in ("a", "b", "c", "a"):
        engine.graph(name, lambda: plus(1), pixels=PIXELS // 2)
    assert len(core.compiled) == 4, "two fit, so that the first was dropped for the third"
    engine.graph("c", lambda: plus(1), pixels=PIXELS // 2)
    assert len(core.compiled) == 4


def test_bf16_is_taken_where_the_picture_stays_the_same() -> None:
    for capabilities, adds, expected in (((), 1, "f32"), (("BF16",), 1, "bf16"), (("BF16",), 9, "f32")):
        core = Core(capabilities=capabilities, f32=1, bf16=adds)
        engine = Engine(threads=3, core=lambda core=core: core)
        name = f"a model {capabilities} {adds}"
        assert engine.choose(name, lambda: plus(1), PICTURE) == Target("cpu", expected)
        compiled = len(core.compiled)
        assert engine.choose(name, lambda: plus(1), PICTURE) == Target("cpu", expected)
        assert len(core.compiled) == compiled, "the second time it is read from the cache"
        assert all(settings["INFERENCE_NUM_THREADS"] == 3 for _, settings in core.compiled)
        asked = Engine(precision="f32", core=lambda core=core: core)
        assert asked.choose(name, lambda: plus(1), PICTURE) == EXACT


def test_a_device_that_gives_the_cpus_picture_is_taken() -> None:
    for device, wanted in (("GPU", "gpu"), ("GPU.0", "auto"), ("NPU", "npu")):
        core = Core(device)
        engine = Engine(device=wanted, core=lambda core=core: core)
        target = engine.choose("a model", lambda: plus(1), PICTURE)
        assert target == Target(wanted.replace("auto", "gpu"), "")
        engine.graph("a", lambda: plus(1), target=target)
        used, settings = core.compiled[-1]
        assert used == target.device.upper()
        assert "INFERENCE_PRECISION_HINT" not in settings
        assert settings["CACHE_DIR"].endswith("openvino")


def test_what_other_devices_compile_is_kept_within_bounds() -> None:
    folder = cache_folder() / "openvino"
    folder.mkdir(parents=True)
    for number in range(FILES + 5):
        (folder / f"{number}.blob").touch()
        os.utime(folder / f"{number}.blob", (number, number))
    core = Core("GPU")
    Engine(device="gpu", core=lambda: core).choose("a model", lambda: plus(1), PICTURE)
    assert len(list(folder.iterdir())) == FILES
    assert not (folder / "4.blob").exists()
    assert (folder / "5.blob").exists()


@pytest.mark.parametrize(
    ("wanted", "core", "line"),
    [
        ("gpu", Core("NPU"), "OpenVINO finds no gpu here (found: cpu, npu); computing on the CPU"),
        ("gpu", Core("GPU", GPU=RuntimeError("no driver")), "the gpu cannot be used (no driver); computing"),
        ("npu", Core("NPU", NPU=7), "the npu gives another picture than the CPU; computing on the CPU"),
        ("auto", Core(), ""),
        ("auto", Core("GPU", GPU=7), "the gpu gives another picture than the CPU"),
    ],
)
def test_a_device_that_cannot_be_trusted_is_not_used(
    wanted: str, core: Core, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine(device=wanted, core=lambda: core)
    assert engine.choose("a model", lambda: plus(1), PICTURE).device == "cpu"
    assert caplog.text.count("\n") == (1 if line else 0)
    assert line in caplog.text


def test_what_there_is_not_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no device is called 'tpu'; expected cpu, gpu, npu, auto"):
        Engine(device="tpu")
    with pytest.raises(UsageError, match="f32 or bf16"):
        Engine(precision="f8")
    with pytest.raises(UsageError, match="TensorFlow computes on the cpu here, not on gpu"):
        PocketModel(engine="tensorflow", device="gpu")
    with pytest.raises(UsageError, match="TensorFlow computes in f32 here, not in bf16"):
        PocketModel(engine="tensorflow", precision="bf16")


def test_openvino_does_not_call_home() -> None:
    code = """
import sys
from nstfilter.models.openvino import ov
def home():
    return [name for name in sys.modules if name.startswith("openvino_telemetry")]
print(home(), "openvino.tools.ovc" in sys.modules)
import numpy as np
parameter = ov.opset13.parameter([1], np.float32)
try:
    ov.convert_model(ov.Model([parameter], [parameter]))
except Exception:
    pass
print(home(), "openvino.tools.ovc" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[] False\n[] True\n", done.stderr
