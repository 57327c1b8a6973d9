"""
The records of what a server asked to wait (`bwrun.network.remembered`), as files for parallel and later runs.

There is one file for each account, server and kind of request. Its name is a hash, so it does not show whose it is. It
is not known whether a server limits an account or an address, so runs of other accounts do not heed it.

What is wrong with a file is no error: it counts as if it were not there.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from bwrun.base.writing import write_all
from bwrun.cache.place import all_places, find_place
from bwrun.network.remembered import LARGEST, LOGINS, REQUESTS, Record, read_record
from bwrun.system import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bwrun.cache.place import Place

T = TypeVar("T")

SUFFIX = ".wait"
KINDS = (LOGINS, REQUESTS)


class Waits:
    """The records of one account on one server. Its methods may be called from several threads."""

    def __init__(self, environment: Mapping[str, str], client_id: str, identity: str) -> None:
        """Look at nothing yet. `environment` says where the files are, `identity` is the identity service's URL."""
        self._environment = environment
        self._account = f"{client_id.lower()}\0{identity}".encode("utf-8", "surrogateescape")
        self._seen: dict[str, Record | None] | None = None  # None: nobody has looked yet

    def now(self) -> float:
        """Return the seconds since the machine was started."""
        return clock.seconds()

    def recall(self, kind: str, *, anew: bool) -> Record | None:
        """Return the record that counts now; without `anew`, the one of the last time that somebody looked."""
        if anew or self._seen is None:
            self._seen = self._in_place(self._read_all, create=False) or {}
        return self._seen.get(kind)

    def remember(self, kind: str, record: Record) -> None:
        """Keep a record, unless another asks for a longer wait."""

        def write(place: Place) -> None:
            other = self._read(place, kind)
            if other is None or other.until < record.until:
                _write(place, self._name(kind), record.to_bytes())

        self._in_place(write, create=True)

    def forget(self, kind: str, seen: Record) -> None:
        """Remove the record, because the server has answered; one that is newer than `seen` stays while it counts."""

        def remove(place: Place) -> None:
            record = self._read(place, kind)
            if record is None or record == seen or record.until <= self.now():
                os.unlink(self._name(kind), dir_fd=place.descriptor)

        if self._seen is not None:
            self._seen.pop(kind, None)
        self._in_place(remove, create=False)

    def _in_place(self, act: Callable[[Place], T], *, create: bool) -> T | None:
        """Return what `act` returns in the place; None if there is none or it fails."""
        place = find_place(self._environment, create=create)
        if place is None:
            return None
        try:
            return act(place)
        except OSError:
            return None
        finally:
            place.close()

    def _read_all(self, place: Place) -> dict[str, Record | None]:
        return {kind: self._read(place, kind) for kind in KINDS}

    def _read(self, place: Place, kind: str) -> Record | None:
        data = _read(place, self._name(kind))
        return None if data is None else read_record(data, self.now())

    def _name(self, kind: str) -> str:
        return sha256(self._account + b"\0" + kind.encode()).hexdigest()[:32] + SUFFIX


def remove_waits(environment: Mapping[str, str]) -> int:
    """Remove the records of all accounts; return how many."""
    count = 0
    for place in all_places(environment):
        try:
            count += sum(_unlink(place, name) for name in os.listdir(place.descriptor) if name.endswith(SUFFIX))
        finally:
            place.close()
    return count


def _unlink(place: Place, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=place.descriptor)
    except OSError:
        return False  # another run was faster, or it is a directory, which no run makes
    return True


def _read(place: Place, name: str) -> bytes | None:
    """Return what is in a file of this user alone; None if it is anything else. It is opened without waiting."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=place.descriptor)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            return None
        return os.read(descriptor, LARGEST + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _write(place: Place, name: str, data: bytes) -> None:
    """Put a file in place of another, whatever that is. Raises OSError."""
    fresh = f"{os.urandom(8).hex()}{SUFFIX}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, 0o600, dir_fd=place.descriptor)
    try:
        write_all(descriptor, [data])
        os.rename(fresh, name, src_dir_fd=place.descriptor, dst_dir_fd=place.descriptor)
    except OSError:
        os.unlink(fresh, dir_fd=place.descriptor)
        raise
    finally:
        os.close(descriptor)
