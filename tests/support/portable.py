"""
The portable half of bwrun, tested on Linux: `pytest --portable`.

All runs then are of a copy of the script `bwrun` whose first line has Python's option `-X bwrun-portable`.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

import psutil

from tests.support import program

OPTION = "-Xbwrun-portable"
SUPERVISOR = os.path.join("bwrun", "supervisor", "__main__.py")
WITHOUT_PROC = 'mount -t tmpfs none /proc && mount -t tmpfs -o mode=0 none /dev/shm && exec "$@"'


def script(folder: Path) -> Path:
    """Write the script into a folder that all users can read; return its path."""
    first, _, rest = program.BWRUN.read_text().partition("\n")
    folder.chmod(0o755)
    copy = folder / "bwrun"
    copy.write_text(f"{first} {OPTION}\n{rest}")
    copy.chmod(stat.S_IMODE(program.BWRUN.stat().st_mode))
    return copy


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
