from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "ABSL_"))}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=inherited | environment, check=False
    )


@pytest.mark.slow
def test_it_starts_quietly_and_lets_others_speak() -> None:
    code = """
import os
import nstfilter.models.tensorflow as ours
with ours._without_chatter():
    os.write(2, b"I0000 00:00:1795181338.921382    5719 port.cc:153] chatter\\nF0000 something is wrong\\n")
os.write(2, b"after\\n")
print(ours.tf.constant(1) + 1)
"""
    done = run(code)
    assert done.stderr == "F0000 something is wrong\nafter\n"
    assert done.stdout.startswith("tf.Tensor(2")


@pytest.mark.slow
def test_the_number_of_threads_can_still_be_set_afterwards() -> None:
    done = run(
        "from nstfilter.models.tensorflow import tf; tf.config.threading.set_intra_op_parallelism_threads(1)"
    )
    assert done.returncode == 0, done.stderr


def test_a_tensorflow_that_cannot_be_loaded_is_one_line() -> None:
    code = """
import sys
sys.modules["tensorflow"] = None
from nstfilter.errors import MissingLibraryError
try:
    import nstfilter.models.tensorflow
except MissingLibraryError as error:
    print(error)
"""
    assert run(code).stdout.startswith("TensorFlow cannot be loaded (import of tensorflow halted")


def test_without_a_console_it_starts_too() -> None:
    code = """
import os, sys, types
os.close(2)
sys.stderr = None
sys.modules["tensorflow"] = types.SimpleNamespace(config=types.SimpleNamespace(list_physical_devices=list))
import nstfilter.models.tensorflow

print("started")
"""
    assert run(code).stdout == "started\n"
