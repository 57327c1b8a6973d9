"""
The session's directory: places for it are looked for at the start, it is made when the worker asks for it.

A run that needs no directory (`--no-session`, `--check`, `--list`, a reused session) writes nothing.
"""

from __future__ import annotations

import os
import stat

from bwrun.base.channel import CHECK_DIRECTORY, GO, NO_DIRECTORY, REFUSED
from bwrun.supervisor import directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NOBODY = 65534  # who owns, to a user namespace, the files of users that it does not have (user_namespaces(7))


class UnusableBaseError(Exception):
    """The directory in BWRUN_RUNTIME_DIR cannot be used; the text says why."""


def bases(environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
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
        ("XDG_RUNTIME_DIR", environment.get("XDG_RUNTIME_DIR")), ("", "/dev/shm"),  # noqa: S108
        ("TMPDIR", environment.get("TMPDIR")), ("", "/tmp"),  # noqa: S108
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


class SessionDirectory:
    """The paths where the directory may be made, and the path where it was made."""

    def __init__(self) -> None:
        """Look for base directories, without making anything."""
        self.path: str | None = None  # None: no directory was made
        self._bases: list[str] = []
        self._lock: int | None = None  # the descriptor that holds the lock
        self._reason = b"no-directory"
        self._problems: list[str] = []  # one for each place that cannot be used
        try:
            self._bases, self._problems = bases(os.environ)
        except UnusableBaseError as error:
            self._reason, self._problems = b"runtime-dir", [str(error)]
        self.candidates = [directory.new_path(base) for base in self._bases]

    def answer(self, request: bytes) -> list[bytes]:
        """Return the answer to a request of the worker (`bwrun.base.channel`); make the directory if asked to."""
        if request == NO_DIRECTORY or (request == CHECK_DIRECTORY and self.candidates):
            return [GO, b""]
        for path in self.candidates:
            try:
                self._lock = directory.make(path)
            except OSError as error:
                self._problems.append(f"`{os.path.dirname(path)}` cannot be used: {os.strerror(error.errno or 0)}")
            else:
                self.path = path
                return [GO, os.fsencode(path)]
        return [REFUSED, self._reason, os.fsencode("; ".join(self._problems))]

    def stale_directories(self) -> list[str]:
        """Return the other session directories, whose owners may be dead; none if this run has made no directory."""
        return [] if self.path is None else [path for base in self._bases for path in directory.find_sessions(base)]
