"""
The cache of one account at one server: its file, its lock, and the note of a login that failed.

The lock makes parallel runs wait for the one that logs in. It is a lock of the kernel (flock(2)), so it ends with the
process that holds it. A login that fails is noted, so that the runs that waited for it need not try it again. The note
is sealed like the cache: only a run with the same credentials can read it.
"""

from __future__ import annotations

import fcntl
import json
import os
from hashlib import sha256

from bwrun import __version__
from bwrun.base.errors import BwrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bwrun.base.moment import Moment
    from bwrun.base.sensitive import Sensitive
    from bwrun.cache.place import Place
    from bwrun.cache.sealed_file import SealedFile
    from bwrun.cache.secrets import Secrets

CACHE, LOCK, FAILED = ".cache", ".lock", ".failed"  # the suffixes of the files
NAME_SIZE = 16  # bytes of the hash in a file's name


class ToldError(BwrunError):
    """The error of another run, for which this one waited."""

    def __init__(self, code: str, message: str, *hints: str) -> None:
        """Take what the other run reported."""
        super().__init__("told", message, *hints)
        self.code = code


class CacheStore:
    """The cache of one account at one server."""

    def __init__(self, place: Place, account: tuple[str, ...], secrets: Secrets) -> None:
        """`account` names it: the client id and the addresses of the server."""
        self._place = place
        words = "\0".join(account).encode("utf-8", "surrogateescape")
        self._name = sha256(words).digest()[:NAME_SIZE].hex()
        self._bound = words + b"\0" + __version__.encode()  # another version may write another form
        self._secrets = secrets
        self._locked: int | None = None  # the descriptor that holds the lock, or waits for it

    def exists(self, suffix: str = CACHE) -> bool:
        """Return whether there is a cache file, or another one, which may be anything."""
        try:
            os.lstat(self._name + suffix, dir_fd=self._place.descriptor)
        except OSError:
            return False
        return True

    def open(self) -> SealedFile | None:
        """Return the cache file; None if there is none that can be trusted."""
        from bwrun.cache.sealed_file import open_file  # noqa: PLC0415  (it imports `cryptography`)

        return open_file(self._place, self._name + CACHE, self._secrets, self._bound)

    def new(self, password: Sensitive | None = None) -> SealedFile:
        """
        Return a file with a key of its own, for `save()`. It takes 16 ms: do it beside something else.

        `password` is the right master password, if that of this store was wrong.
        """
        secrets = self._secrets if password is None else self._secrets.replaced(second=password)
        from bwrun.cache.sealed_file import new_file  # noqa: PLC0415

        return new_file(secrets, self._bound)

    def save(self, file: SealedFile, parts: dict[str, bytes], stamp: bytes) -> SealedFile | None:
        """Replace the cache file, under the key of `file`; return None if it cannot be written. The lock is needed."""
        saved = file.replace(self._place, self._name + CACHE, parts, stamp)
        if saved is not None:
            self._remove(FAILED)
        return saved

    def remove_own(self) -> None:
        """Remove the cache file if it opens with the secrets of this run; that of other secrets stays."""
        file = self.open()
        if file is not None and file.part("state") is not None:
            self._remove(CACHE)

    def try_lock(self) -> Callable[[], None] | None:
        """
        Take the lock; return the function that waits for it, None if it is taken already.

        That function may be called in a thread. The lock ends with the process, or by `unlock()`.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._locked = os.open(self._name + LOCK, flags, 0o600, dir_fd=self._place.descriptor)
        except OSError:
            self._locked = None
            return None  # the lock only saves logins
        try:
            fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            descriptor = self._locked
            return lambda: fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass  # this file system has no locks
        return None

    def unlock(self) -> None:
        """Let go of the lock, if this process has it."""
        if self._locked is not None:
            os.close(self._locked)
            self._locked = None

    def note_failure(self, error: BwrunError, now: Moment) -> None:
        """Note that the login failed, for the runs that wait for it."""
        told = {"code": error.code, "message": error.message, "hints": error.hints, "when": now.to_list()}
        self.new().replace(self._place, self._name + FAILED, {"state": json.dumps(told).encode()}, b"")

    def failure_since(self, began: Moment) -> ToldError | None:
        """Return the error of a run that failed after the moment `began`, None if there was none."""
        if not self.exists(FAILED):
            return None
        from bwrun.cache.sealed_file import open_file  # noqa: PLC0415

        file = open_file(self._place, self._name + FAILED, self._secrets, self._bound)
        state = None if file is None else file.part("state")
        if state is None:
            return None
        try:
            told = json.loads(state)
            is_new = began.is_before(told["when"])
            return ToldError(told["code"], told["message"], *told["hints"]) if is_new else None
        except (ValueError, TypeError, KeyError):
            return None

    def _remove(self, suffix: str) -> None:
        try:
            os.unlink(self._name + suffix, dir_fd=self._place.descriptor)
        except OSError:
            pass
