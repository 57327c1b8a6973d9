r"""
A real terminal: a pty, and a program whose controlling terminal it is.

    with Terminal.start([BWRUN, "--", "true"], environment, cwd) as terminal:
        terminal.wait_for("master password: ")
        terminal.type("correct horse\n")

        assert terminal.ended() == 0
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

TIMEOUT = 120.0  # seconds: only what hangs takes so long, on a busy machine too
STEP = 0.01  # seconds between two looks

# Runs in the new session: takes the terminal, gives SIGPIPE back, becomes the program.
TAKE_TERMINAL = """\
import fcntl, os, signal, sys, termios
terminal = os.open(sys.argv[1], os.O_RDWR)
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.close(terminal)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def wait_until(holds: Callable[[], object], timeout: float = TIMEOUT) -> None:
    """
    Wait until `holds()` is true.

    Raises AssertionError: it was not within `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end, f"did not come true within {timeout} s"
        time.sleep(STEP)


class Terminal:
    """What sits in front of a running program: a keyboard and a screen."""

    def __init__(self, process: subprocess.Popen[str], master: int, slave: int) -> None:
        """Sit in front of `process`; use `start` to make one."""
        self.process = process
        self.screen = ""  # all that was shown, with \n as the end of a line
        self.modes_at_first: list[Any] = []  # before the program was started
        self._master = master
        self._slave = slave

    @classmethod
    @contextmanager
    def start(
        cls,
        words: Sequence[str | Path],
        environment: Mapping[str, str],
        cwd: Path,
        *,
        redirected: IO[str] | int | None = None,
    ) -> Iterator[Terminal]:
        """
        Run a program on a new terminal until the end of the block.

        With `redirected` descriptors 0-2 go there, and the terminal is only the controlling one (/dev/tty).
        """
        master, slave = pty.openpty()
        where = slave if redirected is None else redirected
        modes = termios.tcgetattr(slave)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", TAKE_TERMINAL, os.ttyname(slave), *words],
            env=environment,
            cwd=cwd,
            stdin=where,
            stdout=where,
            stderr=where,
            start_new_session=True,
            text=True,
        )
        try:
            terminal = cls(process, master, slave)
            terminal.modes_at_first = modes
            yield terminal
        finally:
            process.kill()
            process.wait()
            os.close(slave)
            os.close(master)

    def type(self, text: str) -> None:
        r"""Press keys; "\x03" is Ctrl-C."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """
        Wait until `text` was shown so many `times`.

        Raises AssertionError: it was not within TIMEOUT seconds.
        """
        end = time.monotonic() + TIMEOUT
        while self.screen.count(text) < times:
            assert self._read(end - time.monotonic()), f"{text!r} was not shown, but: {self.screen!r}"

    def read(self) -> str:
        """Return all that is on the screen by now."""
        while self._read(0):
            pass
        return self.screen

    def ended(self) -> int:
        """Wait for the program's end; return its status (negative: the signal), with `screen` complete."""
        status = self.process.wait(TIMEOUT)
        self.read()
        return status

    def modes(self) -> list[Any]:
        """Return the terminal's modes as termios gives them."""
        return termios.tcgetattr(self._slave)

    def echoes(self) -> bool:
        """Return whether what is typed is shown."""
        return bool(self.modes()[3] & termios.ECHO)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not ready:
            return False
        self.screen += os.read(self._master, 65536).decode(errors="replace").replace("\r\n", "\n")
        return True
