"""What Linux's prctl(2) can do for a process: hide its memory, end it with its parent, adopt orphans."""

from __future__ import annotations

import ctypes
import os
import sys

from bwrun.base import signals

_PR_SET_PDEATHSIG = 1  # the numbers of linux/prctl.h
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
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


def die_with_parent(parent: int) -> None:
    """
    Have the kernel kill this process as soon as its parent ends.

    `parent` is the pid that the parent is expected to have. If the parent is another process by now, it has ended
    already, and this process ends at once with status 1.
    """
    _prctl(_PR_SET_PDEATHSIG, signals.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def outlive_parent() -> None:
    """Undo `die_with_parent()`, which the command would inherit through execve."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that even a daemon can still be found."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
