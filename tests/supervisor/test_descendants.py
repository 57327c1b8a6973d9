"""What the command leaves running: it goes on with a dead session, or with --kill-leftovers it is ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.supervisor import EXIT_STATUS, PYTHON, is_gone, started
from tests.support.portable import name_of
from tests.support.program import TIMEOUT, Surroundings
from tests.support.terminal import wait_until

WAIT_FOR_GO = "while [ ! -e go ]; do sleep 0.05; done"
# Starts a daemon by the book: fork, setsid, fork; its words are those after `daemon`, its pid goes to the file `pids`.
DAEMON = """\
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open("pids", "a") as file:
            file.write(f"{os.getpid()}\\n")
        os.execvp(sys.argv[1], sys.argv[1:])
    os._exit(0)
os.wait()
"""


def pids(surroundings: Surroundings, count: int) -> list[int]:
    """Wait until `count` pids were written to the file `pids`; return them."""
    file = surroundings.work / "pids"
    wait_until(lambda: file.exists() and file.read_text().count("\n") >= count)
    return [int(line) for line in file.read_text().split()]


@contextmanager
def ended_afterwards(surroundings: Surroundings) -> Iterator[None]:
    """Kill what has written its pid to the file `pids`, after the block."""
    try:
        yield
    finally:
        file = surroundings.work / "pids"
        for word in file.read_text().split() if file.exists() else []:
            try:
                process = psutil.Process(int(word))
                if process.environ().get("XDG_RUNTIME_DIR") == str(surroundings.runtime):  # and no stranger
                    process.kill()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                pass


def test_grandchild_holds_stdout(ready: Surroundings) -> None:
    """With a grandchild on stdout bwrun ends with its command, and the reader sees the end with the grandchild."""
    leaves = f"({WAIT_FOR_GO}) & echo up; exit {EXIT_STATUS}"
    with started(ready, "--", "sh", "-c", leaves, stdout=subprocess.PIPE) as process:
        assert process.wait(TIMEOUT) == EXIT_STATUS
        assert ready.left() == []
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.set_blocking(process.stdout.fileno(), False)
        assert process.stdout.read() is None  # no end yet

        os.set_blocking(process.stdout.fileno(), True)
        (ready.work / "go").touch()
        assert process.stdout.read() == b""


def test_daemon_lives_on_without_its_session(ready: Surroundings) -> None:
    """A daemon that the command started goes on after it, is not bwrun's child, and its session is gone."""
    daemon = f'{WAIT_FOR_GO}; [ -e "$BITWARDENCLI_APPDATA_DIR" ]; echo "$? ${{#BW_SESSION}}" > out'
    with ended_afterwards(ready):
        with started(ready, "--", *PYTHON, DAEMON + "import time\nwhile not os.path.exists('end'): time.sleep(.05)",
                     "sh", "-c", daemon) as process:  # fmt: skip
            (pid,) = pids(ready, 1)
            wait_until(lambda: psutil.Process(pid).ppid() != process.pid)
            parent = psutil.Process(pid).ppid()
            (ready.work / "end").touch()

            assert process.wait(TIMEOUT) == 0
            assert parent not in {process.pid, *(child.pid for child in psutil.Process().children(recursive=True))}
            assert psutil.Process(pid).is_running()
            assert ready.left() == []
        (ready.work / "go").touch()
        wait_until(lambda: (ready.work / "out").exists() and (ready.work / "out").read_text())
        assert (ready.work / "out").read_text() == "1 88\n"


def test_grandchild_writes_while_the_session_is_cleared(ready: Surroundings) -> None:
    """A grandchild that goes on writing into the session's directory does not keep it from being removed."""
    writes = 'i=0; while [ -d "$D" ]; do i=$((i+1)); mkdir "$D/$i"; : > "$D/$i/x"; : > "$D/data.json"; done'
    script = f"D=$BITWARDENCLI_APPDATA_DIR; ({writes}) > /dev/null 2>&1 & sleep 0.2; exit 3"
    with started(ready, "--", "sh", "-c", script) as process:
        assert process.wait(TIMEOUT) == 3
        wait_until(lambda: ready.left() == [])


# --kill-leftovers.

# Each leaves a process with its pid in the file `pids`.
PLAIN = "sleep 600 & echo $! >> pids"
STOPPED = "sleep 600 & echo $! >> pids; kill -STOP $!"
OWN_SESSION = "setsid sh -c 'echo $$ >> pids; exec sleep 600' & wait_for_it"
DAEMONIZED = 'python3 -I -S -c "$DAEMON" sleep 600'
ORPHAN = "(sh -c 'echo $$ >> pids; exec sleep 600' &)"
STUBBORN = "sh -c 'trap \"\" TERM; echo $$ >> pids; while :; do sleep 1; done' & wait_for_it"
BREEDER = "sh -c 'trap \"sleep 600 & echo \\$! >> pids; exit\" TERM; echo $$ >> pids; while :; do sleep 0.1; done' &"
WAIT_FOR_PIDS = "while [ $(cat pids 2> /dev/null | wc -l) -lt {} ]; do sleep 0.05; done"


