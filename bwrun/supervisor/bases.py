"""The base directories in which a session's directory can be made: in RAM if possible, and safe from other users."""

from __future__ import annotations

import os
import stat

from bwrun.system import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NOBODY = 65534  # who owns, to a user namespace, the files of users that it does not have (user_namespaces(7))


class UnusableBaseError(Exception):
    """The directory in BWRUN_RUNTIME_DIR cannot be used; the text says why."""


def find_bases(environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """
    Return the base directories in which a session can be made, and why each of the other places cannot be used.

    The best come first: those in RAM before those on disk. If BWRUN_RUNTIME_DIR is set, it is the only one.

    Raises UnusableBaseError: BWRUN_RUNTIME_DIR is set and cannot be used.
    """
    chosen = environment.get("BWRUN_RUNTIME_DIR")
    if chosen:
        problem = why_unusable(chosen)
        if problem:
            raise UnusableBaseError(f"`{chosen}` (from BWRUN_RUNTIME_DIR) {problem}")
        return [os.path.realpath(chosen)], []
    found, refused = [], []
    for name, base in (
        ("XDG_RUNTIME_DIR", environment.get("XDG_RUNTIME_DIR")), *(("", place) for place in places.shared_places()),
        ("TMPDIR", environment.get("TMPDIR")), *(("", place) for place in places.own_places()), ("", "/tmp"),  # noqa: S108
    ):  # fmt: skip
        problem = why_unusable(base) if base else "is not set"
        if base and problem is None:
            found.append(os.path.realpath(base))
        else:
            place = f"`{base}` (from {name})" if base and name else name or f"`{base}`"
            refused.append(f"{place} {problem}")
    return list(dict.fromkeys(found)), refused


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
        nobody = " (nobody)" if status.st_uid == NOBODY else ""
        return f"belongs to user {status.st_uid}{nobody}, not to you or root"
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        return "is writable by other users"
    if not os.access(base, os.W_OK | os.X_OK):
        read_only = os.statvfs(base).f_flag & os.ST_RDONLY
        return "is on a read-only file system" if read_only else "is not writable by you"
    return None
