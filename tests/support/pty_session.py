r"""
Job control: an interactive bash on a real pty, and a terminal that can hang up.

    with shell(ready) as bash:
        bash.type("bwrun -- sleep 600\n")
        bash.type("\x03")

        assert bash.ask("echo $?") == "130"
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

import psutil

from tests.support.portable import name_of
from tests.support.program import BWRUN, Surroundings
from tests.support.terminal import Terminal, wait_until

PROMPT = "bash-waits> "
CTRL_C, CTRL_Z, CTRL_D, CTRL_BACKSLASH = "\x03", "\x1a", "\x04", "\x1c"


class Line(Terminal):
    """A terminal at the end of a line that can be cut."""

    def hang_up(self) -> None:
        """Cut the line: the kernel sends SIGHUP, the terminal is dead from then on."""
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, self._master)
        os.close(null)

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window: the kernel tells the foreground group with SIGWINCH."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Shell(Line):
    """Somebody at an interactive bash, in which `bwrun` is on the PATH."""

    prompts = 0  # how many have been waited for

    def prompt(self) -> None:
        """
        Wait until the shell asks for the next line.

        Raises AssertionError: it does not, e.g. because something else is still in the foreground.
        """
        self.prompts += 1
        self.wait_for(PROMPT, times=self.prompts)

    def run(self, line: str) -> str:
        """Type a line, wait for the next prompt; return what was shown between."""
        before = len(self.screen)
        self.type(line + "\n")
        self.prompt()
        return self.screen[before:].replace(PROMPT, "").replace(line, "", 1)

    def ask(self, line: str) -> str:
        """Type a line that prints something; return its last line."""
        return self.run(line).split("\n")[-2]

    @classmethod
    @contextmanager
    def open(cls, surroundings: Surroundings) -> Iterator[Self]:
        """Start bash; at the end of the block it is killed, and all sessions must go with it."""
        path = f"{BWRUN.parent}{os.pathsep}{surroundings.environment['PATH']}"
        environment = {**surroundings.environment, "PS1": PROMPT, "PATH": path}
        words = ["/bin/bash", "--noprofile", "--norc", "--noediting", "-i"]
        with cls.start(words, environment, surroundings.work) as terminal:
            assert isinstance(terminal, cls)
            terminal.prompt()
            jobs: list[psutil.Process] = []
            try:
                yield terminal
            finally:
                if terminal.process.poll() is None:
                    found = psutil.Process(terminal.process.pid).children(recursive=True)
                    jobs = [job for job in found if not _is_janitor(job)]  # it clears after the others
                for job in jobs:
                    with suppress(psutil.NoSuchProcess):  # it has just ended
                        job.kill()
        wait_until(lambda: surroundings.left() == [])


def _is_janitor(process: psutil.Process) -> bool:
    try:
        return name_of(process) == "session-janitor"
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False  # it has just ended
