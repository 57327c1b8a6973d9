"""
Finding a `.env` above the working directory, in the same git repository.

The search ends at the root of the repository: the first directory that contains `.git`, which is a file in a worktree
and in a submodule. Outside of a repository, nothing is found. The search never leaves the home directory upwards, the
file system (as git does not either), or what belongs to this user or root. It does not enter a directory in which
everybody can make files, such as /tmp. It does not look in `/`.
"""

from __future__ import annotations

import os
import stat

from bwrun.settings.env_files import DEFAULT_ENV_FILE

WRITABLE_BY_ALL = 0o002


def find_in_parents(home: str | None) -> str | None:
    """
    Return the path of the nearest `.env` above the working directory, which is not the root of a repository.

    None: there is none. `home` is the home directory, if it is known. A search costs three system calls for each
    directory, and three more.
    """
    try:
        directory = os.getcwd()
        status = os.stat(".")
    except OSError:
        return None  # the working directory was removed
    end = _identity(home)
    found = None
    while (status.st_dev, status.st_ino) != end:
        parent = os.path.dirname(directory)
        above = None if parent in ("/", directory) else _trusted_status(parent)
        if above is None or above.st_dev != status.st_dev:
            return None
        directory, status = parent, above
        if found is None and _is_file(path := os.path.join(directory, DEFAULT_ENV_FILE)):
            found = path
        if os.path.lexists(os.path.join(directory, ".git")):
            return found
    return None


def _trusted_status(directory: str) -> os.stat_result | None:
    """Return the status of a directory; None if it is somebody else's, or everybody can make files in it."""
    try:
        status = os.stat(directory)
    except OSError:
        return None
    is_own = status.st_uid in (os.geteuid(), 0) and not status.st_mode & WRITABLE_BY_ALL
    return status if is_own else None


def _identity(path: str | None) -> tuple[int, int] | None:
    """Return by which numbers the system knows the directory at `path`, if there is one."""
    try:
        status = os.stat(path) if path else None
    except (OSError, ValueError):
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def _is_file(path: str) -> bool:
    """Return whether there is something at `path` that is not a directory: a Python venv may have the name `.env`."""
    try:
        return not stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False
