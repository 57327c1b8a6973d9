"""
What bwrun says to people, all of it on stderr.

The rules: one `error` line, then hints; lower-case, no full stop unless there
are two sentences; names in backticks, never a value.  A stderr that is closed
or full changes nothing of what bwrun does.  Text that came from elsewhere (a
server, a file name) cannot move the cursor: control characters are escaped.
"""

from __future__ import annotations

import os
import time

from bwrun.base.errors import BwrunError, UnresolvedReferencesError
from bwrun.base.structs import Struct

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Iterable

STDERR = 2


class Warn(Struct):
    """Something dangerous that does not stop a run."""

    text: str
    hints: tuple[str, ...] = ()


class Console:
    """stderr, with the steps of a run when `verbose`."""

    def __init__(self, *, verbose: bool, started: float) -> None:
        """`started` is the time of `time.monotonic()` that steps are counted from, in seconds."""
        self.verbose = verbose
        self.started = started

    def step(self, text: str) -> None:
        """Say with `-v` that a step is done, with the time since bwrun's start."""
        if self.verbose:
            self._write(f"bwrun: {time.monotonic() - self.started:7.3f} s  {text}")

    def say(self, lines: Iterable[str]) -> None:
        """Say what was asked for."""
        self._write(*(f"bwrun: {line}" for line in lines))

    def show(self, verbose: bool, warnings: Iterable[Warn]) -> None:  # noqa: FBT001
        """Take the verbosity that the settings say, and print what they warn of."""
        self.verbose = verbose
        for warning in warnings:
            self.warn(warning.text, *warning.hints)

    def warn(self, text: str, *hints: str) -> None:
        """Say what is dangerous and not in the way."""
        self._write(f"bwrun: warning: {text}", *(f"bwrun: hint: {hint}" for hint in hints))

    def report(self, error: BwrunError) -> None:
        """Print an error: what, which, what next; of an error that is several, each."""
        for one in error.failures if isinstance(error, UnresolvedReferencesError) else (error,):
            self._write(f"bwrun: error: {one.message} [{one.code}]", *(f"bwrun: hint: {hint}" for hint in one.hints))

    def report_internal(self, error: BaseException) -> None:
        """Print the type and the place of an exception nobody expected, never its text: it may quote a secret."""
        self._write(
            f"bwrun: error: internal error: {type(error).__name__} in {place_of(error)} [internal]",
            "bwrun: hint: this is a bug in bwrun; please report it and quote the line above",
        )

    def _write(self, *lines: str) -> None:
        data = "".join(f"{printable(line)}\n" for line in lines)
        try:
            os.write(STDERR, data.encode("utf-8"))
        except OSError:
            pass  # nobody reads: not a reason to fail


def printable(text: str) -> str:
    """Return `text` with everything escaped that is no printable character, bytes that are no UTF-8 included."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def place_of(error: BaseException) -> str:
    """Return `module.py:line` of the innermost frame of bwrun's own code."""
    place = "?"
    trace = error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if f"{os.sep}bwrun{os.sep}" in path:
            place = f"{os.path.basename(path)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
