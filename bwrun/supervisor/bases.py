"""The base directories in which a session's directory can be made: in RAM if possible, and safe from other users."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class UnusableBaseError(Exception):
    """The directory in BWRUN_RUNTIME_DIR cannot be used; the text says why."""


def find_bases(environment: Mapping[str, str]) -> list[str]:
    """
    Return the base directories in which a session can be made, the best first: those in RAM before those on disk.

    If BWRUN_RUNTIME_DIR is set, it is the only one.

    Raises UnusableBaseError: BWRUN_RUNTIME_DIR is set and cannot be used.
    """
    chosen = environment.get("BWRUN_RUNTIME_DIR")
    if chosen:
        problem = why_unusable(chosen)
        if problem:
            raise UnusableBaseError(f"`{chosen}` (from BWRUN_RUNTIME_DIR) {problem}")
        return [os.path.realpath(chosen)]
    wanted = (environment.get("XDG_RUNTIME_DIR"), "/dev/shm", environment.get("TMPDIR"), "/tmp")  # noqa: S108
    found = [os.path.realpath(base) for base in wanted if base and why_unusable(base) is None]
    return list(dict.fromkeys(found))


def why_unusable(base: str) -> str | None:
    """
    Return why no session can be made in `base`; None if one can.

    The directory must belong to this user or to root, and others must not be able to write to it, unless it is sticky.
    """
    if not os.path.isabs(base):
        return "is not an absolute path"
    try:
        status = os.stat(base)
    except OSError as error:
        return f"cannot be used: {os.strerror(error.errno or 0)}"
    if not stat.S_ISDIR(status.st_mode):
        return "is not a directory"
    if status.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        return "is writable by other users"
    if not os.access(base, os.W_OK | os.X_OK):
        return "is not writable by you"
    return None
