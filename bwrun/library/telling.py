"""
What the library tells its caller: it prints nothing, but logs, and its errors show all that they know.

The logger is `bwrun`: the steps of a login are at DEBUG, waits at INFO, warnings at WARNING.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from bwrun.base.console import Console, place_of, printable
from bwrun.base.errors import BwrunError, UnresolvedReferencesError
from bwrun.library.errors_as_data import internal_error

T = TypeVar("T")
LOGGER = logging.getLogger("bwrun")
LOGGER.addHandler(logging.NullHandler())  # or Python would print warnings on stderr where no logging is set up


class LoggingConsole(Console):
    """A console that logs what others print."""

    def __init__(self) -> None:
        """Tell all steps: the level of the logger decides which of them are logged."""
        super().__init__(verbose=True, started=time.monotonic())

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


def guarded(function: Callable[[], T]) -> T:
    """
    Return what `function` returns; let its errors come out fit to be shown, as `presentable()` makes them.

    Tracebacks end here: the frames below hold credentials, keys and values in their variables. Tools that report errors
    print those, and whoever keeps the exception would keep them in memory.

    Raises BwrunError: also for an exception that is a bug of bwrun, whose text may quote a secret.
    """
    try:
        return function()
    except BwrunError as error:
        failure = error
    except Exception as error:  # noqa: BLE001
        failure = internal_error(type(error).__name__, place_of(error))
    raise presentable(failure)


def presentable(error: BwrunError) -> BwrunError:
    """
    Return the error without its history, with control characters escaped, and with code and hints for tracebacks.

    A text from a server or a file name could otherwise move the cursor of who prints the error.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    for one in (error, *(error.failures if isinstance(error, UnresolvedReferencesError) else ())):
        one.__traceback__ = one.__context__ = one.__cause__ = None
        one.message = printable(one.message)
        one.hints = tuple(map(printable, one.hints))
        one.args = (one.message,)
    error.add_note(f"[{error.code}]")
    for hint in error.hints:
        error.add_note(f"hint: {hint}")
    return error
