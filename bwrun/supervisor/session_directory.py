"""
The session's directory: places for it are looked for at the start, it is made when the worker asks for it.

A run that needs no directory (`--no-session`, `--check`, `--list`, a reused session) writes nothing.
"""

from __future__ import annotations

import os

from bwrun.base.channel import CHECK_DIRECTORY, GO, NO_DIRECTORY, REFUSED
from bwrun.supervisor import bases, directory, sweeping


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
            self._bases, self._problems = bases.find_bases(os.environ)
        except bases.UnusableBaseError as error:
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
        return [] if self.path is None else [path for base in self._bases for path in sweeping.find_sessions(base)]
