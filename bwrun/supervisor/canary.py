"""
The signal canary: a process of bwrun's process group that reports every signal it receives.

A signal that the canary receives was sent to the whole group, so the command has received it too. A signal that only
the supervisor receives was sent to bwrun alone and must be forwarded. Without the canary the two could not be told
apart, and a forwarded signal could reach the command twice.
"""

from __future__ import annotations

import os
import select
import time

from bwrun.base import signals
from bwrun.supervisor.printing import drop_own_sigpipe
from bwrun.system import calls, descriptors, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

WAIT = 0.05  # seconds to wait for the report of a canary that sleeps; it takes 0.03 ms in the median
WAIT_FOR_CORE = 2.0  # seconds to wait for the report of a canary that has work to do, but no core yet
WINDOW = 0.1  # seconds during which all signals with the same number count as one
MESSAGE_SIZE = 9  # bytes of a report: the signal's number, and 8 bytes with its time in ns (time.monotonic_ns())
QUESTION = b"?"  # the canary answers it with a report whose number is 0, after its other reports
CHECK_INTERVAL = 60.0  # seconds between looks whether the supervisor still runs


class Canary:
    """The supervisor's side of the canary."""

    def __init__(self, pid: int, events: int, life: int) -> None:
        """`events` is a pipe with the canary's reports; the canary ends when `life`, another pipe, is closed."""
        self.pid = pid
        self._events: int | None = events
        self._life = life
        self._seen: list[tuple[float, int]] = []
        self._open_questions = 0

    @classmethod
    def start(cls) -> Canary:
        """
        Fork the canary, and wait until it is ready to receive signals.

        Raises OSError: the system allows no more processes or descriptors.
        """
        events_read, events_write = os.pipe()
        life_read, life_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _run_canary(events_write, life_read)
            finally:
                os._exit(1)
        os.close(events_write)
        os.close(life_read)
        os.read(events_read, 1)
        os.set_blocking(events_read, False)
        return cls(pid, events_read, life_write)

    def group_received(self, number: int, since: float) -> bool:
        """
        Return whether the whole process group has received signal `number`, which bwrun has just received.

        `since` is when bwrun began to wait for a signal, in seconds of time.monotonic(). Reports from that time on
        count, even if bwrun reads them late because the machine is busy.

        timeout(1) sends its signal to the pid and to the group. All signals of the same number within WINDOW seconds
        count as one, so that the command receives it once.

        Wait for the report: WAIT seconds if the canary has nothing to do, up to WAIT_FOR_CORE seconds if it has.
        """
        began = time.monotonic()
        asked = False
        while True:
            idle = processes.is_asleep(self.pid)
            if idle is None:  # the system does not tell
                if not asked and time.monotonic() - began >= WAIT:
                    asked = self._ask()
                self._take()
                idle = asked and self._open_questions == 0
            self._take()  # after that look: the canary reports before it falls asleep
            now = time.monotonic()
            self._seen = [(when, which) for when, which in self._seen if when >= since or now - when < WINDOW]
            if any(which == number for _, which in self._seen):
                return True
            if self._events is None or now - began >= (WAIT if idle else WAIT_FOR_CORE):
                return False
            poll = select.poll()
            poll.register(self._events, select.POLLIN)
            poll.poll(10)  # ms

    def _take(self) -> None:
        """Read the reports that have arrived."""
        try:
            data = os.read(self._events, MESSAGE_SIZE * 64) if self._events is not None else b""
        except BlockingIOError:
            return  # none
        if not data:
            self._events = None  # the canary died: forward every signal from now on
        for at in range(0, len(data) - MESSAGE_SIZE + 1, MESSAGE_SIZE):
            number, *when = data[at : at + MESSAGE_SIZE]
            if number == 0:
                self._open_questions -= 1
            else:
                self._seen.append((int.from_bytes(when) / 1e9, number))

    def _ask(self) -> bool:
        """Ask the canary to answer when it has reported everything."""
        try:
            os.write(self._life, QUESTION)
        except OSError:
            drop_own_sigpipe()
            return True  # it died, which `_take()` will see
        self._open_questions += 1
        return True

    def end(self) -> None:
        """Kill and reap the canary."""
        for descriptor in (self._life, self._events):
            if descriptor is not None:
                os.close(descriptor)
        self._events = None
        try:
            # If it has died and been reaped before, its pid may belong to another process by now.
            if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
                os.kill(self.pid, signals.SIGKILL)
                os.waitpid(self.pid, 0)
        except OSError:
            pass


def _run_canary(events: int, life: int) -> NoReturn:
    """Report signals until the supervisor ends. This runs in the canary's process."""
    signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    processes.set_name("signal-canary", command_line=True)
    calls.hide_memory()
    descriptors.close_all_but(events, life)
    descriptors.redirect_to_null(0, 1, 2)
    os.chdir("/")
    os.set_blocking(life, False)
    calls.prepare_signals()
    calls.wake_on(life)  # when the supervisor asks, or its end is closed
    os.write(events, b"\0")
    while (questions := _read(life)) != b"":
        if questions is not None:
            while _report(events, 0):
                pass
            os.write(events, bytes(MESSAGE_SIZE) * len(questions))
        _report(events, CHECK_INTERVAL)
    os._exit(0)


def _report(events: int, seconds: float) -> bool:
    """Wait for a signal and report it; return whether one came."""
    received = calls.wait_signal(signals.valid_signals(), seconds)
    if received is None:
        return False
    # With its time, so that the supervisor cannot take an old report for a new signal.
    os.write(events, bytes((received.number,)) + time.monotonic_ns().to_bytes(MESSAGE_SIZE - 1))
    return True


def _read(life: int) -> bytes | None:
    """Return the questions of the supervisor, None if there are none; empty: it has ended."""
    try:
        return os.read(life, 64)
    except BlockingIOError:
        return None
