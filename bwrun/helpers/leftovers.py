"""
The helper of `--kill-leftovers`: it ends all processes that the command left running.

For this option the supervisor adopts orphans, so that every process that comes from the command is a descendant of the
supervisor, even a daemon with a session and a process group of its own. This is the only module that imports psutil.
"""

from __future__ import annotations

import sys

import psutil

GRACE = 5.0  # seconds between TERM and KILL
ROUNDS = 5  # because a process may start others before it ends


def main(words: list[str]) -> None:
    """End the descendants of the process words[0], except the processes words[1:], and print how many there were."""
    supervisor, *spared = map(int, words)
    sys.stdout.write(f"{end_descendants(supervisor, set(spared))}\n")


def end_descendants(supervisor: int, spared: set[int]) -> int:
    """End all descendants of `supervisor`, except this process and those in `spared`; return how many."""
    ended: set[int] = set()
    for _ in range(ROUNDS):
        found = _descendants(supervisor, spared)
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
        pass  # it has ended, or belongs to another user
