"""
Clearing, whatever happens: runs that are on, and what they are made of.

A run's processes are found by parentage (`keeper` in conftest.py sees to it that nothing of a run goes on), its
session by what lies in the runtime directory of its surroundings.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from tests.support.portable import name_of
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.terminal import wait_until

GONE = 180  # seconds: for all that should take one, on a machine with better things to do
PYTHON = (sys.executable, "-I", "-S", "-c")
JANITOR = "session-janitor"
CANARY = "signal-canary"

# Commands. Each says "ready", and then waits to be ended.
PAUSE = (*PYTHON, 'import os, signal; os.write(1, b"ready\\n"); signal.pause()')  # no execve comes after "ready"
SLEEP = ("sh", "-c", "echo ready; exec sleep 1000")
DEAF = ("sh", "-c", 'trap "" TERM; echo ready; exec sleep 1000')
RECORDER = """\
import os, signal, sys, time
heard = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, heard)
os.write(1, b"ready\\n")
while True:
    number = signal.sigwaitinfo(heard).si_signo
    os.write(1, f"{number}\\n".encode())
    if number in (signal.SIGTERM, signal.SIGHUP):
        break
end = time.monotonic() + float(sys.argv[1])  # for a second one
while (info := signal.sigtimedwait(heard, max(0.0, end - time.monotonic()))) is not None:
    os.write(1, f"{info.si_signo}\\n".encode())
os._exit(7)
"""
RECORDS = (*PYTHON, RECORDER, "0.3")


class Run:
    """A run of bwrun that is on."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes], errors: IO[bytes]) -> None:
        """Use `start`."""
        self.process = process
        self.pid = process.pid
        self._output = output
        self._errors = errors

    @classmethod
    @contextmanager
    def start(
        cls,
        surroundings: Surroundings,
        *words: str | Path,
        env: Mapping[str, str | None] | None = None,
        before: Sequence[str] = (),
        stdin: int = subprocess.DEVNULL,
        cwd: Path | None = None,
    ) -> Iterator[Run]:
        """Start `BEFORE… bwrun WORDS…` in a process session of its own; at the block's end it is no more."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [*before, BWRUN, *words],
                env=surroundings.full_environment(env or {}),
                cwd=cwd or surroundings.work,
                stdin=stdin,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
            try:
                yield cls(process, output, errors)
            finally:
                process.kill()
                process.wait()
                if process.stdin is not None:
                    process.stdin.close()

    @property
    def stdout(self) -> str:
        """Return what the command has printed so far."""
        return _read(self._output)

    @property
    def stderr(self) -> str:
        """Return what was said on stderr so far."""
        return _read(self._errors)

    def wait_ready(self) -> None:
        """Wait until the command runs and has said so."""
        wait_until(lambda: self.stdout.startswith("ready\n") or self.process.poll() is not None, GONE)

        assert self.stdout.startswith("ready\n"), self.stderr

    def wait(self, timeout: float = GONE) -> Ended:
        """Wait for the end."""
        status = self.process.wait(timeout)
        return Ended(status, self.stdout, self.stderr)

    def members(self) -> list[psutil.Process]:
        """Return the run's processes, bwrun itself first."""
        try:
            supervisor = psutil.Process(self.pid)
            return [supervisor, *supervisor.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def named(self, name: str) -> psutil.Process:
        """Wait until a child of bwrun's has that name; return it."""
        return self._child(lambda process: name_of(process) == name)

    def first(self) -> psutil.Process:
        """Wait until bwrun has a child; return its oldest: the worker, or the command that it became."""
        return self._child(lambda process: name_of(process) not in (JANITOR, CANARY))

    def _child(self, fits: object) -> psutil.Process:
        assert callable(fits)
        found: list[psutil.Process] = []

        def look() -> bool:
            try:
                children = psutil.Process(self.pid).children()
                found[:] = [child for child in sorted(children, key=started_at) if fits(child)]
            except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                return False
            return bool(found)

        wait_until(look, GONE)
        return found[0]

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to bwrun's pid."""
        self.process.send_signal(number)

    def kill_group(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to bwrun's process group."""
        if self.process.poll() is None or group_lives(self.pid):
            os.killpg(self.pid, number)


def started_at(process: psutil.Process) -> int:
    """Return when it was started, in ticks since boot (proc(5)): psutil's time moves when the clock is set."""
    return int(Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()[19])


def _read(file: IO[bytes]) -> str:
    return os.pread(file.fileno(), 1 << 24, 0).decode("utf-8", "replace")


def is_alive(process: psutil.Process) -> bool:
    """Return whether it runs; a zombie does not."""
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def group_lives(group: int) -> bool:
    """Return whether a descendant of this process is in the group; its number may be a stranger's by now."""

    def group_of(process: psutil.Process) -> int | None:
        try:
            return os.getpgid(process.pid)
        except ProcessLookupError:
            return None

    return any(group_of(process) == group for process in psutil.Process().children(recursive=True))


def wait_dead(*processes: psutil.Process) -> None:
    """Wait until none of them runs."""
    wait_until(lambda: not any(is_alive(process) for process in processes), GONE)


def wait_cleared(surroundings: Surroundings) -> None:
    """Wait until no session is left."""
    wait_until(lambda: surroundings.left() == [], GONE)


def sweep(surroundings: Surroundings) -> None:
    """
    Wait until `--clean` has removed the sessions of killed runs.

    A directory that was just made may belong to a run that is starting, and stays for ten minutes: it is removed here.
    """

    def is_swept() -> bool:
        cleaned = surroundings.run("--clean").status == 0
        return cleaned and all(_is_unmarked(surroundings.runtime / name) for name in surroundings.left())

    # What was forked in the very moment of a kill may hold a lock a little longer.
    wait_until(is_swept, GONE)
    for name in surroundings.left():
        shutil.rmtree(surroundings.runtime / name)


def _is_unmarked(session: Path) -> bool:
    return [path.read_bytes() for path in session.iterdir()] in ([], [b""])


def session_of(surroundings: Surroundings) -> Path:
    """Return the directory of the only session that is open."""
    (name,) = surroundings.left()
    return surroundings.runtime / name


def end(process: psutil.Process, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process of the test's own, if it is still there."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass
