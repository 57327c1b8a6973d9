"""
The Linux half: prctl(2), signals with their sender (sigtimedwait(2)), SIGIO when data arrives, pidfds.

All signals are blocked in a process that waits for them here, so none interrupts it at another time.
"""

from __future__ import annotations

import ctypes  # here, before the forks: to import it in janitor and canary delays each run by 10 ms
import fcntl
import os
import select
import sys

from bwrun.base import signals
from bwrun.system.common import ENDED, Received, Watch

assert sys.platform == "linux"  # noqa: S101  (for mypy, which passes over this module on other platforms)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_PR_SET_PDEATHSIG = 1  # the numbers of linux/prctl.h
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def hide_memory() -> None:
    """
    Make this process non-dumpable: no core file, no ptrace, and no /proc/PID/{mem,environ} for the same user.

    It lasts until the next execve (prctl(2), PR_SET_DUMPABLE).
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def show_memory() -> None:
    """Undo `hide_memory()`, in a process that holds no secret after all."""
    _prctl(_PR_SET_DUMPABLE, 1)


def restore_limits() -> None:
    """Undo what `hide_memory()` changed and execve does not: nothing."""


def die_with_parent(parent: int, *, after_exec: bool = False) -> None:  # noqa: ARG001  (the kernel keeps it)
    """
    Have the kernel kill this process as soon as its parent ends.

    `parent` is the pid that the parent is expected to have. If the parent is another process by now, it has ended
    already, and this process ends at once with status 1.
    """
    _prctl(_PR_SET_PDEATHSIG, signals.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def outlive_parent(parent: int) -> None:  # noqa: ARG001  (the other half needs it)
    """Undo `die_with_parent()`, which the command would inherit through execve."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that even a daemon can still be found."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_writers(pipe: int) -> None:
    """
    Have the kernel kill this process group when nobody holds the write end of a pipe any more; if so already, end.

    `pipe` is the read end. The kernel does so as long as a process has it open, also after execve (F_SETSIG in
    fcntl(2)).
    """
    fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signals.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | fcntl.FASYNC)
    poll = select.poll()
    poll.register(pipe, 0)
    if poll.poll(0):
        os._exit(1)


def prepare_signals() -> None:
    """Prepare this process for `wait_signal()`: there is nothing to do."""


def wake_on(descriptor: int) -> None:
    """Have `wait_signal()` return when data arrives at `descriptor`, or its other end is closed: by SIGIO."""
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | fcntl.FASYNC)


def stop_waking(descriptor: int) -> None:
    """Undo `wake_on()`, before the descriptor is closed: closing it does that already."""


def wait_signal(numbers: Collection[int], seconds: float) -> Received | None:
    """
    Wait for one of the signals `numbers`, which are blocked, and take it.

    Return None after so many `seconds`, or when data has arrived.
    """
    info = signals.sigtimedwait(numbers, seconds)
    if info is None or (info.si_signo == signals.SIGIO and info.si_code > 0):
        return None
    by_kernel = info.si_code > 0
    return Received(info.si_signo, None if by_kernel else info.si_pid, by_kernel=by_kernel)


def has_arrived(number: int) -> bool:
    """Return whether signal `number`, which is blocked, waits to be taken."""
    return number in signals.sigpending()


def set_default(number: int) -> None:
    """Let signal `number` do what it does to any process: it does already."""


def unset_default(number: int) -> None:
    """Undo `set_default()`."""


def watch_process(pid: int) -> Watch:
    """Return a Watch for process `pid`, which does not mistake another process for it."""
    try:
        return _PidfdWatch(os.pidfd_open(pid))
    except OSError:  # this Linux has no pidfds, or the process is dead
        from bwrun.system.ticking import TickingWatch  # noqa: PLC0415  (hardly ever needed)

        return TickingWatch(pid)


class _PidfdWatch(Watch):
    def __init__(self, pidfd: int) -> None:
        self.descriptor: int = pidfd
        self._poll = select.poll()
        self._poll.register(pidfd, select.POLLIN)

    def add(self, descriptor: int) -> None:
        self._poll.register(descriptor, select.POLLIN | select.POLLHUP)

    def wait(self, seconds: float | None) -> Sequence[int]:
        ready = [number for number, _ in self._poll.poll(None if seconds is None else seconds * 1000)]
        if self.descriptor in ready:
            self._poll.unregister(self.descriptor)
            ready[ready.index(self.descriptor)] = ENDED
        return ready

    def has_ended(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def send(self, number: int) -> None:
        try:
            signals.pidfd_send_signal(self.descriptor, number)
        except OSError:
            pass
