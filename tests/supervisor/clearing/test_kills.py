"""What ends a run before its time: kills of each of its processes, at each step, a terminal that goes, a stop."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.server.control import BitwardenServer
from tests.server.faults import Fault, Hang, Signal
from tests.supervisor.clearing import (
    CANARY,
    DEAF,
    GONE,
    JANITOR,
    PYTHON,
    RECORDER,
    RECORDS,
    SLEEP,
    Run,
    end,
    is_alive,
    session_of,
    wait_cleared,
    wait_dead,
)
from tests.support.program import BWRUN, Surroundings
from tests.support.terminal import TAKE_TERMINAL, wait_until
from tests.support.users import needs_root

REQUESTS = 3  # that a run makes: login, sync, the server's config
TOKEN = "/connect/token"
# Waits for a line on stdin, then becomes the program: its pid is known before anything happens.
HELD = ("sh", "-c", 'read -r _ && exec "$@"', "sh")


# While the command runs -----------------------------------------------------------------------------------------------


def test_kill_of_bwrun(ready: Surroundings) -> None:
    """SIGKILL of bwrun alone: the command gets one TERM and CONT, the session and the janitor are gone."""
    with Run.start(ready, "--", *PYTHON, RECORDER, "3") as run:
        run.wait_ready()
        command, janitor = run.first(), run.named(JANITOR)
        run.kill()
        done = run.wait()
        wait_dead(command, janitor)
        wait_cleared(ready)

        assert done.status == -signal.SIGKILL
        assert sorted(run.stdout.split()) == sorted(["ready", "15", "18"])


def test_deaf_command(ready: Surroundings) -> None:
    """SIGKILL of bwrun: a command that ignores TERM is killed after 5 s, and only then is the session removed."""
    with Run.start(ready, "--", *DEAF) as run:
        run.wait_ready()
        command, janitor = run.first(), run.named(JANITOR)
        killed = time.monotonic()
        run.kill()
        run.wait()
        wait_dead(command)
        took = time.monotonic() - killed
        wait_dead(janitor)
        wait_cleared(ready)

        assert took > 4.5


def test_stopped_command(ready: Surroundings) -> None:
    """SIGKILL of bwrun ends a command that is stopped, too, without waiting for the KILL."""
    with Run.start(ready, "--", *SLEEP) as run:
        run.wait_ready()
        command, janitor = run.first(), run.named(JANITOR)
        command.suspend()
        wait_until(lambda: command.status() == psutil.STATUS_STOPPED, GONE)
        run.kill()
        run.wait()

        # (It is this process's child now: see `keeper`.)
        assert command.wait(GONE) == -signal.SIGTERM
        wait_dead(janitor)
        wait_cleared(ready)


def test_kill_of_the_group(ready: Surroundings) -> None:
    """SIGKILL of the whole process group: the command is dead, the janitor clears and ends."""
    took = []
    for _ in range(3):  # one of three in which the machine is not busy with other things
        with Run.start(ready, "--", *DEAF) as run:
            run.wait_ready()
            members = run.members()
            killed = time.monotonic()
            run.kill_group()

            assert run.wait().status == -signal.SIGKILL
            wait_dead(*members)
            wait_cleared(ready)
            took.append(time.monotonic() - killed)
    assert min(took) < 4.5  # nobody waited for a dead command


@pytest.mark.parametrize("first", ["bwrun", "command"])
def test_kill_of_the_session(ready: Surroundings, first: str) -> None:
    """SIGKILL of each process of the process session, in either order: the janitor, in another, clears."""
    with Run.start(ready, "--", *DEAF) as run:
        run.wait_ready()
        members = run.members()
        of_session = [process for process in members if os.getsid(process.pid) == run.pid]
        for process in of_session if first == "bwrun" else reversed(of_session):
            end(process)
        wait_dead(*members)
        wait_cleared(ready)

        assert len(members) - len(of_session) == 1


@pytest.mark.linux("names of processes")
@pytest.mark.parametrize("pattern", ["-9 -x bwrun", "-9 -f bwrun"])
def test_kill_by_name(ready: Surroundings, pattern: str) -> None:
    """`pkill -9 bwrun`, by the name or by the command line, misses the janitor, which clears."""
    option, how, name = pattern.split()
    with Run.start(ready, "--", *SLEEP) as run:
        run.wait_ready()
        members = run.members()
        # (Only this run's processes: pgrep's answer is what pkill would have killed of them.)
        found = subprocess.run(["pgrep", how, name], capture_output=True, check=True, text=True).stdout.split()
        hit = [process for process in members if str(process.pid) in found]
        for process in hit:
            process.send_signal(-int(option))
        wait_dead(*members)
        wait_cleared(ready)

        assert members[0] in hit


def test_kill_of_the_janitor(ready: Surroundings) -> None:
    """Without its janitor bwrun clears as usual, and ends with the command's status."""
    with Run.start(ready, "--", *RECORDS) as run:
        run.wait_ready()
        janitor = run.named(JANITOR)
        janitor.kill()
        wait_dead(janitor)
        assert len(ready.left()) == 1
        run.kill(signal.SIGTERM)

        done = run.wait()
        assert (done.status, done.stdout, done.stderr) == (7, "ready\n15\n", "")
        assert ready.left() == []


