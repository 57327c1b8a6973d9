"""
Start times of processes on a system without Linux's /proc, from psutil.

psutil is imported when it is needed first. If it cannot tell, a process counts as alive unless it is known to be dead.
"""

from __future__ import annotations

import os
import sys

DIFFERENCE = 1.0  # seconds by which two looks at one process may differ: some systems compute its start from two clocks


def _look(pid: int) -> tuple[float, bool] | None:
    """
    Return when process `pid` started, in seconds since the epoch, and whether it is a zombie; None if that is unknown.

    Raises ProcessLookupError: there is no such process.
    """
    if sys.platform == "linux" and not os.path.exists("/proc/self/stat"):
        return None  # psutil would print a traceback when it is imported
    from bwrun.system import process_library  # noqa: PLC0415  (psutil takes 20 ms to import)

    return process_library.look(pid)


def start_time(pid: int) -> str:
    """
    Return when process `pid` was started, in seconds since the epoch; "0" if that is not known.

    Pid and start time together name one process, even if the pid is used again.
    """
    try:
        found = _look(pid)
    except ProcessLookupError:
        found = None
    return "0" if found is None else f"{found[0]:.3f}"


def is_alive(pid: int, started: str) -> bool:
    """Return whether the process `pid` that was started at `started` still runs. A zombie does not."""
    try:
        found = _look(pid)
        if found is None:
            os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if found is None:
        return True
    created, is_zombie = found
    return not is_zombie and (started == "0" or abs(created - _seconds(started)) < DIFFERENCE)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # no process started then


def is_asleep(pid: int) -> bool | None:  # noqa: ARG001  (as in the other half)
    """Return None: macOS calls every process that is not stopped a running one."""
    return None


def parent(pid: int) -> int:  # noqa: ARG001  (as in the other half)
    """Return 0: nobody asks where it is not known who reads a pipe."""
    return 0


def is_descendant(pid: int, ancestor: int) -> bool:
    """Return whether `pid` is `ancestor`: nobody asks for more where the sender of a signal is not known."""
    return pid == ancestor


def set_name(name: str, *, command_line: bool = False) -> None:
    """Do nothing: there is no portable way to change the name of a process."""
