"""
The messages that bwrun prints on stderr: errors, warnings, hints, the steps of `-v`.

What bwrun waits for is a line on the terminal that is rewritten: see `bwrun.base.progress`.

The rules for messages: one `error` line that says what happened and to which thing, then `hint` lines that say what to
do next; lower case, no full stop after a single sentence; names in backticks; never a secret value.

bwrun goes on in the same way if stderr is closed or full. Control characters in a message are escaped, so that text
from a server or a file name cannot move the cursor or forge a line.
"""

from __future__ import annotations

import os
import time

from bwrun.base.errors import BwrunError, UnresolvedReferencesError, WrongConfigFileError
from bwrun.base.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

STDERR = 2


class WarningMessage(Struct):
    """A warning to print: something that is dangerous or has no effect, but does not stop the run."""

    text: str
    hints: tuple[str, ...] = ()


class Console:
    """Prints messages on stderr; with `verbose` the steps of the run too."""

    def __init__(self, *, verbose: bool, started: float) -> None:
        """`started` is when bwrun began, in seconds of `time.monotonic()`."""
        self.verbose = verbose
        self.started = started
        self.erasing = b""  # what removes the line that shows it, while there may be one

    def step(self, text: str) -> None:
        """With `-v`, print that a step is done, after the seconds since bwrun began."""
        if self.verbose:
            self._write(f"bwrun: {time.monotonic() - self.started:7.3f} s  {text}")

    def tell(self, text: str) -> None:
        """Print why nothing happens for a while: with `-v`, or on a terminal where the main thread does not show it."""
        if self.verbose:
            self.step(text)
        elif os.isatty(STDERR) and is_in_foreground() and (_is_main_thread() or not can_rewrite()):
            self._write(f"bwrun: {text}")

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print lines that an option asks for, each after `bwrun: `."""
        self._write(*(f"bwrun: {line}" for line in lines))

    def print_warnings(self, warnings: Iterable[WarningMessage]) -> None:
        """Print the warnings that the settings gave rise to."""
        for warning in warnings:
            self.warn(warning.text, *warning.hints)

    def warn(self, text: str, *hints: str) -> None:
        """Print a warning, and what to do about it."""
        self._write(f"bwrun: warning: {text}", *(f"bwrun: hint: {hint}" for hint in hints))

    def print_error(self, error: BwrunError) -> None:
        """Print an error and its hints; of an error that stands for several, each of them."""
        failures = error.failures if isinstance(error, (UnresolvedReferencesError, WrongConfigFileError)) else (error,)
        for one in failures:
            self._write(f"bwrun: error: {one.message} [{one.code}]", *(f"bwrun: hint: {hint}" for hint in one.hints))

    def print_internal_error(self, error: BaseException) -> None:
        """Print type and place of an exception that is a bug of bwrun. Its text is not shown: it may quote a secret."""
        self._write(
            f"bwrun: error: internal error: {type(error).__name__} in {place_of(error)} [internal]",
            "bwrun: hint: this is a bug in bwrun; please report it and quote the line above",
        )

    def _write(self, *lines: str) -> None:
        data = "".join(f"{printable(line)}\n" for line in lines)
        try:
            os.write(STDERR, self.erasing + data.encode("utf-8"))
        except OSError:
            pass  # stderr is closed or full


def _is_main_thread() -> bool:
    import threading  # noqa: PLC0415  (only for a wait; who sends requests has imported it)

    return threading.current_thread() is threading.main_thread()


def can_rewrite() -> bool:
    """Return whether stderr is a terminal on which a line can be rewritten: TERM is set, and is not `dumb`."""
    return os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown") and os.isatty(STDERR)


def is_in_foreground() -> bool:
    """Return whether the terminal at stderr takes output of this process; False for a job in the background."""
    try:
        return os.tcgetpgrp(STDERR) == os.getpgrp()
    except OSError:
        return True  # it is not the controlling terminal, so there is no job control


def printable(text: str) -> str:
    """Return `text` with all characters escaped that are not printable, and bytes that were not UTF-8."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def place_of(error: BaseException) -> str:
    """Return `module.py:line` of the innermost frame that is bwrun's own code."""
    place = "?"
    trace = error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if f"{os.sep}bwrun{os.sep}" in path:
            place = f"{os.path.basename(path)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
