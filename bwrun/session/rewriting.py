"""
Changing one value in a session's data.json while the official CLI may be at work on it.

The CLI takes a lock for each single read and write: the directory
`data.json.lock`, stale when 10 s old (proper-lockfile 4, as that CLI uses it:
apps/cli/src/platform/services/lowdb-storage.service.ts).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bwrun.base.errors import SessionError
from bwrun.base.sensitive import Sensitive

STALE = 10.0  # seconds
PATIENCE = 15.0  # seconds
PAUSE = 0.05  # seconds


def replace_access_token(path: str, token: Sensitive) -> None:
    """
    Put a new access token into the session; everything else stays as the CLI left it.

    Raises SessionError: the file is gone, or nobody is logged in there any more.
    """
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
    """Replace the file at once: whoever reads sees the old or the new one."""
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
