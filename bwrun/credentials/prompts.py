"""
Asking on the terminal, never on stdin: that is the command's.

While a secret is typed the echo is off.  A stop (Ctrl-Z) puts the modes back
for the shell and takes them again on the way on; a signal that ends the worker
leaves them to the supervisor, which saved them first.
"""

from __future__ import annotations

import os
import termios

from bwrun.base import signals
from bwrun.base.errors import CredentialError
from bwrun.base.sensitive import Sensitive

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from types import FrameType

MAX_LINE = 4096  # bytes, the kernel's own limit of a line that is typed


class Prompter:
    """The controlling terminal."""

    def __init__(self, terminal: int) -> None:
        """Take over the descriptor of /dev/tty."""
        self._terminal = terminal

    @classmethod
    def find(cls) -> Prompter | None:
        """Return the terminal, or None where there is none (cron, CI, a service)."""
        try:
            return cls(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        except OSError:
            return None

    def close(self) -> None:
        """Close the terminal's descriptor."""
        os.close(self._terminal)

    def ask(self, question: str, *, echo: bool) -> Sensitive:
        """
        Ask for one line; without `echo` nothing of it is shown.

        Raises CredentialError: the line is empty or ended by Ctrl-D, or the terminal is gone.
        """
        try:
            return self._ask(question, echo=echo)
        except (OSError, termios.error):
            raise CredentialError("terminal", f"the terminal closed while bwrun asked for the {question}") from None

    def _ask(self, question: str, *, echo: bool) -> Sensitive:
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
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if not line:
            raise CredentialError("empty", f"nothing was entered for the {question}")
        return Sensitive(line)

    def _read_line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n") and len(line) < MAX_LINE:
            data = os.read(self._terminal, MAX_LINE)
            if not data:
                break
            line += data
        return line
