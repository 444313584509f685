"""The habits of the house that a machine can watch."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import nstfilter
from nstfilter import errors, hookspecs
from nstfilter.manager import HOOKS
from nstfilter.packs.manifest import parse

ROOT = Path(__file__).parents[1]
PLUGINS_MD = ROOT / "docs/plugins.md"
HEAVY = {"tensorflow", "openvino", "av", "cv2", "numpy", "PIL", "pyvirtualcam"}
ERRORS = {name: value for name, value in vars(errors).items() if name.endswith("Error")}
MODULES = sorted((ROOT / "nstfilter").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
TEXTS = [
    path
    for path in [*MODULES, *PLUGINS, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
    if ".egg-info" not in str(path)
]

TESTED_ELSEWHERE = {
    "nstfilter/__init__.py": "here",
    "nstfilter/frames.py": "test_filter.py: every shape and dtype, and the size of the network",
    "nstfilter/hookspecs.py": "here, and every hook in test_manager.py",
    "nstfilter/cli/live_report.py": "test_cli_live.py: what is printed, and --json",
    "nstfilter/cli/options.py": "test_cli_apply.py, test_cli_live.py: each option",
    "nstfilter/graphics/display.py": "test_plugin_preview.py: with and without a display",
    "nstfilter/jobs/task.py": "the contract; test_jobs_work.py, test_plugin_local.py",
    "nstfilter/live/capture.py": "test_live_live.py: cameras that break off and come back; paced files",
    "nstfilter/live/sink_worker.py": "test_live_live.py: sinks that are slow, fail, hang and come back",
    "nstfilter/live/painter.py": "test_live_live.py: filters that fail and are governed",
    "nstfilter/models/__init__.py": "the protocols; testing.check_model asks for what they promise",
    "nstfilter/models/hub_openvino.py": "test_models_hub.py: that it paints what TensorFlow paints",
    "nstfilter/models/hub_tensorflow.py": "test_models_hub.py: that it paints what the whole model paints",
    "nstfilter/models/openvino.py": "test_models_engines.py: that it does not call home",
    "nstfilter/models/pocket_openvino.py": "test_models_pocket.py: that it agrees with TensorFlow's",
    "nstfilter/models/pocket_tensorflow.py": "test_models_pocket.py: that it agrees with OpenVINO's",
    "nstfilter/models/network.py": "test_models_pocket.py: what it computes, and weights that do not fit it",
    "nstfilter/people/__init__.py": "the protocol; testing.check_segmenter asks for what it promises",
    "nstfilter/people/engines.py": "test_people_segmenter.py: that both engines find the same",
    "nstfilter/people/network.py": "test_people_segmenter.py: what it finds, and weights that do not fit it",
    "nstfilter/packs/style.py": "test_packs_reading.py: styles, mixes and packs are made there",
    "nstfilter/testing/live.py": "test_live_live.py is built on it",
}


@pytest.mark.parametrize(
    "name", sorted(point.name for point in entry_points(group="nstfilter") if point.dist.name == "nstfilter")
)
def test_every_plugin_has_its_tests(name):
    assert (ROOT / f"tests/test_plugin_{name}.py").is_file()


@pytest.mark.parametrize("path", [path.relative_to(ROOT).as_posix() for path in MODULES])
def test_every_module_has_its_tests(path):
    parts = Path(path).with_suffix("").parts[1:]
    if len(parts) > 1 and parts[-1] == "__init__" and path not in TESTED_ELSEWHERE:
        parts = parts[:-1]
        if is_docstring_alone(ROOT / path):
            return
    name = "_".join(part.strip("_") for part in parts)
    has_tests = (ROOT / f"tests/test_{name}.py").is_file()
    assert has_tests != (path in TESTED_ELSEWHERE), f"expected tests/test_{name}.py"


def is_docstring_alone(path):
    return len(ast.parse(path.read_text("utf-8")).body) <= 1


@pytest.mark.parametrize("path", sorted(TESTED_ELSEWHERE))
def test_what_is_tested_elsewhere_is_there(path):
    assert (ROOT / path).is_file()


def test_every_folder_of_the_package_is_listed():
    """setuptools packs only the folders that pyproject.toml names."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    folders = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for top in ("nstfilter", "plugins", "styles")
        for path in (ROOT / top).rglob("__init__.py")
    }
    inside = {name if name.startswith("nstfilter") else f"nstfilter.{name}" for name in folders}
    assert inside == set(listed)


