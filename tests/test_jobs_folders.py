from __future__ import annotations

import os
from pathlib import Path

import pytest

from nstfilter.errors import UsageError
from nstfilter.jobs.folders import matcher, walk

links = pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make links")


@pytest.fixture
def tree(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "in"

    return make


def found(folder, wanted=lambda path: True, **choice):
    return [path.relative_to(folder).as_posix() for path in walk(folder, wanted, **choice)]


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.mp4", ["a.mp4", "b/a.MP4", "b/.mp4"], ["a.mp4.txt", "a.mov"]),
        ("**/*.mp4", ["a.mp4", "b/c/a.mp4"], ["a.mov"]),
        ("./*/*.mp4", ["b/a.mp4"], ["a.mp4", "b/c/a.mp4"]),
        ("b/**", ["b/a", "b/c/a"], ["a", "bb/a"]),
        ("b/**/a", ["b/a", "b/c/d/a"], ["b/aa", "c/a"]),
        ("drafts/", ["drafts", "drafts/a", "b/drafts/a"], ["drafts2/a"]),
        ("b/drafts", ["b/drafts/a"], ["drafts/a", "c/b/drafts/a"]),
        ("take?.png", ["take1.png"], ["take12.png", "take/.png"]),
        ("[ab].jpg", ["a.jpg", "b.JPG", "x/a.jpg"], ["c.jpg", "[ab].jpg", "ab.jpg"]),
        ("[!ab].jpg", ["c.jpg"], ["a.jpg", "b.jpg"]),
        ("take[0-9]*.[Pp]NG", ["take12.png", "TAKE1.PNG"], ["take.png"]),
        ("a+(b).{png}$", ["a+(b).{png}$"], ["aab.png", "a+(b).png"]),
        ("#1.jpg", ["#1.jpg"], ["1.jpg"]),
        ("!.jpg", ["!.jpg"], [".jpg", "a.jpg"]),
        ("/a.jpg", ["a.jpg"], ["b/a.jpg"]),
        ("name with space ", ["name with space ", "b/name with space "], ["name with space"]),
        ("[ab.jpg", [], ["a.jpg"]),
        ("ÄRGER.png", ["ärger.png"], []),
        ("", [], ["a"]),
    ],
)
def test_patterns(pattern, yes, no):
    matches = matcher([pattern])
    assert [matches(Path(name)) for name in yes + no] == [True] * len(yes) + [False] * len(no)


def test_no_pattern_matches_nothing_and_several_match_what_one_of_them_does():
    assert not matcher([])(Path("a"))
    either = matcher(["*.a", "*.b"])
    assert [either(Path(name)) for name in ("x.a", "x.b", "x.c")] == [True, True, False]


def test_files_come_by_folder_and_name_without_hidden_and_unfinished_ones(tree):
    unfinished = ("film.partial.mp4", "film.partial2.mp4")
    folder = tree("b", "a", "z/x", "d/e/f", ".git/x", ".hidden", *unfinished, "out/old")
    assert found(folder, skip=folder / "out") == ["a", "b", "d/e/f", "z/x"]
    assert found(folder, lambda path: path.name == "f") == ["d/e/f"]


def test_a_name_that_only_looks_unfinished_is_not_skipped(tree):
    names = ["my.partial.eclipse.jpg", "partial.jpg", "x.partial"]
    assert found(tree(*names)) == names


@pytest.mark.parametrize(
    "pattern",
    ["", " ", "/", "//", ".", "..", "*", "**", "***", "!", "#", "[", "]", "[]", "[!]", r"\a", "a/**/**/b"],
)
def test_no_pattern_breaks_it(tree, pattern):
    found(tree("a", "b/c"), include=[pattern], exclude=[pattern])


@pytest.mark.parametrize("pattern", ["a\\", "[z-a]"])
def test_what_is_no_pattern_is_one_clear_line(pattern):
    with pytest.raises(UsageError, match="is no pattern for file names; expected one as in") as caught:
        matcher([pattern])
    assert str(caught.value).startswith(pattern)


def test_include_and_exclude(tree):
    folder = tree("a.mp4", "b.png", "raw/c.mp4", "raw/d.png", "raw/old/e.mp4")
    assert found(folder, include=["*.mp4"]) == ["a.mp4", "raw/c.mp4", "raw/old/e.mp4"]
    assert found(folder, include=["*.mp4", "b.*"], exclude=["old"]) == ["a.mp4", "b.png", "raw/c.mp4"]
    assert found(folder, include=["raw"], exclude=["**/*.png"]) == ["raw/c.mp4", "raw/old/e.mp4"]
    assert found(folder, exclude=["raw/*.mp4"]) == ["a.mp4", "b.png", "raw/d.png", "raw/old/e.mp4"]


@links
def test_linked_folders_are_followed(tree, tmp_path):
    folder = tree("a")
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "x").touch()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    assert found(folder) == ["a", "link/deep/x"]
    assert found(folder, exclude=["link"]) == ["a"]
    assert found(folder, skip=tmp_path / "elsewhere") == ["a"]


@links
@pytest.mark.parametrize("target", [".", "..", "sub", "/"])
def test_links_that_lead_back_are_not_followed_round_and_round(tree, target):
    folder = tree("a", "sub/b", "sub/deep/c")
    (folder / "again").symlink_to(target)
    (folder / "sub" / "deep" / "up").symlink_to(folder / "sub")
    # the real place comes before the link to it, whatever their names
    assert found(folder) == ["a", "sub/b", "sub/deep/c"]


@links
def test_a_folder_linked_twice_is_gone_through_once(tree, tmp_path):
    folder = tree("a")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").touch()
    (tmp_path / "other" / "back").symlink_to(folder)
    for name in ("one", "two"):
        (folder / name).symlink_to(tmp_path / "other")
    assert found(folder) == ["a", "one/x"]


@links
def test_a_link_to_a_folder_may_be_given_itself(tree, tmp_path):
    tree("a", "sub/b")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert found(tmp_path / "link") == ["a", "sub/b"]
