"""What Linux offers a process beyond the `os` module: no core, no ptrace, death with others, adoption."""

from __future__ import annotations

import ctypes
import os
import sys

from bwrun.base import signals

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def close_memory() -> None:
    """
    Forbid core files, ptrace and /proc/PID/{mem,environ} to processes of the same user.

    The kernel opens them again at the next execve (prctl(2), PR_SET_DUMPABLE).
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent is gone; end at once if it is gone already."""
    _prctl(_PR_SET_PDEATHSIG, signals.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def die_with_writers(pipe: int) -> None:
    """
    Have the kernel kill this process group when the last write end of a pipe is closed; end at once if it is already.

    `pipe` is the read end; this process leads its group.  It lasts through every execve, as long as a process keeps
    the descriptor.
    """
    import fcntl  # noqa: PLC0415  (the worker needs none of it)
    import select  # noqa: PLC0415

    fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signals.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | fcntl.FASYNC)
    poll = select.poll()
    poll.register(pipe, 0)
    if poll.poll(0):
        os._exit(1)


def outlive_parent() -> None:
    """Undo `die_with()`: it would be inherited through execve."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, as PID 1 would (a daemon stays findable)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
