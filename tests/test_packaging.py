"""What is built is what is in the tree, and what is installed works from an empty folder.

Nothing is downloaded: the new environments borrow the libraries of the one that runs the tests.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs/examples"
ENTRY_POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["nstfilter"]
CACHES = ("__pycache__", ".*_cache", "*.egg-info", "build", "dist", ".git", ".venv", "runs")
PIP_OPTIONS = ("-q", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")

slow = pytest.mark.slow


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree, so that building leaves nothing in ours and finds nothing of earlier builds."""
    copy = tmp_path_factory.mktemp("tree") / "nstfilter"
    return Path(shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*CACHES)))


@pytest.fixture(scope="module")
def built(tree, tmp_path_factory):
    """An sdist, and the wheel that is built from it."""
    out = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree)
    return out


def pip_wheel(source, out):
    run(sys.executable, "-m", "pip", "wheel", *PIP_OPTIONS, "--wheel-dir", out, source)


class Environment:
    """A virtual environment and an empty folder to work in."""

    def __init__(self, folder):
        run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
        self.scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.scripts / "python"
        self.folder = folder / "empty"
        self.folder.mkdir()
        self.environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.environ |= {f"NSTFILTER_{kind}_DIR": str(folder / kind) for kind in ("CACHE", "DATA")}
        site = self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        Path(site, "borrowed.pth").write_text("\n".join(sorted(ours)))

    def install(self, *what):
        pip = (sys.executable, "-m", "pip", "--python", self.python)
        run(*pip, "install", *PIP_OPTIONS, *what, env=self.environ)

    def run(self, *arguments):
        return run(self.python, *arguments, cwd=self.folder, env=self.environ)

    def nstfilter(self, *arguments):
        return run(self.scripts / "nstfilter", *arguments, cwd=self.folder, env=self.environ)


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """Our wheel and those of the two examples, together."""
    wheels = tmp_path_factory.mktemp("wheels")
    for example in sorted(EXAMPLES.iterdir()):
        copy = wheels / "source" / example.name
        pip_wheel(shutil.copytree(example, copy, ignore=shutil.ignore_patterns(*CACHES)), wheels)
    environment = Environment(tmp_path_factory.mktemp("environment"))
    environment.install(*built.glob("*.whl"), *wheels.glob("*.whl"))
    return environment


