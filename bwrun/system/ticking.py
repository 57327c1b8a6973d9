"""Watching a process where the kernel does not tell its end: by looking at it several times a second."""

from __future__ import annotations

import os
import select
import time

from bwrun.system import processes
from bwrun.system.common import ENDED, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

TICK = 0.1  # seconds between two looks


class TickingWatch(Watch):
    """Waits for descriptors, and looks in between whether the process still runs."""

    def __init__(self, pid: int) -> None:
        """Remember when process `pid` was started, so that no other process is mistaken for it."""
        self._pid = pid
        self._started = processes.start_time(pid)
        self._poll = select.poll()
        self._told = False

    def add(self, descriptor: int) -> None:
        """Wait for `descriptor`, too."""
        self._poll.register(descriptor, select.POLLIN)

    def wait(self, seconds: float | None) -> Sequence[int]:
        """Wait as `Watch.wait()` says."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            wait = left if self._told else TICK if left is None else min(TICK, left)
            ready = [number for number, _ in self._poll.poll(None if wait is None else wait * 1000)]
            if not self._told and not processes.is_alive(self._pid, self._started):
                self._told = True
                ready.append(ENDED)
            if ready or (left is not None and left <= TICK):
                return ready

    def has_ended(self, seconds: float) -> bool:
        """Wait as `Watch.has_ended()` says."""
        end = time.monotonic() + seconds
        while processes.is_alive(self._pid, self._started):
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(TICK, left))
        return True

    def send(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        try:
            if processes.is_alive(self._pid, self._started):
                os.kill(self._pid, number)
        except OSError:
            pass
