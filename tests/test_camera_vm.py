"""Webcam and virtual camera with the drivers that people have, in a virtual machine: what camera_vm.py does.

They need a program that runs a command where /dev/video0 is a capture device (vivid) and /dev/video10 a
v4l2loopback device labeled nstfilter: `PROGRAM [-t SECONDS] [-d FOLDER] -- COMMAND...`. NSTFILTER_CAMERA_VM
names it. Where there is none, these tests are skipped.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests/camera_vm.py"
RUNNER = Path(os.environ.get("NSTFILTER_CAMERA_VM") or ROOT.parent / "shared/tools/camera-vm/run")
SECONDS = 3600  # a minute and a half where the computer has nothing else to do
NAMES = [
    node.name
    for node in ast.parse(SCRIPT.read_text()).body
    if isinstance(node, ast.FunctionDef) and any(ast.unparse(d) == "check" for d in node.decorator_list)
]


@pytest.fixture(scope="module")
def reports():
    """What every check reported, by its name: one start of the machine for all of them."""
    if not os.access(RUNNER, os.X_OK):
        pytest.skip(f"no virtual machine with cameras: {RUNNER} is no program; set NSTFILTER_CAMERA_VM")
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("the virtual machine with cameras wants root on Linux")
    command = [RUNNER, "-t", str(SECONDS), "-d", ROOT, "--", sys.executable, SCRIPT]
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=SECONDS + 600,
    )
    if done.returncode == 125:
        pytest.skip(f"the virtual machine with cameras does not start here: {done.stderr.strip()[-300:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    found = {report["check"]: report for report in map(json.loads, lines)}
    found["output"] = f"{done.stdout}\n{done.stderr}"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_with_real_devices(reports, name):
    assert name in reports, f"the machine did not come to it:\n{reports['output'][-3000:]}"
    report = reports[name]
    if "skip" in report:
        pytest.skip(report["skip"])
    assert "error" not in report, report["error"]
