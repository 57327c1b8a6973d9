"""
A line on the terminal that says what bwrun waits for. It is rewritten while the wait goes on, and removed at its end.

The rules:

- Only the main thread writes the line, between two looks at what it waits for. So no thread is needed for it, and the
  line is gone whenever the main thread does something else: ask, print, start the command.
- A message of another thread removes the line first (`Console.erasing`); the next look writes it again.
- A process in the background writes nothing: with `stty tostop` it would be stopped.
- A signal that ends or stops this process removes the line first.

Libraries for this (rich, tqdm) draw in threads of their own, take 20 to 100 ms to import, and leave the line behind at
a signal.
"""

from __future__ import annotations

import os
import time

from bwrun.base import signals
from bwrun.base.console import STDERR, Console, can_rewrite, is_in_foreground, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any, Self

LONG = 3600.0  # seconds
STEP = 0.25  # seconds between two looks
ERASE = b"\r\x1b[K"  # to the first column, and clear the line (ECMA-48: EL)
ENDING = (signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGTERM)


def watch(
    console: Console, wait: Callable[[float], bool], seconds: float, describe: Callable[[], tuple[str, str]]
) -> bool:
    """
    Wait at most `seconds`, and show on the terminal what for; return whether the wait has ended.

    `wait` waits for at most the given seconds and returns whether that is over. `describe` returns what is waited for
    at this moment, and a short text to show behind that, however narrow the terminal is.

    With `-v`, and where a line cannot be rewritten, nothing is shown.
    """
    end = time.monotonic() + seconds
    if console.verbose or not can_rewrite():
        return wait(seconds)
    with Line(console) as line:
        while (left := end - time.monotonic()) > 0:
            line.show(*describe())
            if wait(min(left, STEP)):
                return True
    return wait(0)


def announce(text: str, wait: Callable[[float], bool], before: list[Any] | None) -> None:
    """
    Wait until `wait` returns True, and show `text` meanwhile, for a program that may use the terminal itself.

    The line is written once. `before` are the modes of the terminal from before the program was started. If they are
    others, as with a program that asks for a password, the terminal is the program's: the line is not touched any more.
    """
    if can_rewrite() and terminal_modes() == before:
        with Line(Console(verbose=False, started=0.0)) as line:
            line.show(text, "")
            while not wait(STEP):
                if terminal_modes() != before:
                    line.leave()
                    break
    while not wait(LONG):
        pass


class Line:
    """The line, for a `with` block: at its end the line is gone."""

    def __init__(self, console: Console) -> None:
        """Show nothing yet."""
        self._console = console
        self._shown = b""  # what is on the terminal

    def __enter__(self) -> Self:
        """Make the signals that end or stop this process remove the line first."""
        self._console.erasing = ERASE
        self._numbers = [one for one in (*ENDING, signals.SIGTSTP) if signals.getsignal(one) == signals.SIG_DFL]
        for number in self._numbers:
            signals.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the line, and handle signals as before."""
        self.remove()
        self._console.erasing = b""
        for number in self._numbers:
            signals.signal(number, signals.SIG_DFL)

    def show(self, text: str, end: str) -> None:
        """Show `text`, cut to the width of the terminal, and `end` behind it."""
        ending = printable(end)
        line = f"{cut(printable(f'bwrun: {text}'), _width() - len(ending))}{ending}".encode()
        if line != self._shown and is_in_foreground():
            self._shown = line
            _write(b"\r" + line + b"\x1b[K")

    def remove(self) -> None:
        """Remove the line if it is there."""
        if self._shown and is_in_foreground():
            _write(ERASE)
        self._shown = b""

    def leave(self) -> None:
        """Let the line stay where it is: what is on the terminal by now is somebody else's."""
        self._shown = b""

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        """Remove the line, and do what the signal does otherwise: this process ends or stops here."""
        self.remove()
        signals.signal(number, signals.SIG_DFL)
        signals.raise_signal(number)
        signals.signal(number, self._handle)  # it was stopped, and goes on


def cut(text: str, width: int) -> str:
    """Return as much of `text` as fits into `width` columns and leaves the last one free, with `…` where it was cut."""
    if text.isascii() and len(text) < width:
        return text
    from unicodedata import east_asian_width  # noqa: PLC0415  (few texts need it)

    # A letter whose width is ambiguous counts as a wide one: then the line is a little shorter, but never wraps.
    sizes = [1 if char.isascii() or east_asian_width(char) in ("N", "Na", "H") else 2 for char in text]
    if sum(sizes) < width:
        return text
    room = width - 3  # the mark takes two columns at most
    for count, size in enumerate(sizes):
        room -= size
        if room < 0:
            return f"{text[:count]}…"
    return text


def _width() -> int:
    """Return the columns of the terminal; 80 if it does not say."""
    try:
        return os.get_terminal_size(STDERR).columns or 80
    except OSError:
        return 80


def terminal_modes() -> list[Any] | None:
    """Return the modes of the terminal at stderr, None if there is none."""
    import termios  # noqa: PLC0415  (only for programs that take long)

    try:
        return termios.tcgetattr(STDERR)
    except termios.error:
        return None


def _write(data: bytes) -> None:
    """Write to the terminal. SIGTTOU is blocked: this process may have been put into the background just now."""
    before = signals.pthread_sigmask(signals.SIG_BLOCK, {signals.SIGTTOU})
    try:
        os.write(STDERR, data)
    except OSError:
        pass  # the terminal is gone
    finally:
        signals.pthread_sigmask(signals.SIG_SETMASK, before)
