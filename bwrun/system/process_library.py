"""What psutil does for bwrun: when a process started, and ending all descendants of a process."""

from __future__ import annotations

import psutil

GRACE = 5.0  # seconds between TERM and KILL
ROUNDS = 5  # because a process may start others before it ends


def look(pid: int) -> tuple[float, bool] | None:
    """
    Return when process `pid` started, in seconds since the epoch, and whether it is a zombie; None if that is unknown.

    Raises ProcessLookupError: there is no such process.
    """
    try:
        process = psutil.Process(pid)
        return process.create_time(), process.status() == psutil.STATUS_ZOMBIE
    except psutil.ZombieProcess:
        return 0.0, True
    except psutil.NoSuchProcess:
        raise ProcessLookupError from None
    except (psutil.Error, OSError):
        return None


def end_descendants(ancestor: int, spared: set[int]) -> int:
    """End all descendants of the process `ancestor`, except this process and those in `spared`; return how many."""
    ended: set[int] = set()
    for _ in range(ROUNDS):
        found = _descendants(ancestor, spared)
        if not found:
            break
        ended |= {process.pid for process in found}
        for process in found:
            _send(process, psutil.Process.terminate)
            _send(process, psutil.Process.resume)  # a stopped process would not handle it
        _, alive = psutil.wait_procs(found, timeout=GRACE)
        for process in alive:
            _send(process, psutil.Process.kill)
        psutil.wait_procs(alive, timeout=GRACE)
    return len(ended)


def _descendants(ancestor: int, spared: set[int]) -> list[psutil.Process]:
    try:
        children = psutil.Process(ancestor).children(recursive=True)
        own = psutil.Process()
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if child.pid not in spared and child != own and not _is_dead(child)]


def _is_dead(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _send(process: psutil.Process, method: object) -> None:
    try:
        if callable(method):
            method(process)
    except psutil.Error:
        pass  # it has ended, or belongs to another user
