"""Real shells offer bwrun's options and their values, and after them the command and what belongs to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.completion import shells
from tests.support import needs
from tests.support.program import BWRUN, Surroundings

# For each line, what every shell must offer where it ends. Some shells offer more there, but not what is in NEVER.
OFFERED = {
    "bwrun --se": {"--server", "--session-api-key"},
    "bwrun -v --kill": {"--kill-after", "--kill-leftovers"},
    "bwrun --export ": {"dotenv", "shell", "json", "docker", "github-env"},
    "bwrun --export d": {"dotenv", "docker"},
    "bwrun --server ": {"us", "eu", "gov"},
    "bwrun --server=e": {"eu"},
    "bwrun --completion ": {"bash", "zsh", "fish"},
    "bwrun --mask ": set(),
    "bwrun --mask=std": {"stdout", "stderr"},
    "bwrun --offline=": {"always"},
    "bwrun --ca-file ca": {"ca.pem"},
    "bwrun --ca-file=ca": {"ca.pem"},
    "bwrun -v ": set(),  # no command without `--`
    "bwrun gi": {"git"},
    "bwrun -- gi": {"git"},
    "bwrun -- git che": {"checkout", "cherry-pick"},
    "bwrun -v -e TOKEN=bw://ci/token --cache=15m -- git che": {"checkout", "cherry-pick"},
    "bwrun make ": {"deploy", "release"},
    "bwrun --mask -- make dep": {"deploy"},
    "bwrun -- git --no-pag": {"--no-pager"},
    "bwrun git --no-pag": {"--no-pager"},
}
EXACT = {line for line in OFFERED if line.startswith("bwrun --") and " -- " not in line} | {"bwrun -v "}
NEVER = {"--server", "us"}  # these are for bwrun alone: no command is offered them
WITHOUT_BASH_COMPLETION = {line: words for line, words in OFFERED.items() if "git " not in line and "make" not in line}


@pytest.fixture
def place(bare: Surroundings) -> Surroundings:
    """Give a directory with a Makefile and a certificate, and bwrun on PATH."""
    for name in ("git", "make"):
        needs.program(name, f"{name} is not installed")
    (bare.work / "Makefile").write_text("deploy:\n\ttrue\nrelease:\n\ttrue\n")
    (bare.work / "ca.pem").touch()
    bare.environment["PATH"] = f"{BWRUN.parent}{os.pathsep}{bare.environment['PATH']}"
    return bare


def check(found: dict[str, set[str]], expected: dict[str, set[str]]) -> None:
    """Check what a shell offered; bash repeats the option before the first value after a `=`."""
    for line, words in expected.items():
        offered = {word.partition("=")[2] or word if "=" in line else word for word in found[line]}

        assert offered == words if line in EXACT else words <= offered - NEVER, line


def test_bash(place: Surroundings) -> None:
    """Bash with bash-completion finds the script by itself, and offers all of it."""
    check(shells.bash(OFFERED, place.environment, place.work), OFFERED)


def test_bash_without_bash_completion(place: Surroundings) -> None:
    """Bash alone offers the options, their values and commands."""
    check(shells.bash(WITHOUT_BASH_COMPLETION, place.environment, place.work, plain=True), WITHOUT_BASH_COMPLETION)


def test_zsh(place: Surroundings) -> None:
    """Zsh finds the script on its `fpath`, and offers all of it."""
    expected = OFFERED | {"bwrun ": {"git", "make"}}
    check(shells.zsh(expected, place.environment, place.work), expected)


def test_fish(place: Surroundings) -> None:
    """Fish finds the script among its completions, and offers all of it."""
    expected = OFFERED | {"bwrun ": {"git", "make"}}
    check(shells.fish(expected, place.environment, place.work), expected)


def test_second_double_dash(place: Surroundings) -> None:
    """After the command has begun, bwrun's options are not offered."""
    line = "bwrun -- make -- --se"
    for shell in (shells.bash, shells.zsh, shells.fish):
        assert not shell([line], place.environment, _fresh(place.work, shell.__name__))[line] & NEVER


def _fresh(work: Path, name: str) -> Path:
    (work / name).mkdir()
    return work / name
