"""
Where the session's directory goes: looked for at the start, made when the worker asks for one.

A run that needs none (`--no-session`, `--check`, `--list`, a reused session) leaves no trace of having looked.
"""

from __future__ import annotations

import os

from bwrun.base.channel import CHECK_DIRECTORY, GO, NO_DIRECTORY, REFUSED
from bwrun.supervisor import directory


class Place:
    """The directories that could be, and the one that is."""

    def __init__(self) -> None:
        """Look for base directories; nothing is made."""
        self.path: str | None = None
        self._bases: list[str] = []
        self._lock: int | None = None
        self._refusal = [
            b"no-directory",
            b"none of XDG_RUNTIME_DIR, /dev/shm, TMPDIR and /tmp is a directory that bwrun can use",
        ]
        try:
            self._bases = directory.bases(os.environ)
        except directory.UnusableBaseError as error:
            self._refusal = [b"runtime-dir", os.fsencode(str(error))]
        self.candidates = [directory.candidate(base) for base in self._bases]

    def answer(self, request: bytes) -> list[bytes]:
        """Return the answer to the worker: the directory is made, or only looked for, or not needed."""
        if request == NO_DIRECTORY or (request == CHECK_DIRECTORY and self.candidates):
            return [GO, b""]
        for path in self.candidates:
            try:
                self._lock = directory.make(path)
            except OSError as error:
                problem = f"`{os.path.dirname(path)}`: {os.strerror(error.errno or 0)}"
                self._refusal = [b"no-directory", os.fsencode(problem)]
            else:
                self.path = path
                return [GO, os.fsencode(path)]
        return [REFUSED, *self._refusal]

    def stale(self) -> list[str]:
        """Return the directories beside this run's that a sweep has to look at; none where nothing was made."""
        return [] if self.path is None else [path for base in self._bases for path in directory.sessions(base)]
