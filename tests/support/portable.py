"""Testing the portable half of bwrun on Linux (`pytest --portable`): its processes, and a system without /proc."""

from __future__ import annotations

import os
import shlex

import psutil

SUPERVISOR = "bwrun/supervisor/__main__.py"
WITHOUT_PROC = 'mount -t tmpfs none /proc && mount -t tmpfs -o mode=0 none /dev/shm && exec "$@"'


def without_proc() -> list[str]:
    """Return the words before a program that is to find neither /proc nor /dev/shm (only root can hide them)."""
    return ["unshare", "-m", "sh", "-c", WITHOUT_PROC, "sh"]


def name_of(process: psutil.Process) -> str:
    """
    Return the name of a process; of bwrun's own the name that it has on Linux.

    In the portable half they have no names: the janitor is the fork of the supervisor that leads a process session, and
    the canary is the first other one, before the masker.
    """
    name = process.name()
    if not is_fork(process):
        return "bwrun" if SUPERVISOR in shlex.join(process.cmdline()) else name
    if name in ("session-janitor", "signal-canary", "output-masker"):
        return name
    if os.getsid(process.pid) == process.pid:
        return "session-janitor"
    parent = process.parent()
    others = [] if parent is None else [child.pid for child in parent.children() if is_fork(child)]
    others = [pid for pid in others if os.getsid(pid) != pid]
    return "output-masker" if process.pid != min(others, default=process.pid) else "signal-canary"


def is_fork(process: psutil.Process) -> bool:
    """Return whether it is a fork of a supervisor."""
    parent = process.parent()
    if parent is None:
        return False
    words = process.cmdline()
    return process.name() in ("session-janitor", "signal-canary", "output-masker") or (
        words == parent.cmdline() and SUPERVISOR in shlex.join(words)
    )
