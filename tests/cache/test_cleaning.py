"""Removing caches: all of this user's, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from bwrun.cache.cleaning import remove_caches
from tests.cache.test_place import memory, runtime, shared
from tests.support.cache_file import SUFFIXES

__all__ = ["memory", "runtime", "shared"]  # fixtures
NAME = "0123456789abcdef0123456789abcdef"
OTHERS = (
    "poetry.lock", "uv.lock", ".lock", "a.cache", ".cache", "run.failed", "file.new", f"{NAME}", f"{NAME}.txt",
    f"{NAME[:-1]}.cache", f"{NAME}0.cache", f"{NAME[:-1]}G.cache", f"x{NAME}.lock", f"{NAME}.lock.new",
    f"{NAME}.cache.bak",
)  # fmt: skip


def fill(directory: Path, number: int = 1) -> None:
    """Put caches and what lies beside them into a directory."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for one in range(number):
        for suffix in (".cache", ".lock", ".failed", ".cache.new", ".failed.new"):
            directory.joinpath(f"{one}{NAME[1:]}{suffix}").write_text("")


def test_in_ram(runtime: Path, shared: Path) -> None:
    """The caches are counted, what lies beside them goes too, and so does the directory."""
    fill(runtime / "bwrun", 3)

    assert remove_caches({"XDG_RUNTIME_DIR": str(runtime)}) == 3
    assert list(runtime.iterdir()) == []
    assert remove_caches({"XDG_RUNTIME_DIR": str(runtime)}) == 0
    assert list(shared.iterdir()) == []


def test_in_a_chosen_directory(runtime: Path, shared: Path, tmp_path: Path) -> None:
    """Both places are cleaned; a directory that somebody chose stays, and so does all that is not bwrun's in it."""
    chosen = tmp_path / "chosen"
    fill(runtime / "bwrun", 2)
    fill(chosen, 1)
    for name in OTHERS:
        chosen.joinpath(name).write_text("somebody's")
    environment = {"XDG_RUNTIME_DIR": str(runtime), "BWRUN_CACHE_DIR": str(chosen)}

    assert remove_caches(environment) == 3
    assert list(runtime.iterdir()) == []
    assert sorted(path.name for path in chosen.iterdir()) == sorted(OTHERS)
    assert {path.read_text() for path in chosen.iterdir()} == {"somebody's"}


def test_in_both_places_in_ram(runtime: Path, shared: Path) -> None:
    """Runs with a runtime directory and runs without one, such as cron's, leave caches in different places."""
    fill(runtime / "bwrun", 1)
    fill(shared / f"bwrun-{os.geteuid()}", 1)

    assert remove_caches({"XDG_RUNTIME_DIR": str(runtime)}) == 2


def test_what_is_not_this_users(runtime: Path, shared: Path) -> None:
    """A link to another directory is not followed, and one that is open to others is left alone."""
    fill(runtime / "elsewhere")
    runtime.joinpath("bwrun").symlink_to("elsewhere")

    assert remove_caches({"XDG_RUNTIME_DIR": str(runtime), "BWRUN_CACHE_DIR": f"{runtime}/bwrun/"}) == 0
    assert len(list(runtime.joinpath("elsewhere").iterdir())) == 5
    assert set(SUFFIXES) >= {path.suffix for path in runtime.joinpath("elsewhere").iterdir()}


def test_odd_things(runtime: Path, shared: Path) -> None:
    """A directory with a cache's name stays, without an error; a link goes, and not what it leads to."""
    directory = runtime / "bwrun"
    fill(directory)
    directory.joinpath(f"f{NAME[1:]}.cache").mkdir()
    target = runtime / "target"
    target.write_text("")
    directory.joinpath(f"e{NAME[1:]}.cache").symlink_to(target)

    assert remove_caches({"XDG_RUNTIME_DIR": str(runtime)}) == 2
    assert [path.name for path in directory.iterdir()] == [f"f{NAME[1:]}.cache"]
    assert target.exists()
