"""The portable half where neither /proc nor /dev/shm exists, as on macOS: in a mount namespace, which root can make."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.server.control import BitwardenServer
from tests.server.faults import Fault, Hang
from tests.supervisor.clearing import CANARY, GONE, JANITOR, RECORDS, SLEEP, Run, is_alive, wait_cleared, wait_dead
from tests.support.portable import without_proc
from tests.support.program import BWRUN, IS_PORTABLE, Surroundings
from tests.support.terminal import Terminal, wait_until
from tests.support.users import needs_root

TOKEN = "/connect/token"
AT_ONCE = 4
PORTABLE = [sys.executable, "-Xbwrun-portable"]
UP = ["sh", "-c", "echo up; exec sleep 1000"]

pytestmark = [needs_root] if IS_PORTABLE else [needs_root, pytest.mark.slow]  # `make test-portable` runs them


@pytest.fixture
def bwrun(tmp_path: Path, ready: Surroundings) -> Iterator[list[str]]:
    """Give the words before `bwrun`, and surroundings whose runtime directory is on a disk."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    before, ready.runtime = ready.runtime, folder
    ready.environment["XDG_RUNTIME_DIR"] = str(folder)
    yield [*without_proc(), *PORTABLE]

    assert ready.left() == []
    ready.runtime = before


def test_nothing_of_the_two_is_there(ready: Surroundings, bwrun: list[str]) -> None:
    """The namespace is good: a program in it finds no process in /proc, and cannot write to /dev/shm."""
    script = "ls /proc; ls -A /dev/shm; test -e /proc/self && echo there"
    done = subprocess.run([*bwrun[:-2], "sh", "-c", script], check=False, capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("", "")


def test_run_is_as_always(ready: Surroundings, bwrun: list[str]) -> None:
    """A run gives the command its secret and its session, ends with its status, and says nothing."""
    script = 'test -d "$BITWARDENCLI_APPDATA_DIR" && echo "$PW"; exit 7'
    done = ready.run("-e", "PW=bw://prod-db/password", "--", "sh", "-c", script, before=bwrun)

    assert (done.status, done.stdout, done.stderr) == (7, "p4ss\n", "")


def test_session_is_in_tmpdir(ready: Surroundings, bwrun: list[str], tmp_path: Path) -> None:
    """Without XDG_RUNTIME_DIR the session is in TMPDIR; for files in clear there is a warning, unless one chose it."""
    place = tmp_path / "tmp"
    place.mkdir(mode=0o700)
    words = ("-e", "F=@bw://prod-db/password", "--", "sh", "-c", 'echo "$F"; cat "$F"')
    done = ready.run(*words, env={"XDG_RUNTIME_DIR": None, "TMPDIR": str(place)}, before=bwrun)
    chosen = ready.run(*words, env={"XDG_RUNTIME_DIR": None, "BWRUN_RUNTIME_DIR": str(place)}, before=bwrun)

    assert done.stdout.startswith(f"{place}/bwrun.")
    assert done.stdout.endswith("\np4ss")
    assert done.stderr.startswith(
        "bwrun: warning: the files with secrets may be on a disk, in clear, until the command"
    )
    assert (chosen.status, chosen.stderr) == (0, "")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("send", [Run.kill, Run.kill_group])
def test_term_arrives_once(ready: Surroundings, bwrun: list[str], send: object) -> None:
    """TERM for bwrun alone and TERM for its group reach the command once."""
    assert callable(send)
    with Run.start(ready, "--", *RECORDS, before=bwrun) as run:
        run.wait_ready()
        send(run, signal.SIGTERM)
        done = run.wait()

    assert (done.status, done.stdout) == (7, f"ready\n{signal.SIGTERM.value}\n")


def test_interrupt_by_a_key(ready: Surroundings, bwrun: list[str]) -> None:
    """Ctrl-C ends a command on a terminal, and bwrun by the same signal."""
    with Terminal.start([*bwrun, BWRUN, "--", *UP], ready.environment, ready.work) as terminal:
        terminal.wait_for("up")
        terminal.type("\x03")

        assert terminal.process.wait(GONE) == -signal.SIGINT
    wait_cleared(ready)


def test_signal_ends_a_login(ready: Surroundings, bwrun: list[str], server: BitwardenServer) -> None:
    """TERM during a login that hangs ends bwrun by TERM."""
    server.set_fault(Fault(TOKEN, Hang()))
    with Run.start(ready, "--", "true", before=bwrun) as run:
        wait_until(lambda: any(request.path.endswith(TOKEN) for request in server.requests()), GONE)
        run.kill(signal.SIGTERM)

        assert run.wait().status == -signal.SIGTERM
    wait_cleared(ready)


def test_kill_of_bwrun(ready: Surroundings, bwrun: list[str]) -> None:
    """After `kill -9` of bwrun the command gets TERM, and command, session and helpers are gone."""
    with Run.start(ready, "--", *SLEEP, before=bwrun) as run:
        run.wait_ready()
        members = [run.first(), run.named(JANITOR), run.named(CANARY)]
        run.kill()
        wait_cleared(ready)
        wait_dead(*members)


def test_kill_of_a_helper(ready: Surroundings, bwrun: list[str]) -> None:
    """Without its canary and its janitor bwrun passes TERM on, once, and clears."""
    with Run.start(ready, "--", *RECORDS, before=bwrun) as run:
        run.wait_ready()
        for name in (CANARY, JANITOR):
            run.named(name).kill()
        run.kill(signal.SIGTERM)
        done = run.wait()

    assert (done.status, done.stdout) == (7, f"ready\n{signal.SIGTERM.value}\n")


@pytest.mark.timeout(0)  # as long as --fuzz takes; each wait has its own limit
@pytest.mark.parametrize("whom", ["bwrun", "group", "janitor", "worker"])
def test_random_kills(ready: Surroundings, bwrun: list[str], fuzz: int, seed: int, whom: str) -> None:
    """SIGKILL at a random moment of a run, of one process or of its group: no session and no process is left."""
    chance = random.Random(seed)  # noqa: S311  (a test's)
    print(f"--fuzz-seed={seed}")  # noqa: T201
    started = time.monotonic()
    assert ready.run("--", "true", before=bwrun).status == 0
    whole_life = (time.monotonic() - started) * AT_ONCE / (os.cpu_count() or 1)
    seen: set[psutil.Process] = set()
    for _ in range(-(-fuzz // AT_ONCE)):
        with ExitStack() as stack:
            words = ("--", "sleep", "0.2")
            runs = [stack.enter_context(Run.start(ready, *words, before=bwrun)) for _ in range(AT_ONCE)]
            for run in runs:
                time.sleep(chance.uniform(0, whole_life / 2))
                members = run.members()
                seen.update(members)
                if whom == "group":
                    run.kill_group()
                elif whom == "bwrun":
                    run.kill()
                else:
                    kill_one(members, leads_session=whom == "janitor")
            for run in runs:
                run.wait()
        wait_cleared(ready)
    wait_until(lambda: not any(map(is_alive, seen)), GONE)


def kill_one(members: list[psutil.Process], *, leads_session: bool) -> None:
    """Kill the janitor of a run, which leads a process session, or the first other child."""
    for process in members[1:]:
        try:
            if (os.getsid(process.pid) == process.pid) == leads_session:
                process.kill()
                return
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> int:
    """Return how often to kill."""
    return int(request.config.getoption("--fuzz"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return a seed, a new one each time unless one was given."""
    given = request.config.getoption("--fuzz-seed")
    return int.from_bytes(os.urandom(4)) if given is None else int(given)