def contents(wheel):
    """What a wheel holds, by name; not what says when and by what it was built."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.endswith(("/RECORD", "/WHEEL", "/"))
        }


@slow
def test_the_wheel_holds_what_the_tree_holds_and_nothing_else(tree, built):
    homes = {"nstfilter": "nstfilter", "plugins": "nstfilter/plugins", "styles": "nstfilter/styles"}
    expected = {
        f"{home}/{path.relative_to(tree / top).as_posix()}": path.read_bytes()
        for top, home in homes.items()
        for path in (tree / top).rglob("*")
        if path.is_file()
    }
    held = contents(next(built.glob("*.whl")))
    about = {name for name in held if ".dist-info/" in name}
    assert {name.partition(".dist-info/")[2] for name in about} == {
        "METADATA",
        "entry_points.txt",
        "licenses/LICENSE",
        "top_level.txt",
    }
    assert sorted(set(held) - about) == sorted(expected)
    assert {name: data for name, data in held.items() if name not in about} == expected
    assert "nstfilter/py.typed" in held
    assert any(name.startswith("nstfilter/models/") and name.endswith(".npz") for name in held)


@slow
def test_the_wheel_of_the_sdist_is_the_wheel_of_the_tree(tree, built, tmp_path):
    pip_wheel(tree, tmp_path)
    assert contents(next(tmp_path.glob("*.whl"))) == contents(next(built.glob("*.whl")))


@slow
def test_the_sdist_holds_what_a_wheel_is_made_of(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "plugins/image/source.py",
        "styles/__init__.py",
    } <= names


def test_every_plugin_is_an_entry_point_and_every_entry_point_a_plugin():
    def has_hooks(path):
        functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        return any("hookimpl" in ast.unparse(d) for function in functions for d in function.decorator_list)

    with_hooks = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        if has_hooks(path):
            parts = path.relative_to(ROOT).with_suffix("").parts
            with_hooks.add(".".join(["nstfilter", *(part for part in parts if part != "__init__")]))
    assert {name.rpartition(".")[2]: name for name in with_hooks} == ENTRY_POINTS


@slow
def test_a_fresh_install_works_from_an_empty_folder(installed):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert installed.nstfilter("--version") == f"nstfilter {version}\n"
    plugins = json.loads(installed.nstfilter("plugins", "--json"))["plugins"]
    assert [p["name"] for p in plugins if p["error"]] == []
    assert set(ENTRY_POINTS) == {p["name"] for p in plugins if p["distribution"] == "nstfilter"}
    styles = json.loads(installed.nstfilter("styles", "list", "--json"))
    home = installed.run("-c", "import nstfilter; print(nstfilter.__path__[0])").strip()
    assert Path(home).is_relative_to(installed.scripts.parent)
    atelier = [style for style in styles if style["pack"] == "atelier"]
    assert len(atelier) >= 3
    assert all(Path(style["path"]).is_file() and style["path"].startswith(home) for style in atelier)
    for name in ("plugins", "styles", "tests", "training", "benchmarks"):
        found = installed.run("-c", f"import importlib.util as i; print(i.find_spec({name!r}))")
        assert found == "None\n", f"the package {name} is in everybody's way"
    assert list(installed.folder.iterdir()) == []
    # and it paints, with the weights and a style out of the wheel
    cv2.imwrite(str(installed.folder / "plain.png"), np.full((48, 64, 3), 128, np.uint8))
    installed.nstfilter("apply", "plain.png", "-o", "fresh.png")
    assert cv2.imread(str(installed.folder / "fresh.png")).shape == (48, 64, 3)


@slow
def test_an_editable_install_finds_its_data(tree, tmp_path):
    environment = Environment(tmp_path)
    environment.install("--editable", tree)
    styles = json.loads(environment.nstfilter("styles", "list", "--json"))
    assert {Path(style["path"]).parents[1] for style in styles} == {tree / "styles"}
    errors = [p["error"] for p in json.loads(environment.nstfilter("plugins", "--json"))["plugins"]]
    assert errors == [None] * len(ENTRY_POINTS)


@slow
def test_the_examples_add_a_source_a_sink_a_model_a_command_and_styles(installed):
    plugins = {p["name"]: p for p in json.loads(installed.nstfilter("plugins", "--json"))["plugins"]}
    assert plugins["example"]["distribution"] == "nstfilter-example"
    assert {(thing["kind"], thing["name"]) for thing in plugins["example"]["registered"]} == {
        ("source", "plasma"),
        ("sink", "gpl"),
        ("model", "gradient"),
        ("segmenter", "greenscreen"),
    }
    assert [thing["name"] for thing in plugins["pack_example"]["registered"]] == ["examples"]

    picture = installed.folder / "photo.png"
    cv2.imwrite(str(picture), np.linspace(0, 255, 64 * 48 * 3).astype(np.uint8).reshape(48, 64, 3))
    with_example = ("--model", "gradient", "--style", "examples/loom")
    installed.nstfilter("apply", picture, *with_example, "-o", "painted.png")
    painted = cv2.imread(str(installed.folder / "painted.png"))
    assert painted.shape == (48, 64, 3)
    # black became the loom's darkest color, white its lightest
    assert painted[0, 0].mean() + 80 < painted[-1, -1].mean()

    installed.nstfilter("apply", "plasma:0.4", *with_example, "-o", "plasma.mp4")
    assert cv2.VideoCapture(str(installed.folder / "plasma.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 10
    installed.nstfilter("apply", "plasma.mp4", *with_example, "-o", "colors.gpl")
    assert (installed.folder / "colors.gpl").read_text().startswith("GIMP Palette\n")
    assert len(installed.nstfilter("colors", picture).split()) == 16


@slow
def test_the_example_passes_its_own_tests(installed):
    installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLES / "nstfilter-example/tests")