BRITISH = re.compile(
    r"\b(\w*colour\w*|grey\w*|\w*normalis\w*|centre[ds]?|neighbour\w*|behaviour\w*|favourite\w*"
    r"|recognis\w*|optimis\w*|initialis\w*|artefact\w*|analyse[ds]?|labelled|travelled|catalogue)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_spelling_is_american(path):
    lines = path.read_text("utf-8").splitlines()
    assert [line for line in lines if BRITISH.search(line) and "BRITISH" not in line] == []


@pytest.mark.parametrize("path", [*MODULES, *PLUGINS], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_modules_are_one_idea_and_say_which(path):
    text = path.read_text("utf-8")
    assert text.count("\n") < 500
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_described(hook):
    spec = getattr(hookspecs, hook)
    assert spec.__doc__
    (argument,) = inspect.signature(spec).parameters
    assert f"`{hook}({argument})`" in PLUGINS_MD.read_text()


def test_the_manifest_in_the_docs_is_one():
    text = (ROOT / "docs/packs.md").read_text()
    (written,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    manifest = parse(written.encode(), "docs/packs.md")
    assert [style.name for style in manifest.styles] == ["heather"]
    # every field there is stands in the example
    assert manifest.pack.model_fields_set == set(type(manifest.pack).model_fields)
    assert manifest.styles[0].model_fields_set == set(type(manifest.styles[0]).model_fields)


def test_the_public_names_are_sorted_and_complete():
    assert nstfilter.__all__ == sorted(nstfilter.__all__)
    assert set(nstfilter.__all__) == set(nstfilter._HOME)
    assert set(ERRORS) <= set(nstfilter.__all__)
    # the names that type checkers see are those that are there
    tree = ast.parse(Path(nstfilter.__file__).read_text())
    seen = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        for alias in node.names
    }
    assert seen == {name: f"nstfilter.{home}" for name, home in nstfilter._HOME.items()}


@pytest.mark.parametrize("name", nstfilter.__all__)
def test_every_public_name_resolves_and_is_described(name):
    value = getattr(nstfilter, name)
    assert value.__name__ == name if hasattr(value, "__name__") else name == "hookimpl"
    # errors are described together, in the tree at the top of their module
    own = errors.__doc__ if value.__module__ == errors.__name__ else value.__doc__
    assert own
    assert not own.startswith(f"{name}("), "this docstring was written by dataclass"


def test_the_tree_of_errors_is_drawn_as_it_is():
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        if match := re.match(r"    ([ │├└─]*)(\w+Error)\b", line):
            depth = len(match[1])
            above = [(d, name) for d, name in above if d < depth]
            drawn[match[2]] = above[-1][1] if above else "Exception"
            above.append((depth, match[2]))
    assert drawn == {name: value.__bases__[0].__name__ for name, value in ERRORS.items()}
    for name, value in ERRORS.items():
        says = re.search(rf"{name} +exit code (\d)", errors.__doc__)
        assert value.exit_code == int(says[1]) if says else value.exit_code == value.__bases__[0].exit_code


@pytest.mark.parametrize(
    "code",
    [
        "import nstfilter",
        "from nstfilter import hookimpl, open_source",
        "from nstfilter.__main__ import main; sys.argv[1:] = ['--help']; main()",
        "from nstfilter.__main__ import main; sys.argv[1:] = ['apply', '--help']; main()",
        "from nstfilter.__main__ import main; sys.argv[1:] = ['plugins']; main()",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code):
    script = f"import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "nstfilter" in done.stderr.split()
    assert HEAVY & set(done.stderr.split()) == set()


def test_no_file_names_a_place_on_somebodys_computer():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout, so which files belong to the tree is not known")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    somewhere = re.compile(rb"(?<![\w.~])(?:/(?:root|work|home|Users)/\w|[A-Z]:\\\\?Users\\)")
    files = [path for path in paths if path.is_file()]
    assert [str(path.relative_to(ROOT)) for path in files if somewhere.search(path.read_bytes())] == []
