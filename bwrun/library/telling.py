"""
What the library tells its caller: it prints nothing, but logs, and its errors show all that they know.

The logger is `bwrun`: the steps of a login are at DEBUG, waits at INFO, warnings at WARNING.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from bwrun.base.console import Console, printable
from bwrun.base.errors import BwrunError, UnresolvedReferencesError

LOGGER = logging.getLogger("bwrun")
LOGGER.addHandler(logging.NullHandler())  # or Python would print warnings on stderr where no logging is set up


class LoggingConsole(Console):
    """A console that logs what others print."""

    def __init__(self) -> None:
        """Tell the steps if somebody logs them."""
        super().__init__(verbose=LOGGER.isEnabledFor(logging.DEBUG), started=time.monotonic())

    def step(self, text: str) -> None:
        """Log that a step is done."""
        LOGGER.debug("%s", printable(text))

    def tell(self, text: str) -> None:
        """Log why nothing happens for a while."""
        LOGGER.info("%s", printable(text))

    def print_lines(self, lines: Iterable[str]) -> None:
        """Log lines that a setting asks for."""
        for line in lines:
            LOGGER.info("%s", printable(line))

    def warn(self, text: str, *hints: str) -> None:
        """Log a warning, and what to do about it."""
        LOGGER.warning("%s", "; ".join(map(printable, (text, *hints))))

    def _write(self, *lines: str) -> None:
        for line in lines:
            LOGGER.warning("%s", printable(line))


@contextmanager
def presentable_errors() -> Iterator[None]:
    """Make the errors of the block fit to be shown: see `make_presentable()`."""
    try:
        yield
    except BwrunError as error:
        make_presentable(error)
        raise


def make_presentable(error: BwrunError) -> None:
    """
    Escape control characters in the texts of an error, and let tracebacks show its code and hints.

    A text from a server or a file name could otherwise move the cursor of who prints the error.
    """
    for one in (error, *(error.failures if isinstance(error, UnresolvedReferencesError) else ())):
        one.message = printable(one.message)
        one.hints = tuple(map(printable, one.hints))
        one.args = (one.message,)
    if not getattr(error, "__notes__", None):
        error.add_note(f"[{error.code}]")
        for hint in error.hints:
            error.add_note(f"hint: {hint}")
