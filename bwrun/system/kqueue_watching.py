"""
Watching a process with kqueue, which macOS and the BSDs have (kqueue(2), EVFILT_PROC with NOTE_EXIT).

A kqueue is not inherited by a fork, so it is made in the process that waits.
"""

from __future__ import annotations

import select
import sys

from bwrun.system.common import ENDED, Watch
from bwrun.system.ticking import TickingWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_EVENTS = 8  # at a time

if sys.platform != "linux":  # mypy knows that other platforms have kqueue

    class KqueueWatch(Watch):
        """Waits for descriptors and for the end of a process in one call."""

        def __init__(self, pid: int) -> None:
            """
            Watch process `pid`.

            Raises OSError: there is no such process, or it cannot be watched.
            """
            self._queue = select.kqueue()
            self._process = TickingWatch(pid)  # for its identity, and to send signals
            self.descriptor: int = self._queue.fileno()
            self._ended = False
            event = select.kevent(
                pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT
            )
            self._queue.control([event], 0, 0)

        def add(self, descriptor: int) -> None:
            """Wait for `descriptor`, too."""
            self._queue.control([select.kevent(descriptor, select.KQ_FILTER_READ, select.KQ_EV_ADD)], 0, 0)

        def wait(self, seconds: float | None) -> Sequence[int]:
            """Wait as `Watch.wait()` says."""
            events = self._queue.control(None, MOST_EVENTS, seconds)
            ended = any(event.filter == select.KQ_FILTER_PROC for event in events)
            self._ended |= ended
            ready = [event.ident for event in events if event.filter == select.KQ_FILTER_READ]
            return [*ready, ENDED] if ended else ready

        def has_ended(self, seconds: float) -> bool:
            """Wait as `Watch.has_ended()` says. Descriptors must not be waited for any more."""
            return self._ended or self._process.has_ended(seconds)

        def send(self, number: int) -> None:
            """Send a signal, unless the process has ended."""
            if not self._ended:
                self._process.send(number)
