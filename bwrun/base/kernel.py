"""What Linux offers a process beyond the `os` module: no core, no ptrace, death with a parent, adoption."""

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


def outlive_parent() -> None:
    """Undo `die_with()`: it would be inherited through execve."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, as PID 1 would (a daemon stays findable)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
