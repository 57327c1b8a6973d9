"""What Linux offers a process that holds secrets: no core, no ptrace by the same user, death with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_DUMPABLE = 4


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent is gone."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def outlive_parent() -> None:
    """Undo `die_with_parent()`: it would be inherited through execve."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def close_memory() -> None:
    """
    Forbid core files, ptrace and /proc/PID/{mem,environ} to processes of the same user.

    The kernel opens them again at the next execve (prctl(2), PR_SET_DUMPABLE).
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def has_parent(pid: int) -> bool:
    """Return whether `pid` is still this process's parent."""
    return os.getppid() == pid
