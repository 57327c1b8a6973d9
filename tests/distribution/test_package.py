"""The package: whoever builds it gets the same bytes, and its metadata are right."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from trove_classifiers import classifiers

from bwrun import __version__
from bwrun.completion.scripts import SCRIPTS
from tests.distribution.building import build
from tests.distribution.sbom import LOCK
from tests.support import needs
from tests.support.pages import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EPOCH = 1_700_000_000  # seconds: a time in 2023
PARTS = ("bwrun", "tests/runtime.lock", "pyproject.toml", "README.md", "LICENSE")  # what flit reads
SKIPPED = shutil.ignore_patterns("__pycache__")


def checkout(place: Path, mask: int, time: int) -> Path:
    """Copy what the package is made of, as a checkout has it that was made with another umask and at another time."""
    place.mkdir(parents=True)
    for name in PARTS:
        target = place / name
        target.parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=SKIPPED)
        else:
            shutil.copy(ROOT / name, target)
    for path in place.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
        os.utime(path, (time, time))
    return place


def digests(paths: tuple[Path, ...]) -> dict[str, str]:
    """Return the SHA-256 of each file, by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_same_bytes(tmp_path: Path) -> None:
    """Built in two directories, at two times and with two umasks, sdist and wheel have the same bytes."""
    found = []
    for number, mask in enumerate((0o022, 0o077)):
        source = checkout(tmp_path / str(number) / "source", mask, EPOCH + 86_400 * number)
        before = os.umask(mask)
        try:
            found.append(digests(build(source, tmp_path / str(number) / "dist", EPOCH)))
        finally:
            os.umask(before)

    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_contents(tmp_path: Path) -> None:
    """The wheel has the program and no test; completions and man page go to share/. The sdist has the lock file too."""
    sdist, wheel = build(ROOT, tmp_path, EPOCH)
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    shared = {f"bwrun-{__version__}.data/data/{name}" for name in (*SCRIPTS.values(), "share/man/man1/bwrun.1")}

    assert {name for name in in_wheel if ".data/" in name} == shared
    assert {name.partition("/")[0].removeprefix(f"bwrun-{__version__}") for name in in_wheel} == {
        "bwrun", ".dist-info", ".data",
    }  # fmt: skip
    assert {name for name in in_sdist if name.startswith("tests/")} == {"tests/runtime.lock"}


def test_classifiers() -> None:
    """Every classifier is one that package indexes know, and the versions of Python are those that bwrun runs on."""
    named = PROJECT["classifiers"]
    versions = [one for one in named if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", one)]
    oldest = PROJECT["requires-python"].removeprefix(">=")

    assert set(named) <= classifiers
    assert named == sorted(named)
    assert versions[0].endswith(f":: {oldest}")


def test_urls() -> None:
    """The links of the package lead to the same repository, and to files that are there."""
    home = PROJECT["urls"]["Homepage"]
    for url in PROJECT["urls"].values():
        path = re.sub(r"^/(tree|blob)/main/", "", url.removeprefix(home))

        assert url.startswith(home)
        assert path in ("", "/issues") or (ROOT / path).exists()


@pytest.mark.parametrize("name", ["bwrun.rb", "flake.nix"])
def test_recipes_of_packages(name: str) -> None:
    """Formula and flake have the package's version, description and home; the flake has its dependencies."""
    text = (ROOT / "docs" / "packaging" / name).read_text()
    wanted = {re.match(r"[a-z0-9-]+", one)[0] for one in PROJECT["dependencies"]}  # type: ignore[index]  # each has a name

    assert __version__ in text
    assert PROJECT["urls"]["Homepage"] in text
    if name == "flake.nix":
        listed = re.search(r"dependencies = [^\[]*\[([^\]]*)\]", text)
        assert listed is not None
        assert {*listed[1].split(), "hyperscan"} == wanted
    else:
        assert str(LOCK.relative_to(ROOT)) in text


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("ruby", ["ruby", "-wc", "docs/packaging/bwrun.rb"]),
        ("nix-instantiate", ["nix-instantiate", "--store", "dummy://", "--parse", "docs/packaging/flake.nix"]),
    ],
)
def test_syntax_of_recipes(program: str, words: list[str], tmp_path: Path) -> None:
    """Ruby can read the formula, and Nix the flake."""
    needs.program(program, f"{program} is not installed")
    done = subprocess.run(
        words,
        check=False,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
