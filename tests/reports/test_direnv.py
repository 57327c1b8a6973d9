"""The recipe for direnv: the `.envrc` of docs/values.md in the real direnv."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import needs
from tests.support.files import write_private
from tests.support.pages import page
from tests.support.program import BWRUN, TIMEOUT, Ended, Surroundings

SHOW = ("sh", "-c", 'printf "%s;%s;%s" "$DB_PASSWORD" "${BW_SESSION-none}" "$PLAIN"')


@pytest.fixture
def direnv(ready: Surroundings) -> Surroundings:
    """Give a directory with the recipe, which direnv may load, and a `.env` with a reference."""
    path = needs.program("direnv", "direnv is not installed")
    ready.environment["PATH"] = os.pathsep.join((str(BWRUN.parent), str(Path(path).parent), ready.environment["PATH"]))
    shown = next(
        step.output for one in page("docs/values.md").examples() for step in one.steps if step.command == "cat .envrc"
    )
    (ready.work / ".envrc").write_text(shown)
    write_private(ready.work / ".env", "DB_PASSWORD=bw://prod-db/password", 'PLAIN="it\'s  $HOME"')
    assert run(ready, "direnv", "allow").status == 0
    return ready


def run(surroundings: Surroundings, *words: str) -> Ended:
    """Run a command in the directory."""
    done = subprocess.run(
        words,
        check=False,
        env=surroundings.environment,
        cwd=surroundings.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_loads(direnv: Surroundings) -> None:
    """A command in the directory has the values, exactly, and no session."""
    done = run(direnv, "direnv", "exec", ".", *SHOW)

    assert (done.status, done.stdout) == (0, "p4ss;none;it's  $HOME")


def test_loads_anew(direnv: Surroundings) -> None:
    """What was loaded before does not win: direnv takes it away before it loads anew."""
    change = "sed -i s/password/username/ .env && direnv exec . "
    done = run(direnv, "direnv", "exec", ".", "sh", "-c", f"{change} sh -c 'printf %s \"$DB_PASSWORD\"'")

    assert (done.status, done.stdout) == (0, "deploy")


def test_a_failure_is_told(direnv: Surroundings) -> None:
    """If bwrun fails, direnv fails too, and bwrun's message is there."""
    write_private(direnv.work / ".env", "DB_PASSWORD=bw://nix/password")
    done = run(direnv, "direnv", "exec", ".", *SHOW)

    assert done.status != 0
    assert done.stdout == ""
    assert done.codes == ["reference.not-found"]
