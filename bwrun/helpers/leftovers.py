"""
The helper of `--kill-leftovers`: ends every process that descends from the supervisor. The only caller of psutil.

The supervisor adopts orphans for this option, so that a daemon that changed
its session and group, and whose parents have ended, is still a descendant.
"""

from __future__ import annotations

import sys

import psutil

GRACE = 5.0  # seconds between TERM and KILL
ROUNDS = 5  # a process may start others while it is ended


def main(words: list[str]) -> None:
    """Take the supervisor's pid and the pids to spare; print how many processes were ended."""
    supervisor, *spared = map(int, words)
    sys.stdout.write(f"{end_descendants(supervisor, set(spared))}\n")


def end_descendants(supervisor: int, spared: set[int]) -> int:
    """End all descendants of `supervisor` but this process and the `spared`; return how many."""
    ended: set[int] = set()
    for _ in range(ROUNDS):
        found = _descendants(supervisor, spared)
        if not found:
            break
        ended |= {process.pid for process in found}
        for process in found:
            _send(process, psutil.Process.terminate)
            _send(process, psutil.Process.resume)  # a stopped one would not see it
        _, alive = psutil.wait_procs(found, timeout=GRACE)
        for process in alive:
            _send(process, psutil.Process.kill)
        psutil.wait_procs(alive, timeout=GRACE)
    return len(ended)


def _descendants(supervisor: int, spared: set[int]) -> list[psutil.Process]:
    try:
        children = psutil.Process(supervisor).children(recursive=True)
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
        pass  # gone, or another user's