def test_kill_of_the_canary(ready: Surroundings) -> None:
    """Without its canary bwrun still passes signals on, clears, and ends with the command's status."""
    with Run.start(ready, "--", *RECORDS) as run:
        run.wait_ready()
        run.named(CANARY).kill()
        run.kill(signal.SIGUSR1)
        wait_until(lambda: "10\n" in run.stdout, GONE)
        run.kill(signal.SIGTERM)

        done = run.wait()
        assert (done.status, done.stdout, done.stderr) == (7, "ready\n10\n15\n", "")
        assert ready.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_janitor_is_deaf(ready: Surroundings, number: int) -> None:
    """A signal to each process one by one (a cgroup, as systemd does) ends the command once, and not the janitor."""
    with Run.start(ready, "--", *RECORDS) as run:
        run.wait_ready()
        janitor = run.named(JANITOR)
        janitor.send_signal(number)
        run.kill()  # so that there is something to do for it
        wait_cleared(ready)
        wait_dead(janitor)

        assert "15" in run.stdout.split()


@pytest.mark.parametrize("how", ["the next run", "--clean"])
def test_kill_of_janitor_and_bwrun(ready: Surroundings, how: str) -> None:
    """What stays when janitor, bwrun and command are killed is swept by the next run, and by `bwrun --clean`."""
    with Run.start(ready, "--", *SLEEP) as run:
        run.wait_ready()
        members = run.members()
        for process in (run.named(JANITOR), members[0], *members):
            end(process)
        run.wait()
        wait_dead(*members)

        left = ready.left()
        assert len(left) == 1
        assert (ready.runtime / left[0] / "data.json").exists()
        done = ready.run("--clean") if how == "--clean" else ready.run("--", "true")
        assert (done.status, done.stderr) == (0, "")
        assert (done.stdout == "bwrun: removed 1 session(s) that killed runs left behind\n") == (how == "--clean")
        assert ready.left() == []


def test_owner_gone_and_command_alive(ready: Surroundings) -> None:
    """A session whose bwrun and janitor are dead is swept although its command lives on."""
    with Run.start(ready, "--", *SLEEP) as run:
        run.wait_ready()
        command, janitor = run.first(), run.named(JANITOR)
        janitor.kill()
        wait_dead(janitor)
        run.kill()
        run.wait()
        assert len(ready.left()) == 1
        assert is_alive(command)

        assert ready.run("--clean").status == 0
        assert ready.left() == []
        command.kill()


# During the login -----------------------------------------------------------------------------------------------------


@contextmanager
def in_login(surroundings: Surroundings, server: BitwardenServer) -> Iterator[Run]:
    """Start a run that hangs in its login."""
    server.set_fault(Fault(TOKEN, Hang()))
    with Run.start(surroundings, "--", "sh", "-c", "echo started > started") as run:
        wait_until(lambda: any(request.path.endswith(TOKEN) for request in server.requests()), GONE)
        yield run


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM])
def test_worker_dies_in_the_login(ready: Surroundings, server: BitwardenServer, number: int) -> None:
    """A worker that dies of what nobody sent to bwrun is an internal error, 125; no command, nothing left."""
    with in_login(ready, server) as run:
        run.first().send_signal(number)
        done = run.wait()

        assert (done.status, done.codes, done.stdout) == (125, ["internal"], "")
        assert ready.left() == []
        assert list(ready.work.iterdir()) == []


def test_kill_of_bwrun_in_the_login(ready: Surroundings, server: BitwardenServer) -> None:
    """SIGKILL of bwrun during the login: the worker dies at once, nothing is left."""
    with in_login(ready, server) as run:
        members = run.members()
        run.kill()

        assert run.wait().status == -signal.SIGKILL
        wait_dead(*members)
        wait_cleared(ready)
        assert len(members) == 4
        assert list(ready.work.iterdir()) == []


def test_kill_of_bwrun_and_janitor_in_the_login(ready: Surroundings, server: BitwardenServer) -> None:
    """The worker dies with bwrun even when there is no janitor to end it."""
    with in_login(ready, server) as run:
        worker, janitor = run.first(), run.named(JANITOR)
        janitor.kill()
        wait_dead(janitor)
        run.kill()
        run.wait()
        wait_dead(worker)

        assert ready.run("--clean").stdout.startswith("bwrun: removed 1 ")


@pytest.mark.parametrize("whom", ["bwrun", "group", pytest.param("worker", marks=needs_root)])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("skip", range(REQUESTS))
def test_signal_at_each_request(
    ready: Surroundings, server: BitwardenServer, skip: int, number: int, whom: str
) -> None:
    """A signal when the server gets request N ends the run by that signal (a worker's death alone: 125, [internal])."""
    with Run.start(ready, "--", "sh", "-c", "echo started > started", before=HELD, stdin=subprocess.PIPE) as run:
        pid = {"bwrun": run.pid, "group": -run.pid, "worker": None}[whom]
        # All that follow hang, so that the run cannot be over before the signal is.
        server.set_fault(Fault("", Signal(number, pid), skip=skip, count=1))
        server.set_fault(Fault("", Hang(), skip=skip))
        assert run.process.stdin is not None
        run.process.stdin.write(b"\n")
        run.process.stdin.flush()
        done = run.wait()
        wait_cleared(ready)

        assert done.status == (125 if whom == "worker" else -number)
        assert done.codes == (["internal"] if whom == "worker" else [])
        assert list(ready.work.iterdir()) == []


