"""
Asking for a credential on the controlling terminal. stdin is not read: it belongs to the command.

The terminal does not echo a secret while it is typed. Ctrl-Z restores the terminal's modes for the shell; when the
process continues, it turns the echo off again. If a signal ends the worker at a prompt, the supervisor restores the
modes.
"""

from __future__ import annotations

import os
import termios

from bwrun.base import signals
from bwrun.base.errors import CredentialError
from bwrun.base.sensitive import Sensitive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from bwrun.settings.sources import Sources

MAX_LINE = 4096  # bytes; the kernel limits a typed line to this size


def may_ask(sources: Sources) -> bool:
    """Return whether BW_NOINTERACTION allows prompts."""
    return sources.environment.get("BW_NOINTERACTION", "").lower() in ("", "0", "false")


class Prompter:
    """Asks questions on the controlling terminal."""

    def __init__(self, terminal: int) -> None:
        """Take over `terminal`, an open descriptor of /dev/tty."""
        self._terminal = terminal

    @classmethod
    def find(cls) -> Prompter | None:
        """Open the controlling terminal; return None if there is none, as in cron, CI or a service."""
        try:
            return cls(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        except OSError:
            return None

    def close(self) -> None:
        """Close the terminal's descriptor."""
        os.close(self._terminal)

    def say(self, text: str) -> None:
        """Write a line to the terminal."""
        try:
            os.write(self._terminal, f"{text}\n".encode())
        except OSError:
            pass  # the question that follows says that the terminal is gone

    def ask(self, question: str, *, echo: bool) -> Sensitive:
        """
        Print `question` and return the line that is typed; without `echo` the terminal does not show it.

        Raises CredentialError: the line is empty, or the terminal is closed.
        """
        line = self.ask_optional(question, echo=echo)
        if line is None:
            raise CredentialError("empty", f"nothing was entered for the {question}")
        return line

    def ask_optional(self, question: str, *, echo: bool) -> Sensitive | None:
        """
        Do the same, and return None for an empty line.

        Raises CredentialError: the input ended (Ctrl-D), or the terminal is closed.
        """
        try:
            return self._ask(question, echo=echo)
        except (OSError, termios.error):
            raise CredentialError("terminal", f"the terminal closed while bwrun asked for the {question}") from None

    def _ask(self, question: str, *, echo: bool) -> Sensitive | None:
        before = termios.tcgetattr(self._terminal)
        asking = list(before)
        asking[3] = (before[3] | termios.ICANON | termios.ISIG) & ~(0 if echo else termios.ECHO)

        def begin() -> None:
            termios.tcsetattr(self._terminal, termios.TCSAFLUSH, asking)
            os.write(self._terminal, f"{question}: ".encode())

        def stop(_number: int, _frame: FrameType | None) -> None:
            termios.tcsetattr(self._terminal, termios.TCSAFLUSH, before)
            os.kill(os.getpid(), signals.SIGSTOP)
            begin()

        before_stop = signals.getsignal(signals.SIGTSTP)
        if before_stop != signals.SIG_IGN:
            signals.signal(signals.SIGTSTP, stop)
        ended = False
        try:
            begin()
            line = self._read_line()
            ended = line.endswith(b"\n")
        finally:
            termios.tcsetattr(self._terminal, termios.TCSAFLUSH, before)
            signals.signal(signals.SIGTSTP, before_stop)
            if not (echo and ended):
                os.write(self._terminal, b"\n")
        if not line:
            raise CredentialError("empty", f"nothing was entered for the {question}")
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        return Sensitive(line) if line else None

    def _read_line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n") and len(line) < MAX_LINE:
            data = os.read(self._terminal, MAX_LINE)
            if not data:
                break
            line += data
        return line
