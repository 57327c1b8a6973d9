"""
Waiting for signals where there is no sigtimedwait(2), and so no way to wait for them with a time limit.

All signals are blocked but for the moments in which this module waits in poll(2). In these, Python's handler writes
the number of each signal into a pipe, which poll(2) watches as well. So no signal is lost between a look and the wait,
and none interrupts anything else that the process does. What arrives while the signals are blocked is taken with
sigwait(2).

Each signal gets a handler, because macOS and the BSDs forget a blocked signal whose default is to be ignored, such as
SIGCHLD. A signal that the caller ignores stays ignored.
"""

from __future__ import annotations

import os
import select
import time

from bwrun.base import signals
from bwrun.system.common import Received

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

CATCHABLE = signals.valid_signals() - {signals.SIGKILL, signals.SIGSTOP}
IGNORED_BY_PYTHON = {signals.SIGPIPE, signals.SIGXFSZ}  # from its start on, whatever the caller does


class SelfPipe:
    """The pipe of this process; a process that was forked makes its own."""

    def __init__(self) -> None:
        """Make the pipe and set the handlers. All signals must be blocked. Raises OSError."""
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        self._arrived: set[int] = set()  # taken from the pipe, but not yet returned
        self._watched: list[int] = []
        signals.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in CATCHABLE:
            self.catch(number)

    def catch(self, number: int) -> None:
        """Have a signal written into the pipe, unless the caller ignores it."""
        try:
            if signals.getsignal(number) != signals.SIG_IGN or number in IGNORED_BY_PYTHON:
                signals.signal(number, _do_nothing)
        except (OSError, ValueError):
            pass  # the C library keeps this signal for itself

    def watch(self, descriptor: int) -> None:
        """Have `wait()` return when `descriptor` is readable."""
        self._watched.append(descriptor)

    def forget(self, descriptor: int) -> None:
        """Undo `watch()`."""
        self._watched = [one for one in self._watched if one != descriptor]

    def holds(self, number: int) -> bool:
        """Return whether a signal was taken from the pipe, but not yet returned."""
        return number in self._arrived

    def wait(self, numbers: Collection[int], seconds: float) -> Received | None:
        """Wait as `wait_signal()` says."""
        wanted = CATCHABLE.intersection(numbers)
        end = time.monotonic() + seconds
        while True:
            number = self._take(wanted)
            if number is not None:
                return Received(number, None, by_kernel=False)
            left = end - time.monotonic()
            if left <= 0 or self._poll(wanted, left):
                number = self._take(wanted)
                return None if number is None else Received(number, None, by_kernel=False)

    def _take(self, wanted: Collection[int]) -> int | None:
        """Return the lowest of the `wanted` signals that have arrived, None if none has."""
        pending = signals.sigpending().intersection(wanted)
        found = pending | self._arrived.intersection(wanted)
        if not found:
            return None
        number: int = min(found)
        self._arrived.discard(number)
        if number in pending:
            signals.sigwait({number})
        return number

    def _poll(self, wanted: Collection[int], seconds: float) -> bool:
        """Wait for a signal, or for a descriptor that is watched; return whether one of these is ready."""
        poll = select.poll()
        for descriptor in (self._read, *self._watched):
            poll.register(descriptor, select.POLLIN)
        signals.pthread_sigmask(signals.SIG_UNBLOCK, wanted)
        try:
            ready = dict(poll.poll(min(seconds, 86400.0) * 1000))
        finally:
            signals.pthread_sigmask(signals.SIG_BLOCK, CATCHABLE)
        try:
            while data := os.read(self._read, 512):
                self._arrived.update(data)
        except BlockingIOError:
            pass
        ready.pop(self._read, None)
        # When the other end is closed, that is told once: it would be ready for ever.
        self._watched = [one for one in self._watched if not ready.get(one, 0) & ~select.POLLIN]
        return bool(ready)


def _do_nothing(*_: object) -> None:
    """Python has written the number into the pipe before it calls this."""
