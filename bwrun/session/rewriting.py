"""
Changing the access token in data.json while the official CLI may be reading and writing it.

The CLI locks the file for each read and each write.  Its lock is the directory
`data.json.lock`, which is stale if it is more than 10 s old (proper-lockfile 4,
as apps/cli/src/platform/services/lowdb-storage.service.ts uses it).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bwrun.base.errors import SessionError
from bwrun.base.sensitive import Sensitive

DATA_FILE = "data.json"
STALE = 10.0  # seconds
PATIENCE = 15.0  # seconds
PAUSE = 0.05  # seconds


def replace_access_token(directory: str, token: Sensitive) -> None:
    """
    Put a new access token into the session in `directory`. Everything else stays as it is.

    Raises SessionError: the session is gone or logged out, or stays locked for
    15 seconds, or cannot be written.
    """
    path = os.path.join(directory, DATA_FILE)
    with _locked(path):
        try:
            with open(path, "rb") as file:
                state = json.load(file)
        except (OSError, ValueError, RecursionError):
            raise SessionError("gone", "cannot read the session's data.json") from None
        name = (
            f"user_{state.get('global_account_activeAccountId')}_token_accessToken" if isinstance(state, dict) else ""
        )
        if not isinstance(state, dict) or not state.get(name):
            raise SessionError("logged-out", "the command has logged out of its session")
        state[name] = token.reveal().decode("ascii")
        _write(path, json.dumps(state, separators=(",", ":")).encode("ascii"))


def _write(path: str, data: bytes) -> None:
    """Replace the file by a rename, so that a reader gets the old or the new content and no mixture."""
    new = f"{path}.new"
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            file.write(data)
        os.replace(new, path)
    except OSError as error:
        raise SessionError("write", f"cannot write the session's data.json: {os.strerror(error.errno or 0)}") from None


@contextmanager
def _locked(path: str) -> Iterator[None]:
    lock = f"{path}.lock"
    end = time.monotonic() + PATIENCE
    while True:
        try:
            os.mkdir(lock, 0o700)
            break
        except FileExistsError:
            _remove_stale(lock)
        except OSError:
            raise SessionError("gone", "the session's directory is gone") from None
        if time.monotonic() > end:
            raise SessionError("locked", "another process keeps the session's data.json locked")
        time.sleep(PAUSE)
    try:
        yield
    finally:
        try:
            os.rmdir(lock)
        except OSError:
            pass


def _remove_stale(lock: str) -> None:
    try:
        if time.time() - os.stat(lock).st_mtime > STALE:
            os.rmdir(lock)
    except OSError:
        pass
