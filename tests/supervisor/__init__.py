"""
Supervision: under `bwrun --` the command behaves as without it. Real processes, real signals, real terminals.

The list of cases comes from what init wrappers, timeout(1) and sudo do, and from what their users reported.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

import psutil

from tests.server.control import BitwardenServer
from tests.support import print_signals
from tests.support.portable import name_of
from tests.support.program import BWRUN, TIMEOUT, Surroundings
from tests.support.terminal import wait_until

SENTINEL = max(signal.valid_signals())  # bwrun takes the lowest pending signal first, and so this one last
EXIT_STATUS = 7
PYTHON = (sys.executable, "-I", "-S", "-c")
THEN_EXEC = """\
import os, signal, sys
for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
    signal.signal(number, signal.SIG_DFL)
{}
os.execvp(sys.argv[1], sys.argv[1:])
"""
TOKEN_PATH = "/connect/token"

Word: TypeAlias = str | bytes | Path


def in_python(statement: str) -> list[str]:
    """Return words that run a statement, with `os`, `signal` and `sys` there, and become the words after them."""
    return [*PYTHON, THEN_EXEC.format(statement)]


def in_shell(statement: str) -> list[str]:
    """Return words that run a statement of the shell and become the words after them; `"$@"` stands for those."""
    return ["/bin/sh", "-c", statement if '"$@"' in statement else f'{statement}; exec "$@"', "sh"]


@contextmanager
def started(  # noqa: PLR0913  (as many as a process has)
    surroundings: Surroundings,
    *words: Word,
    before: Sequence[Word] = (),
    env: Mapping[str, str | None] | None = None,
    stdin: int | IO[bytes] = subprocess.PIPE,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start `BEFORE… bwrun WORDS…` in a session of its own; after the block neither it nor a session of it is there."""
    with subprocess.Popen(
        [*before, BWRUN, *words],
        env=surroundings.full_environment(env or {}),
        cwd=surroundings.work,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    wait_until(lambda: surroundings.left() == [])


def output_of(surroundings: Surroundings, words: Sequence[Word], env: Mapping[str, str | None] | None = None) -> bytes:
    """Run any words in the surroundings, in a session of their own; return what they print."""
    return subprocess.run(
        words,
        check=True,
        env=surroundings.full_environment(env or {}),
        cwd=surroundings.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=TIMEOUT,
        start_new_session=True,
    ).stdout


@dataclass
class Witness:
    """A command that writes down which signals it gets."""

    log: Path

    @property
    def words(self) -> list[str | Path]:
        """The command's words."""
        return [sys.executable, "-I", "-S", print_signals.__file__, self.log]

    def _lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def wait(self, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait until it catches signals, under a `process` that does not end before."""
        wait_until(lambda: self._lines() or (process is not None and process.poll() is not None))
        assert process is None or process.returncode is None

    @property
    def pid(self) -> int:
        """Its pid."""
        return int(self._lines()[0].split()[1])

    @property
    def bwrun(self) -> int:
        """The pid of the bwrun that it runs under."""
        return int(self._lines()[0].split()[2])

    def signals(self) -> list[int]:
        """Return the signals it got so far, but the sentinels."""
        return [int(line) for line in self._lines()[1:] if int(line) != SENTINEL]

    def wait_for(self, count: int) -> None:
        """Wait until it got so many signals, not counting sentinels."""
        wait_until(lambda: len(self.signals()) >= count)

    def settled(self) -> list[int]:
        """Return the signals it got, once bwrun has dealt with all that it was sent before."""
        sentinel = f"{int(SENTINEL)}"
        before = self._lines().count(sentinel)
        os.kill(self.bwrun, SENTINEL)
        wait_until(lambda: self._lines().count(sentinel) > before)
        return self.signals()


@contextmanager
def watched(
    surroundings: Surroundings,
    *options: str,
    before: Sequence[Word] = (),
    stderr: int | IO[bytes] | None = None,
) -> Iterator[tuple[Witness, subprocess.Popen[bytes]]]:
    """Run a witness under `BEFORE… bwrun OPTIONS…`."""
    witness = Witness(surroundings.work / "signals")
    with started(surroundings, *options, "--", *witness.words, before=before, stderr=stderr) as process:
        witness.wait(process)
        yield witness, process


def tell(process: subprocess.Popen[bytes], words: str) -> None:
    """Write a line to the stdin of a process."""
    assert process.stdin is not None
    process.stdin.write(f"{words}\n".encode())
    process.stdin.flush()


def let_end(process: subprocess.Popen[bytes]) -> int:
    """Tell the witness to end with EXIT_STATUS; return how bwrun ends."""
    tell(process, f"exit {EXIT_STATUS}")
    return process.wait(TIMEOUT)


def wait_for_login(server: BitwardenServer) -> None:
    """Wait until a login has reached the server."""
    wait_until(lambda: any(request.path.endswith(TOKEN_PATH) for request in server.requests()))


def helpers(pid: int) -> dict[str, psutil.Process]:
    """Return the processes that a bwrun has started, by name."""
    return {name_of(child): child for child in psutil.Process(pid).children()}


def wait_for_end(process: psutil.Process) -> None:
    """Wait until a process runs no more; it may be a zombie that its parent has not reaped."""

    def ended() -> bool:
        try:
            return is_gone(process) or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True  # reaped between the two looks

    wait_until(ended)


def kill(process: psutil.Process) -> None:
    """Send SIGKILL; a process that ended with another one before is as good as killed."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        pass


def is_gone(process: psutil.Process) -> bool:
    """Return whether a process is there no more, not even as a zombie."""
    return not process.is_running()


def state(pid: int) -> str:
    """Return the state of a process as psutil names it."""
    return psutil.Process(pid).status()


def field_of_status(pid: int, name: str) -> str:
    """Return one field of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))
