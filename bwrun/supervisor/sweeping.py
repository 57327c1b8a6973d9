"""Sweeping: removing the session directories whose owner is dead, which killed runs left behind."""

from __future__ import annotations

import os
import time

from bwrun.supervisor import directory
from bwrun.supervisor.removing import open_own, remove

UNMARKED_AGE = 600  # seconds; an older directory without the file `owner` is abandoned


def sweep(base: str) -> int:
    """Remove the session directories in `base` whose owner is dead; return how many."""
    return sum(sweep_one(path) for path in find_sessions(base))


def find_sessions(base: str) -> list[str]:
    """Return the paths in `base` whose names are those of session directories."""
    try:
        return [os.path.join(base, name) for name in os.listdir(base) if directory.is_session_name(name)]
    except OSError:
        return []


def sweep_one(path: str) -> bool:
    """Remove a session directory if its owner is dead; return whether it was removed."""
    try:
        if os.lstat(path).st_uid != os.geteuid():
            return False  # another user's
        descriptor = open_own(None, path)  # the command may have closed it
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or not directory.lock(descriptor) or not directory.is_same(path, descriptor):
            return False  # another user's, in use, or just removed by another sweep
        lives = directory.is_owner_alive(descriptor)
        if lives or (lives is None and time.time() - status.st_mtime < UNMARKED_AGE):
            return False
        return remove(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