# The terminal, and stops ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deaf", [False, True])
def test_terminal_goes(ready: Surroundings, tmp_path: Path, *, deaf: bool) -> None:
    """The terminal goes: the command hears one HUP; whether it dies of it or goes on, the session is cleared."""
    log = tmp_path / "log"
    trap = "signal.signal(signal.SIGHUP, signal.SIG_IGN); numbers.remove(signal.SIGHUP)" if deaf else ""
    script = f"""\
import os, signal, sys, time
log = open({str(log)!r}, "a", buffering=1)
numbers = {{signal.SIGHUP, signal.SIGCONT, signal.SIGTERM}}
{trap}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", file=log)
end = time.monotonic() + {2 if deaf else GONE}
while (info := signal.sigtimedwait(numbers, max(0.0, end - time.monotonic()))) is not None:
    print(info.si_signo, file=log)
    end = min(end, time.monotonic() + 0.3)
sys.exit(9)
"""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*PYTHON[:-1], "-c", TAKE_TERMINAL, os.ttyname(slave), BWRUN, "--", *PYTHON, script],
        env=ready.environment,
        cwd=ready.work,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        wait_until(lambda: log.exists() and log.read_text() == "ready\n", GONE)
        os.close(master)
        master = -1

        assert process.wait(GONE) == 9
        assert log.read_text().split().count("1") == (0 if deaf else 1)
        assert ready.left() == []
    finally:
        process.kill()
        process.wait()
        if master >= 0:
            os.close(master)


def test_terminal_goes_during_the_login(ready: Surroundings, server: BitwardenServer) -> None:
    """The terminal goes while bwrun logs in: bwrun dies of the HUP, nothing is left."""
    server.set_fault(Fault(TOKEN, Hang()))
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", TAKE_TERMINAL, os.ttyname(slave), BWRUN, "--", "true"],
        env=ready.environment,
        cwd=ready.work,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        wait_until(lambda: any(request.path.endswith(TOKEN) for request in server.requests()), GONE)
        os.close(master)
        master = -1

        assert process.wait(GONE) == -signal.SIGHUP
        assert ready.left() == []
    finally:
        process.kill()
        process.wait()
        if master >= 0:
            os.close(master)


def test_bwrun_stopped(ready: Surroundings) -> None:
    """The command ends while bwrun is stopped: the janitor wakes it, bwrun clears and ends with the status."""
    with Run.start(ready, "--", *RECORDS) as run:
        run.wait_ready()
        run.kill(signal.SIGSTOP)
        supervisor, command = run.members()[0], run.first()
        wait_until(lambda: supervisor.status() == psutil.STATUS_STOPPED, GONE)
        command.send_signal(signal.SIGTERM)

        assert run.wait().status == 7
        assert ready.left() == []


def test_signals_during_the_clearing(ready: Surroundings) -> None:
    """Signals that come while bwrun clears neither interrupt it nor change the status."""
    many = "import os, signal\nfor n in range(20000): open(f'{os.environ[\"BITWARDENCLI_APPDATA_DIR\"]}/{n}', 'w')"
    script = f"{many}\nos.write(1, b'ready\\n'); os._exit(3)"
    with Run.start(ready, "--", *PYTHON, script) as run:
        supervisor = run.members()[0]
        run.wait_ready()
        while is_alive(supervisor):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
                run.kill_group(number)

        # (The first of them may have reached the command before its last line.)
        assert run.wait().status in (3, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, -signal.SIGUSR1)
        assert ready.left() == []


def test_command_ends_by_itself(ready: Surroundings) -> None:
    """When a run has ended none of its processes goes on, and its caller has none to reap."""
    with Run.start(ready, "--", *PYTHON, RECORDER, "0") as run:
        run.wait_ready()
        members = run.members()
        run.kill(signal.SIGTERM)

        assert run.wait().status == 7
        assert [process for process in members if process.is_running()] == []
        assert len(members) == 4
        assert ready.left() == []


def test_daemon_goes_on_writing(ready: Surroundings) -> None:
    """SIGKILL of bwrun clears although a daemon of the command's writes into the session as long as it can."""
    writer = 'cd "$BITWARDENCLI_APPDATA_DIR"; mkdir x; i=0; while mkdir x/$i; do i=$((i+1)); done 2>/dev/null'
    with Run.start(ready, "--", "sh", "-c", f"setsid sh -c '{writer}' & echo ready; exec sleep 1000") as run:
        run.wait_ready()
        path = session_of(ready)
        wait_until((path / "x" / "5").exists, GONE)
        run.kill()
        run.wait()
        wait_cleared(ready)
