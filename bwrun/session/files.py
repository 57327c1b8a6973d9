"""Writing private files into the session's directory. The supervisor makes that directory and removes it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Protocol

from bwrun.base.errors import SessionError
from bwrun.base.writing import write_all

FOLDER = "files"  # for the files that the user asked for, so that none can have the name of a file of the session


class NamedContent(Protocol):
    """A file to write, and the variable that is to hold its path."""

    @property
    def variable(self) -> str:
        """The name of the variable."""

    @property
    def name(self) -> str:
        """The name of the file, without a directory."""

    @property
    def content(self) -> bytes:
        """The content of the file."""


def write_files(directory: str, files: Iterable[NamedContent]) -> dict[str, str]:
    """
    Write the files into the session's directory; return their paths, by variable.

    Raises SessionError: a file cannot be written.
    """
    folder = os.path.join(directory, FOLDER)
    paths: dict[str, str] = {}
    for file in files:
        if not paths:
            _make(folder)
        write_private(folder, file.name, [file.content])
        paths[file.variable] = os.path.join(folder, file.name)
    return paths


def write_private(directory: str, name: str, parts: Sequence[bytes | memoryview]) -> None:
    """
    Write a new file with mode 0600, whatever the umask. Its content is all `parts` in order.

    Raises SessionError: the file exists, or cannot be written.
    """
    try:
        descriptor = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            write_all(descriptor, parts)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failure(directory, error, sum(map(len, parts))) from None


def _make(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
        os.chmod(folder, 0o700)
    except OSError as error:
        raise _failure(folder, error, 0) from None


def _failure(directory: str, error: OSError, size: int) -> SessionError:
    needed = f"{size / 1024:.0f} KiB" if size else "a directory"
    return SessionError(
        "write", f"cannot write the session to `{directory}`: {os.strerror(error.errno or 0)}",
        f"make sure that {needed} can be written there, or set BWRUN_RUNTIME_DIR to another directory",
    )  # fmt: skip
