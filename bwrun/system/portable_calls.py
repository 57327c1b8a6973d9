"""
The portable half: what POSIX and macOS have in place of Linux's calls.

Where a system has no such thing, the function says what it does instead. docs/macos.md lists what is weaker for it.
"""

from __future__ import annotations

import os
import resource
import select
import sys
import time

from bwrun.base import signals
from bwrun.system.common import Received, Watch
from bwrun.system.self_pipe import SelfPipe
from bwrun.system.ticking import TickingWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

PARENT_LOOK = 0.2  # seconds between looks whether the parent still runs
_PT_DENY_ATTACH = 31  # sys/ptrace.h of macOS


class _Process:
    """What this process has to remember."""

    core_limit: tuple[int, int] | None = None  # the limit that `hide_memory()` changed
    self_pipe: SelfPipe | None = None


def hide_memory() -> None:
    """
    Forbid core files and, on macOS, debuggers (ptrace(2), PT_DENY_ATTACH).

    Other processes of the same user may read the memory all the same, where the system lets them.
    """
    if _Process.core_limit is None:
        try:
            limit = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (0, limit[1]))
            _Process.core_limit = limit
        except (OSError, ValueError):
            pass
    if sys.platform == "darwin":
        import ctypes  # noqa: PLC0415  (only there)

        ctypes.CDLL(None).ptrace(_PT_DENY_ATTACH, 0, None, 0)


def show_memory() -> None:
    """Allow core files again. Debuggers stay forbidden."""
    restore_limits()


def restore_limits() -> None:
    """Give back the limit of core files that `hide_memory()` changed: the command would inherit it."""
    if _Process.core_limit is not None:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, _Process.core_limit)
        except (OSError, ValueError):
            pass
        _Process.core_limit = None


def die_with_parent(parent: int, *, after_exec: bool = False) -> None:
    """
    Have a thread kill this process soon after its parent ends.

    `parent` is the pid that the parent is expected to have. If the parent is another process by now, it has ended
    already, and this process ends at once with status 1. With `after_exec`, this process will call execve, which ends
    threads: then it outlives its parent.
    """
    if os.getppid() != parent:
        os._exit(1)
    if not after_exec:
        import _thread  # noqa: PLC0415

        _thread.start_new_thread(_kill_with, (parent,))


def _kill_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_LOOK)
    os.kill(os.getpid(), signals.SIGKILL)


def outlive_parent(parent: int) -> None:
    """End with status 1 if the parent has ended: no command may start that nobody guards. execve ends the thread."""
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Do nothing: `--kill-leftovers`, which needs it, is refused."""


def die_with_writers(pipe: int) -> None:
    """Do nothing: nobody ends this process when supervisor and janitor are both killed."""


def prepare_signals() -> None:
    """Prepare this process for `wait_signal()`. All signals must be blocked. Raises OSError."""
    _Process.self_pipe = SelfPipe()


def _self_pipe() -> SelfPipe:
    if _Process.self_pipe is None:
        prepare_signals()
    assert _Process.self_pipe is not None  # noqa: S101  (for mypy)
    return _Process.self_pipe


def wake_on(descriptor: int) -> None:
    """Have `wait_signal()` return when data arrives at `descriptor`, or its other end is closed."""
    _self_pipe().watch(descriptor)


def stop_waking(descriptor: int) -> None:
    """Undo `wake_on()`, before the descriptor is closed and its number may be another's."""
    if _Process.self_pipe is not None:
        _Process.self_pipe.forget(descriptor)


def wait_signal(numbers: Collection[int], seconds: float) -> Received | None:
    """
    Wait for one of the signals `numbers`, which are blocked, and take it.

    Return None after so many `seconds`, or when data has arrived.
    """
    return _self_pipe().wait(numbers, seconds)


def has_arrived(number: int) -> bool:
    """Return whether signal `number`, which is blocked, waits to be taken."""
    return number in signals.sigpending() or (_Process.self_pipe is not None and _Process.self_pipe.holds(number))


def set_default(number: int) -> None:
    """Let signal `number` do what it does to any process, because this process is to stop by it."""
    if signals.getsignal(number) != signals.SIG_IGN:
        signals.signal(number, signals.SIG_DFL)


def unset_default(number: int) -> None:
    """Undo `set_default()`."""
    if _Process.self_pipe is not None:
        _Process.self_pipe.catch(number)


def watch_process(pid: int) -> Watch:
    """Return a Watch for process `pid`, which does not mistake another process for it."""
    if sys.platform != "linux" and hasattr(select, "kqueue"):
        from bwrun.system.kqueue_watching import KqueueWatch  # noqa: PLC0415  (not every system has kqueue)

        try:
            return KqueueWatch(pid)
        except OSError:
            pass  # the process is dead
    return TickingWatch(pid)
