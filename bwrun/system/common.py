"""
Which half of this room a process uses, and what the two halves share.

Linux has its own half. Every other system gets the portable one. For the tests, `python -X bwrun-portable` chooses the
portable half on Linux, too. No variable and no file can do that: only who starts Python chooses its -X options.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod  # Python itself has imported it at its start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_FORCED = "bwrun-portable"

IS_LINUX: bool = sys.platform == "linux" and _FORCED not in sys._xoptions  # noqa: SLF001  (documented in `sys`)

ENDED = -1  # among the descriptors that Watch.wait() returns: the process has ended


def python_options(*, with_packages: bool) -> list[str]:
    """
    Return the options of a Python that bwrun starts, so that it uses the same half as this process.

    It ignores the caller's environment. Without packages it has the standard library alone, if that is enough: the
    portable half needs psutil to know since when a process runs.
    """
    forced = ["-X", _FORCED] if _FORCED in sys._xoptions else []  # noqa: SLF001
    return ["-I", *forced] if with_packages or not IS_LINUX else ["-I", "-S"]


class Received:
    """A signal that this process has received."""

    def __init__(self, number: int, sender: int | None, *, by_kernel: bool) -> None:
        """`sender` is the pid of who sent it; None: the kernel did, or the system does not tell."""
        self.number = number
        self.sender = sender
        self.by_kernel = by_kernel  # False also where the system does not tell


class Watch(ABC):
    """Waits for the end of a process, which need not be a child, and for descriptors to become readable."""

    descriptor: int | None = None  # is readable when the process has ended; None: call `has_ended()` now and then

    @abstractmethod
    def add(self, descriptor: int) -> None:
        """Wait for `descriptor`, too."""

    @abstractmethod
    def wait(self, seconds: float | None) -> Sequence[int]:
        """
        Wait up to `seconds`; return the descriptors that are readable, or whose other end is closed.

        `ENDED` is among them, once, when the process has ended.
        """

    @abstractmethod
    def has_ended(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end of the process; return whether it has ended."""

    @abstractmethod
    def send(self, number: int) -> None:
        """Send a signal to the process. One that has ended, or belongs to another user by now, is not an error."""
