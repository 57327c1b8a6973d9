"""
The signal canary: a passive member of the process group that tells which signals the whole group got.

Without it nobody could know whether a TERM was meant for bwrun alone (and must
be forwarded) or reached the command already (and would arrive twice).
"""

from __future__ import annotations

import fcntl
import os
import select
import time

from bwrun.base import prctl, signals
from bwrun.supervisor import proc

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from typing import NoReturn

WAIT = 0.05  # seconds to wait for the canary's word; 0.03 ms is the median, but on a busy machine it can be late
WINDOW = 0.1  # seconds for which the canary's word counts
WORD = 9  # bytes of it: the signal's number, and when it came in ns of the monotonic clock, which all processes share
CHECK_LIFE = 60.0  # seconds


class Canary:
    """The supervisor's side."""

    def __init__(self, pid: int, events: int, life: int) -> None:
        """`events`: a word for each signal comes here; `life`: closing it ends the canary."""
        self.pid = pid
        self._events: int | None = events
        self._life = life
        self._seen: list[tuple[float, int]] = []

    @classmethod
    def start(cls) -> Canary:
        """
        Fork the canary and wait until its handlers stand.

        Raises OSError: no process.
        """
        events_read, events_write = os.pipe()
        life_read, life_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _sing(events_write, life_read)
            finally:
                os._exit(1)
        os.close(events_write)
        os.close(life_read)
        os.read(events_read, 1)
        os.set_blocking(events_read, False)
        return cls(pid, events_read, life_write)

    def heard(self, number: int) -> bool:
        """
        Return whether the group as a whole got signal `number` just now; waits up to WAIT seconds.

        Within WINDOW seconds all signals of one number are one: timeout(1)
        sends its signal to the pid and to the group, and that shall arrive once.
        """
        end = time.monotonic() + WAIT
        while True:
            now = time.monotonic()
            self._seen = [(when, which) for when, which in self._seen if now - when < WINDOW]
            if any(which == number for _, which in self._seen):
                return True
            if self._events is None or now >= end:
                return False
            poll = select.poll()
            poll.register(self._events, select.POLLIN)
            if poll.poll(max(1, (end - now) * 1000)):
                self._take()

    def _take(self) -> None:
        data = os.read(self._events, WORD * 64) if self._events is not None else b""
        if not data:
            self._events = None  # dead: forward everything from now on
        for at in range(0, len(data) - WORD + 1, WORD):
            number, *when = data[at : at + WORD]
            self._seen.append((int.from_bytes(when) / 1e9, number))

    def end(self) -> None:
        """End and reap the canary."""
        for descriptor in (self._life, self._events):
            if descriptor is not None:
                os.close(descriptor)
        self._events = None
        try:
            # It may have died alone and been reaped: its pid may be a stranger's by now.
            if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
                os.kill(self.pid, signals.SIGKILL)
                os.waitpid(self.pid, 0)
        except OSError:
            pass


def _sing(events: int, life: int) -> NoReturn:
    signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    proc.rename("signal-canary", command_line=True)
    prctl.hide_memory()
    proc.close_all_but(events, life)
    proc.to_null(0, 1, 2)
    os.chdir("/")
    # The kernel says with SIGIO that the supervisor's end of `life` is closed.
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | fcntl.FASYNC)
    os.write(events, b"\0")
    poll = select.poll()
    poll.register(life, select.POLLIN)
    while not poll.poll(0):
        info = signals.sigtimedwait(signals.valid_signals(), CHECK_LIFE)
        if info is not None and not (info.si_signo == signals.SIGIO and info.si_code > 0):
            # When it came, not when it is read: an old word must not stand for a new signal.
            os.write(events, bytes((info.si_signo,)) + time.monotonic_ns().to_bytes(WORD - 1))
    os._exit(0)