def leave(
    surroundings: Surroundings, *scripts: str, options: tuple[str, ...] = ("--kill-leftovers", "-v")
) -> list[str]:
    """Run a command that leaves processes running; return the lines of bwrun's that count them."""
    script = "\n".join(s.removesuffix("wait_for_it") for s in scripts)
    wait = WAIT_FOR_PIDS.format(len(scripts))
    with started(
        surroundings, *options, "--", "sh", "-c", f"{script}\n{wait}\nexit {EXIT_STATUS}",
        env={"DAEMON": DAEMON}, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        status = process.wait(TIMEOUT)
        os.set_blocking(process.stderr.fileno(), False)  # leftovers hold it
        said = (process.stderr.read() or b"").decode()
        assert status == EXIT_STATUS, said
    return re.findall(r"ended (\d+) process", said)


def lives(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_leftovers_go_on(ready: Surroundings) -> None:
    """Without the option what the command leaves running goes on."""
    with ended_afterwards(ready):
        leave(ready, PLAIN, STOPPED, OWN_SESSION, DAEMONIZED, ORPHAN, options=())

        assert [lives(pid) for pid in pids(ready, 5)] == [True] * 5


@pytest.mark.linux("adopting orphans")
def test_leftovers_are_ended(ready: Surroundings) -> None:
    """--kill-leftovers ends the whole tree (stopped, in sessions of their own, daemons); -v says how many."""
    with ended_afterwards(ready):
        start = time.monotonic()
        said = leave(ready, PLAIN, STOPPED, OWN_SESSION, DAEMONIZED, ORPHAN)

        assert [lives(pid) for pid in pids(ready, 5)] == [False] * 5
        assert said == ["5"]
        assert time.monotonic() - start < 50  # what bwrun gives up is given up after 60


@pytest.mark.linux("adopting orphans")
def test_stubborn_leftover_is_killed(ready: Surroundings) -> None:
    """--kill-leftovers kills what goes on after TERM, 5 s later."""
    with ended_afterwards(ready):
        start = time.monotonic()
        leave(ready, STUBBORN)

        assert not any(map(lives, pids(ready, 1)))
        assert time.monotonic() - start > 5


@pytest.mark.linux("adopting orphans")
def test_leftover_that_starts_others(ready: Surroundings) -> None:
    """--kill-leftovers ends also what is started while it is at work."""
    with ended_afterwards(ready):
        leave(ready, BREEDER)

        assert [lives(pid) for pid in pids(ready, 2)] == [False] * 2


@pytest.mark.linux("adopting orphans")
def test_nothing_is_left_over(ready: Surroundings) -> None:
    """--kill-leftovers with nothing to end counts none, and changes neither status nor output."""
    done = ready.run("--kill-leftovers", "--", "sh", "-c", "echo out; exit 3")

    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "")


@pytest.mark.linux("adopting orphans")
def test_leftovers_of_a_killed_command(ready: Surroundings) -> None:
    """--kill-leftovers works too where the command was ended by a signal; the session goes first."""
    with ended_afterwards(ready):
        watch = (
            'sh -c \'trap "[ -e $BITWARDENCLI_APPDATA_DIR ]; echo \\$? > out; exit" TERM; echo $$ >> pids; '
            "while :; do sleep 0.1; done' & "
        )
        script = f"{watch}{WAIT_FOR_PIDS.format(1)}; kill -KILL $$"
        done = ready.run("--kill-leftovers", "--", "sh", "-c", script)

        assert done.status == -signal.SIGKILL
        assert not any(map(lives, pids(ready, 1)))
        assert (ready.work / "out").read_text() == "1\n"


@pytest.mark.linux("adopting orphans")
@pytest.mark.parametrize("helper", ["session-janitor", "signal-canary"])
def test_helpers_are_no_leftovers(ready: Surroundings, helper: str) -> None:
    """Helpers of bwrun's own are not counted as leftovers, and end with it."""
    with started(ready, "--kill-leftovers", "-v", "--", "sh", "-c", "echo up; read line",
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        own = next(child for child in psutil.Process(process.pid).children() if name_of(child) == helper)
        _, stderr = process.communicate(b"\n", timeout=TIMEOUT)

        assert process.returncode == 0
        assert is_gone(own)
        assert re.findall(rb"ended (\d+) process", stderr) in ([], [b"0"])
        assert Path(f"/proc/{process.pid}").exists() is False
