"""A `.env` above the working directory: where it is found, and where the search ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bwrun.settings.found_file import locate_env_file
from bwrun.settings.parent_directories import find_in_parents
from tests.support.files import write_private
from tests.support.needs import program, unavailable
from tests.support.users import needs_root

NOBODY = 65534


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository with a `.env` in its root, and go to a directory two below; return the root."""
    root = tmp_path / "home" / "project"
    (root / "one" / "two").mkdir(parents=True)
    (root / ".git").mkdir()
    write_private(root / ".env", "A=root")
    monkeypatch.chdir(root / "one" / "two")
    return root


def found(home: Path | None = None) -> str | None:
    """Return what is found above the working directory."""
    return find_in_parents(None if home is None else str(home))


def test_the_root_of_the_repository(tree: Path) -> None:
    """A `.env` in the root of the repository is found from two directories below."""
    assert found() == str(tree / ".env")


def test_the_nearest_wins(tree: Path) -> None:
    """Of two files, the one nearer to the working directory is found, whatever else has the name."""
    write_private(tree / "one" / ".env", "A=one")

    assert found() == str(tree / "one" / ".env")
    (tree / "one" / ".env").unlink()
    (tree / "one" / ".env").mkdir()  # a Python venv
    assert found() == str(tree / ".env")
    (tree / "one" / ".env").rmdir()
    (tree / "one" / ".env").symlink_to("nowhere")
    assert found() == str(tree / ".env")


def test_a_worktree_is_a_repository(tree: Path) -> None:
    """`.git` is a file in a worktree and in a submodule; the file system above it is another project's."""
    (tree / "one" / ".git").write_text("gitdir: ../.git/worktrees/one\n")

    assert found() is None
    write_private(tree / "one" / ".env", "A=one")
    assert found() == str(tree / "one" / ".env")


def test_the_working_directory_is_the_root(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the root of a repository nothing above it is looked at."""
    (tree.parent / ".git").mkdir()
    write_private(tree.parent / ".env", "A=above")
    (tree / ".env").unlink()
    monkeypatch.chdir(tree)

    assert locate_env_file({}) is None
    (tree / ".git").rmdir()
    assert locate_env_file({}) == str(tree.parent / ".env")


def test_without_a_repository(tree: Path) -> None:
    """Outside of a repository nothing above the working directory is found."""
    (tree / ".git").rmdir()

    assert found() is None


@pytest.mark.parametrize("way", ["directly", "by a link"])
def test_the_home_directory_is_the_end(tree: Path, tmp_path: Path, way: str) -> None:
    """The home directory is looked at, and nothing above it, by whatever name HOME calls it."""
    (tree / ".git").rmdir()
    (tmp_path / ".git").mkdir()
    link = tmp_path / "link"
    link.symlink_to("home")
    home = tmp_path / "home" if way == "directly" else link

    assert found() == str(tree / ".env")
    assert found(home) is None
    assert found(tmp_path) == str(tree / ".env")
    assert found(tmp_path / "no such home") == str(tree / ".env")
    assert found(home / "project") is None


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
@pytest.mark.parametrize("place", ["the root", "between"])
def test_where_everybody_can_write_is_the_end(tree: Path, mode: int, place: str) -> None:
    """A directory in which everybody can make files, such as /tmp, is not looked at, nor is what is above it."""
    (tree if place == "the root" else tree / "one").chmod(mode)

    assert found() is None


def test_where_a_group_can_write_is_no_end(tree: Path) -> None:
    """A repository that a group works on is looked at: whose the `.env` may be is checked when it is read."""
    tree.chmod(0o2775)

    assert found() == str(tree / ".env")


@needs_root
@pytest.mark.parametrize("place", ["the root", "between"])
def test_where_somebody_else_is_the_owner_is_the_end(tree: Path, place: str) -> None:
    """A directory of another user is not looked at, nor is what is above it."""
    os.chown(tree if place == "the root" else tree / "one", NOBODY, NOBODY)

    assert found() is None


def test_a_directory_that_was_removed(tree: Path) -> None:
    """Nothing is found in a working directory that was removed."""
    (tree / "one" / "two").rmdir()

    assert found() is None


def test_another_file_system_is_the_end(tree: Path) -> None:
    """The search does not leave the file system, as that of git does not."""
    unshare = program("unshare", "missing: unshare (Debian: util-linux)")
    find = [sys.executable, "-c", "from bwrun.settings.parent_directories import find_in_parents as f; print(f(None))"]
    script = 'cd "$1/one/two" && "$2" "$3" "$4" && mount -t tmpfs none "$1/one" && cd "$1/one" && exec "$2" "$3" "$4"'
    done = subprocess.run(
        [unshare, "--map-root-user", "--mount", "sh", "-c", script, "sh", tree, *find],
        check=False, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    if done.returncode != 0:
        unavailable(f"no mount namespace can be made: {done.stderr.strip()}")

    assert done.stdout.splitlines() == [str(tree / ".env"), "None"]
