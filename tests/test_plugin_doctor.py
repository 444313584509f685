"""The doctor: on this computer as it is, and on fakes of computers that lack something."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nstfilter.cli.app import build_app
from nstfilter.graphics import display as preview_display
from nstfilter.plugins import cameras as webcam_devices
from nstfilter.plugins import v4l2 as webcam_v4l2
from nstfilter.plugins import virtual_cameras as virtualcam_devices
from nstfilter.plugins.doctor import checks as doctor_checks
from nstfilter.plugins.doctor import command as doctor_command
from nstfilter.plugins.doctor import devices as doctor_devices
from nstfilter.plugins.doctor import speed as doctor_speed
from nstfilter.plugins.doctor.checks import Check, run
from nstfilter.plugins.v4l2 import CAPTURE, OUTPUT, Abilities, Format
from nstfilter.testing import FakeModel

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="video nodes are Linux's")


def only(checks) -> Check:
    (check,) = checks
    return check


# -- this computer, as it is


def doctor(*options: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import atexit, sys; from nstfilter.__main__ import main\n"
        "atexit.register(lambda: print('tensorflow' in sys.modules, file=sys.stderr))\n"
        f"sys.argv = ['nstfilter', 'doctor', *{options!r}]; main()"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_here_everything_is_looked_at_and_nothing_breaks_down():
    ended = doctor("--json")
    report = json.loads(ended.stdout)
    assert ended.returncode == (0 if report["live"] else 1)
    names = [check["name"] for check in report["checks"]]
    parts = ("Python", "nstfilter", *doctor_checks.PACKAGES, "plugins", "model pocket", "model magenta")
    parts += ("camera", "virtual camera", "display", "threads", *(f"speed {s}" for s in doctor_speed.SIZES))
    assert set(parts) - set(names) == set()
    assert names[-1] == "live"
    for check in report["checks"]:
        assert check["state"] in ("ok", "warning", "failing")
        assert "could not be checked" not in check["found"]
        assert check["remedy"] or check["state"] == "ok", f"{check['name']} has no remedy"
    rates = [check["details"] for check in report["checks"] if check["name"].startswith("speed ")]
    assert [rate["size"][1] for rate in rates] == [360, 720, 1080]
    assert [rate["network"] for rate in rates] == [360, 480, 480]
    assert all(rate["frames_per_second"] > 0 for rate in rates)
    # no progress where nobody watches, and no seconds spent on TensorFlow
    assert ended.stderr == f"{importlib.util.find_spec('openvino') is None}\n"


def test_plain_lines_for_programs(monkeypatch):
    two = {"x": lambda: Check("x", "ok", "1"), "y": lambda: Check("y", "warning", "2", "do it")}
    monkeypatch.setattr(doctor_command, "LOOK_AT", two)
    ended = CliRunner().invoke(build_app(), ["doctor", "--no-speed"])
    lines = [line.split("\t") for line in ended.stdout.splitlines()]
    assert lines[:2] == [["ok", "x", "1", ""], ["warning", "y", "2", "do it"]]
    assert [line[:2] for line in lines[2:]] == [["failing", "live"]]
    assert ended.exit_code == 1


LONG = "sudo some-package-manager install the-driver-that-is-missing && sudo load the-driver-that-is-missing"


@pytest.mark.parametrize("plain", [False, True])
def test_a_terminal_gets_a_table_in_color_and_whole_remedies(monkeypatch, capsys, plain):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if plain:
        monkeypatch.setenv("NO_COLOR", "1")
    checks = {
        "camera": lambda: Check("camera", "failing", "[bold]none", LONG),
        "b": lambda: Check("b", "ok", "2"),
    }
    monkeypatch.setattr(doctor_command, "LOOK_AT", checks)
    with pytest.raises(SystemExit):
        build_app()(["doctor", "--no-speed"])
    printed = capsys.readouterr().out
    assert f"    {LONG}\n" in printed
    assert "[bold]none" in printed
    assert ("\x1b[1;31mfailing" in printed, "\x1b[32mok" in printed) == (not plain, not plain)


def test_ctrl_c_ends_it(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor_command, "LOOK_AT", {"x": interrupted})
    ended = CliRunner().invoke(build_app(), ["doctor"])
    assert (ended.exit_code, ended.stdout) == (130, "")


# -- what decides whether live can work


def checks(**states: str) -> list[Check]:
    well = dict.fromkeys(
        ("numpy", "opencv", "pyvirtualcam", "model pocket", "camera", "virtual camera"), "ok"
    )
    states = well | {"display": "ok"} | {name.replace("_", " "): state for name, state in states.items()}
    return [Check(name, state, "") for name, state in states.items()]


@pytest.mark.parametrize(
    ("states", "lacking"),
    [
        ({}, ""),
        ({"display": "warning"}, ""),
        ({"virtual_camera": "warning", "display": "warning"}, ""),
        ({"speed_360p": "warning", "av": "failing", "plugin_mine": "failing"}, ""),
        ({"camera": "failing"}, "no camera"),
        ({"plugin_webcam": "warning"}, "no camera"),
        ({"plugin_virtualcam": "warning", "plugin_preview": "failing"}, "no virtual camera and no display"),
        ({"speed": "failing"}, "painting fails"),
        ({"virtual_camera": "failing", "display": "warning"}, "no virtual camera and no display"),
        ({"pyvirtualcam": "failing", "display": "failing"}, "no virtual camera and no display"),
        ({"model_pocket": "failing", "camera": "failing"}, "no model pocket, no camera"),
    ],
)
def test_live_wants_a_camera_and_somewhere_to_show_it(states, lacking):
    verdict = doctor_command.verdict(checks(**states))
    assert (verdict.state, verdict.found) == (
        ("failing", f"cannot work: {lacking}") if lacking else ("ok", "can work")
    )


@pytest.mark.parametrize("lost", ["virtual_camera", "pyvirtualcam", "plugin_virtualcam"])
def test_without_a_virtual_camera_there_is_the_window(lost):
    verdict = doctor_command.verdict(checks(**{lost: "failing"}))
    assert (verdict.state, verdict.remedy) == ("warning", "nstfilter live --to preview")


def test_one_of_several_cameras_is_enough():
    assert doctor_command.verdict([*checks(camera="failing"), Check("camera", "ok", "another")]).state == "ok"


def test_a_check_that_breaks_down_costs_only_itself():
    def half():
        yield Check("first", "ok", "")
        raise OSError("a file\nof two lines")

    first, second = run("things", half)
    assert first.name == "first"
    assert (second.name, second.state) == ("things", "failing")
    assert "OSError: a file of two lines" in second.found
    assert second.remedy


# -- Python, packages, plugins, models


def test_a_python_too_new(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    check = doctor_checks.python()
    assert check.state == "failing"
    assert check.remedy.endswith("3.13 -m venv .venv")


@pytest.fixture
def without(monkeypatch):
    """Has the metadata of some packages say that they are not installed."""

    def hide(*names: str) -> None:
        real = doctor_checks.importlib.metadata.version

        def version(name):
            if name in names:
                raise PackageNotFoundError(name)
            return real(name)

        monkeypatch.setattr(doctor_checks.importlib.metadata, "version", version)

    return hide


@pytest.mark.parametrize(
    ("name", "machine", "state"),
    [
        ("av", "x86_64", "failing"),
        ("tensorflow", "x86_64", "warning"),
        ("openvino", "x86_64", "warning"),
        ("openvino", "aarch64", "ok"),
    ],
)
def test_a_package_that_is_not_installed(without, monkeypatch, name, machine, state):
    without(name)
    monkeypatch.setattr(doctor_checks.platform, "system", lambda: "Linux")
    monkeypatch.setattr(doctor_checks.platform, "machine", lambda: machine)
    check = doctor_checks.package(name)
    assert check.state == state
    assert check.remedy == ("" if state == "ok" else doctor_checks.pip(f"install {name}"))


def test_a_package_that_cannot_be_loaded(monkeypatch, tmp_path):
    (tmp_path / "av.py").write_text("raise ImportError('libx264.so.9:\\nno such file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "av", raising=False)
    check = doctor_checks.package("av")
    assert check.state == "failing"
    assert "cannot be loaded (ImportError: libx264.so.9: no such file)" in check.found
    assert check.remedy == doctor_checks.pip("install --force-reinstall av")


def test_the_line_to_type_names_this_python_and_can_be_typed(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python")
    if sys.platform != "win32":
        assert doctor_checks.pip("install av") == "'/opt/my python/bin/python' -m pip install av"


@pytest.mark.parametrize(
    ("line", "windows"),
    [("  GUI:    QT5", True), ("  GUI:   NONE", False), ("  GUI: \n    Win32 UI: YES", True)],
)
def test_whether_opencv_has_windows_is_read_from_how_it_was_built(line, windows):
    assert doctor_checks.has_windows(f"  OpenCV modules:\n{line}\n\n  Media I/O:\n") == windows


def test_an_opencv_without_windows_makes_no_preview(monkeypatch):
    monkeypatch.setattr(doctor_checks, "_opencvs", lambda: {"opencv-python-headless": "5.0"})
    monkeypatch.setattr("nstfilter.graphics.opencv.cv2.getBuildInformation", lambda: "  GUI:   NONE\n")
    check = doctor_devices.display()
    assert check.state == "warning"
    remove, add = check.remedy.split(" && ")
    assert remove.endswith("-m pip uninstall -y opencv-python-headless")
    assert add.endswith("-m pip install opencv-python")
    assert doctor_checks.opencv().found == "opencv-python-headless 5.0, without windows"


def test_two_opencvs_in_one_place(monkeypatch):
    both = {"opencv-python": "5.0", "opencv-python-headless": "4.10"}
    monkeypatch.setattr(doctor_checks, "_opencvs", lambda: both)
    check = doctor_checks.opencv()
    assert check.state == "warning"
    assert "uninstall -y opencv-python opencv-python-headless && " in check.remedy


def test_plugins_that_are_not_in_use(site, monkeypatch):
    monkeypatch.setenv("NSTFILTER_DISABLE_PLUGINS", "demo")
    site("bad", "import a_library_nobody_has", version="2.5")
    found = {check.name: check for check in doctor_checks.plugins()}
    assert "image" in found["plugins"].details["loaded"]
    assert found["plugin demo"].state == "warning"
    assert found["plugin demo"].remedy.endswith("NSTFILTER_DISABLE_PLUGINS" + "=" * (sys.platform == "win32"))
    assert found["plugin bad"].state == "failing"
    assert "a_library_nobody_has" in found["plugin bad"].found
    assert found["plugin bad"].remedy == doctor_checks.pip("install --force-reinstall nstfilter-bad")


def test_weights_that_are_not_whole(monkeypatch, tmp_path):
    damaged = tmp_path / "pocket.npz"
    damaged.write_bytes(b"PK")
    monkeypatch.setattr("nstfilter.models.pocket.WEIGHTS", damaged)
    check = doctor_checks.pocket()
    assert check.state == "failing"
    assert str(damaged) in check.found
    assert check.remedy == doctor_checks.pip("install --force-reinstall nstfilter")


def test_magenta_where_it_was_looked_for_and_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    check = doctor_checks.magenta()
    assert check.state == "ok"
    assert check.remedy == "nstfilter models fetch magenta"
    first, second = map(Path, check.details["looked"])
    assert (first.parent, second.parent) == (tmp_path / "hub", tmp_path / "user-cache/models")
    second.mkdir(parents=True)
    (second / "saved_model.pb").touch()
    check = doctor_checks.magenta()
    assert (check.found, check.remedy) == (str(second), "")


# -- threads and speed


def test_a_container_that_is_allowed_less_than_it_sees(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_speed.os, "cpu_count", lambda: 16)
    monkeypatch.setattr(doctor_speed.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(doctor_speed.os, "getloadavg", lambda: (7.9, 0, 0), raising=False)
    monkeypatch.setenv("NSTFILTER_THREADS", "3")
    quota = tmp_path / "fs/cgroup/cpu.max"
    quota.parent.mkdir(parents=True)
    quota.write_text("150000 100000\n")
    check = doctor_speed.threads(tmp_path)
    assert check.details == {"processors": 16, "usable": 8, "quota": 1.5, "threads": 3}
    for nothing in ("max 100000", "", "0 0"):
        quota.write_text(nothing)
        assert doctor_speed.threads(tmp_path).details["quota"] is None
    quota.unlink()
    quota.mkdir()  # what cannot be read
    assert doctor_speed.threads(tmp_path).state == "ok"


@pytest.mark.slow
def test_the_speed_is_that_of_as_many_threads_as_live_uses(monkeypatch):
    asked = []

    def open_pocket(target, **options):
        asked.append(options)
        return FakeModel()

    monkeypatch.setattr("nstfilter.filter.open_model", open_pocket)
    monkeypatch.setattr("nstfilter.models.spare_threads", lambda: 7)
    assert [check.name for check in doctor_speed.speed(seconds=0)] == [
        "speed 360p",
        "speed 720p",
        "speed 1080p",
    ]
    assert asked == [{"threads": 7}]
    assert doctor_speed.threads().details["threads"] == 7


def test_a_computer_with_its_hands_full(monkeypatch):
    monkeypatch.setattr(doctor_speed.os, "getloadavg", lambda: (1000.0, 0, 0), raising=False)
    check = doctor_speed.threads()
    assert check.state == "warning"
    assert "load 1000.0" in check.found
    assert check.remedy


def test_a_number_of_threads_that_is_none(monkeypatch):
    monkeypatch.setenv("NSTFILTER_THREADS", "many")
    check = doctor_speed.threads()
    assert check.state == "failing"
    assert "'many'" in check.found
    assert "NSTFILTER_THREADS" in check.remedy


@pytest.mark.slow
def test_where_it_is_too_slow_the_largest_size_that_is_not_is_named(monkeypatch):
    times = iter([0.02, 0.04, 0.2])
    monkeypatch.setattr(doctor_speed, "_time", lambda paint, frames, seconds: next(times))
    seen = []
    small, middle, large = doctor_speed.speed(lambda name, done: seen.append((name, done)))
    assert [check.details["frames_per_second"] for check in (small, middle, large)] == [50, 25, 5]
    assert [check.state for check in (small, middle, large)] == ["ok", "ok", "warning"]
    assert large.remedy == "nstfilter live --output-size 1280x720"
    assert seen == [("360p", 0), ("720p", 1), ("1080p", 2), ("", 3)]


def test_a_model_that_does_not_run_is_a_line_of_the_report(monkeypatch):
    monkeypatch.setattr("nstfilter.models.pocket.chosen_engine", lambda *_: 1 / 0)
    check = only(run("speed", doctor_speed.speed))
    assert (check.name, check.state) == ("speed", "failing")
    assert "division by zero" in check.found


# -- cameras, virtual cameras, the display


WEBCAM = Abilities(
    CAPTURE,
    (
        Format("MJPG", 640, 480, 30),
        Format("MJPG", 1920, 1080, 30),
        Format("MJPG", 1920, 1080, 60),
        Format("YUYV", 640, 480, 30),
    ),
)


class Machine:
    """A fake of /sys and /dev, and what their nodes answer."""

    def __init__(self, folder: Path) -> None:
        self.sysfs, self.dev, self.proc, self.modules = (
            folder / n for n in ("sysfs", "dev", "proc", "module")
        )
        self.answers: dict[str, Abilities] = {}

    def add(
        self, number: int, name: str, answer: Abilities, *, loopback: bool = False, given: bool = True
    ) -> str:
        node = self.sysfs / f"video{number}"
        node.mkdir(parents=True)
        (node / "name").write_text(f"{name}\n")
        if loopback:
            (node / "max_openers").write_text("10\n")
        path = self.dev / node.name
        if given:
            self.dev.mkdir(exist_ok=True)
            path.touch()
        self.answers[str(path)] = answer if given else Abilities(error=errno.ENOENT)
        return str(path)

    def load(self, **options: str) -> None:
        folder = self.modules / "v4l2loopback/parameters"
        folder.mkdir(parents=True)
        for name, value in options.items():
            (folder / name).write_text(f"{value}\n")

    def hold(self, path: str, pid: int, name: str) -> None:
        folder = self.proc / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        (folder / "fd/7").symlink_to(path)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine(tmp_path / "machine")
    places = machine.sysfs, machine.dev, machine.proc, machine.answers.__getitem__
    monkeypatch.setattr(webcam_devices, "cameras", lambda: webcam_devices.linux_cameras(*places))
    monkeypatch.setattr(
        virtualcam_devices,
        "virtual_cameras",
        lambda: virtualcam_devices.linux_virtual_cameras(*places, machine.modules),
    )
    nodes = webcam_v4l2.nodes
    monkeypatch.setattr(webcam_v4l2, "nodes", lambda sysfs=machine.sysfs, dev=machine.dev: nodes(sysfs, dev))
    return machine


def virtual_cameras(machine):
    return list(doctor_devices.virtual_cameras(machine.modules))


@linux
def test_cameras_by_name_with_their_formats_free_or_not(machine):
    machine.add(0, "Logitech BRIO", WEBCAM)
    busy = machine.add(2, "Integrated Camera", Abilities(CAPTURE, busy=True))
    machine.hold(busy, 4321, "zoom")
    free, taken = doctor_devices.cameras()
    assert free.state == "ok"
    assert free.found.startswith("Logitech BRIO (webcam:0, ")
    assert "MJPG 1920x1080 at 60 and 2 more, YUYV 640x480 at 30; free" in free.found
    assert free.details["formats"][0] == {"codec": "MJPG", "width": 640, "height": 480, "rate": 30}
    assert json.dumps(free.details)
    assert taken.state == "failing"
    assert "busy with zoom (4321)" in taken.found
    assert taken.remedy == "close zoom (4321), or: kill 4321"


@linux
def test_a_camera_that_somebody_unknown_has(machine):
    path = machine.add(0, "Camera", Abilities(CAPTURE, busy=True))
    assert only(doctor_devices.cameras()).remedy.endswith(f"sudo fuser -v {path}")


@linux
def test_a_camera_that_we_may_not_open(machine):
    machine.add(0, "Camera", Abilities(error=errno.EACCES))
    check = only(doctor_devices.cameras())
    assert check.state == "failing"
    assert check.remedy.startswith("sudo usermod -aG ")


@linux
def test_a_camera_that_a_program_makes_is_one_for_who_asks(machine):
    machine.add(0, "DroidCam", Abilities(CAPTURE), loopback=True)
    machine.add(10, "nstfilter", Abilities(CAPTURE), loopback=True)
    check = only(doctor_devices.cameras())
    assert (check.state, check.remedy) == ("warning", "nstfilter live --from webcam:0")


@linux
def test_no_camera_at_all(machine):
    check = only(doctor_devices.cameras())
    assert (check.state, check.found) == ("failing", "none was found")
    assert "--from demo" in check.remedy


@linux
def test_devices_that_the_container_was_not_given(machine):
    path = machine.add(0, "Logitech BRIO", WEBCAM, given=False)
    machine.load(exclusive_caps="Y")
    loopback = machine.add(10, "nstfilter", Abilities(OUTPUT), loopback=True, given=False)
    camera, none = doctor_devices.cameras()
    assert f"Logitech BRIO ({path})" in camera.found
    assert f"--device {path}" in camera.remedy
    assert {camera.state, none.state} == {"failing"}
    virtual = only(virtual_cameras(machine))
    assert virtual.state == "failing"
    assert f"--device {loopback}" in virtual.remedy


@linux
def test_a_virtual_camera_that_is_free_with_the_drivers_options(machine):
    machine.load(exclusive_caps="Y,N,N", max_buffers="2")
    (machine.modules / "v4l2loopback/parameters/secret").mkdir()  # what cannot be read
    path = machine.add(10, "nstfilter", Abilities(OUTPUT), loopback=True)
    check = only(virtual_cameras(machine))
    assert check.state == "ok"
    assert (
        check.found == f"nstfilter ({path}); v4l2loopback exclusive_caps=Y,N,N max_buffers=2 secret=?; free"
    )


@linux
@pytest.mark.parametrize(
    ("answer", "state", "says", "remedy"),
    [
        (Abilities(OUTPUT | CAPTURE), "warning", "exclusive_caps=1", virtualcam_devices.RELOAD),
        (Abilities(CAPTURE), "failing", "busy with obs (99)", "close obs (99), or: kill 99"),
        (Abilities(error=errno.EACCES), "failing", "may not be opened", "sudo usermod -aG "),
    ],
)
def test_a_virtual_camera_with_something_amiss(machine, answer, state, says, remedy):
    machine.load(exclusive_caps="N")
    machine.hold(machine.add(10, "nstfilter", answer, loopback=True), 99, "obs")
    check = only(virtual_cameras(machine))
    assert check.state == state
    assert says in check.found
    assert check.remedy.startswith(remedy)


@linux
def test_no_virtual_camera_and_the_line_that_makes_one(machine, monkeypatch):
    monkeypatch.setattr(virtualcam_devices, "setup_line", lambda: "sudo modprobe it")
    monkeypatch.setattr(doctor_devices, "_in_container", lambda: True)
    check = only(virtual_cameras(machine))
    assert check.state == "failing"
    assert "v4l2loopback is not loaded; this is a container" in check.found
    assert check.remedy == "sudo modprobe it"
    machine.load()
    assert "not loaded" not in only(virtual_cameras(machine)).found


def test_a_display_that_does_not_answer(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_devices, "has_windows", lambda build: True)
    monkeypatch.setattr(preview_display, "why_no_window", lambda: "nobody is there")
    check = doctor_devices.display()
    assert (check.state, check.found) == ("warning", "no preview: nobody is there")
    assert check.remedy
    monkeypatch.setattr(preview_display, "why_no_window", lambda: None)
    assert doctor_devices.display().state == "ok"
    assert "ssh -X" in doctor_devices.desktop(tmp_path)


@pytest.mark.parametrize("before", [None, ":9"])
def test_the_display_that_lets_us_in_is_named(monkeypatch, tmp_path, before):
    monkeypatch.delenv("DISPLAY", raising=False)
    if before:
        monkeypatch.setenv("DISPLAY", before)
    answers = {":1": None}
    monkeypatch.setattr(
        preview_display, "why_no_window", lambda: answers.get(os.environ["DISPLAY"], "nobody is there")
    )
    for name in ("X0", "X1", "X2"):
        (tmp_path / name).touch()
    assert doctor_devices.desktop(tmp_path) == "export DISPLAY=:1"
    answers.clear()
    assert "ssh -X" in doctor_devices.desktop(tmp_path)
    assert os.environ.get("DISPLAY") == before


def test_a_camera_with_formats_without_end_fits_a_line():
    many = [Format(codec, *size) for codec in "ABCDE" for size in ((3840, 2160, 2), (640, 480, 30))]
    named = (
        "A 640x480 at 30 and 1 more, B 640x480 at 30 and 1 more, C 640x480 at 30 and 1 more, 2 more codecs"
    )
    assert doctor_devices.formats(many) == named
