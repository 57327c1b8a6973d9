"""
A cache file: its form, reading it and replacing it.

    header    magic, kind of the second secret, scrypt's N and r, salt, sizes of the parts
    stamp     sealed: what was last known of the vault; the only part that is written in place
    parts     sealed, one after the other: `state` is small, the others are as large as the vault

All parts are bound to the header and to the account and server, so none can come from another file. A file that has
another form, that does not belong to this user, that others can read, or that does not open, counts as none: no error.
"""

from __future__ import annotations

import os
import stat
import struct

from bwrun.base.errors import CryptoError
from bwrun.base.writing import write_all
from bwrun.cache.sealing import BLOCK_SIZE, LOG_COST, MAX_LOG_COST, OVERHEAD, SALT_SIZE, Seal, derive_seal
from bwrun.cache.secrets import NOTHING, PASSWORD, USER_KEY, Secrets
from bwrun.crypto import primitives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.cache.place import Place

MAGIC = b"bwrun cache\x00\x00\x00\x00\x01"  # the last byte is the version of the format
PARTS = ("state", "sync", "session")
KINDS = (PASSWORD, USER_KEY, NOTHING)
HEADER = struct.Struct(f">{len(MAGIC)}sBBB{SALT_SIZE}s{len(PARTS)}Q")
STAMP_SIZE = 128  # bytes, without what sealing adds
STAMP_END = HEADER.size + STAMP_SIZE + OVERHEAD
MAX_SIZE = 1 << 30  # bytes: more than any vault
NEW = ".new"  # the suffix of a file that is being written


class SealedFile:
    """A cache file that is open, or about to be written. Not for several threads at once."""

    def __init__(self, seal: Seal, start: bytes, bound: bytes, descriptor: int | None, sizes: tuple[int, ...]) -> None:
        """`start` is the header up to the sizes, `bound` names account and server; no descriptor: it is new."""
        self._seal = seal
        self._start = start
        self._bound = bound
        self._descriptor = descriptor
        self._sizes = sizes

    def part(self, name: str) -> bytes | None:
        """Return a part, None if it is damaged or cannot be read."""
        at = PARTS.index(name)
        return self._read(STAMP_END + sum(self._sizes[:at]), self._sizes[at], name)

    def stamp(self) -> bytes | None:
        """Return the stamp, None if it is damaged."""
        found = self._read(HEADER.size, STAMP_SIZE + OVERHEAD, "stamp")
        return None if found is None else found.rstrip(b"\0")

    def write_stamp(self, stamp: bytes) -> bool:
        """
        Replace the stamp, which has at most 128 bytes; return whether that succeeded.

        It is one write of few bytes. A reader that gets half of it finds a stamp that does not open, which counts as
        none.
        """
        if self._descriptor is None:
            return False
        sealed = self._seal.close(stamp.ljust(STAMP_SIZE, b"\0"), self._of("stamp"))
        try:
            return os.pwrite(self._descriptor, sealed, HEADER.size) == len(sealed)
        except OSError:
            return False

    def replace(self, place: Place, name: str, parts: Mapping[str, bytes], stamp: bytes) -> SealedFile | None:
        """Write a new file with these parts in place of the old one; return it, None if it cannot be written."""
        sizes = tuple(len(parts.get(part, b"")) + OVERHEAD for part in PARTS)
        new = SealedFile(self._seal, self._start, self._bound, None, sizes)
        contents = [new.header, new._seal.close(stamp.ljust(STAMP_SIZE, b"\0"), new._of("stamp"))]
        contents += [new._seal.close(parts.get(part, b""), new._of(part)) for part in PARTS]
        descriptor = _write(place, name, contents)
        if descriptor is None:
            return None
        new._descriptor = descriptor
        return new

    @property
    def header(self) -> bytes:
        """The beginning of the file, which is not sealed."""
        return self._start + struct.pack(f">{len(PARTS)}Q", *self._sizes)

    def _of(self, part: str) -> bytes:
        """Return what a sealed part is bound to."""
        return b"\0".join((part.encode(), self.header, self._bound))

    def _read(self, position: int, size: int, part: str) -> bytes | None:
        if self._descriptor is None:
            return None
        try:
            sealed = os.pread(self._descriptor, size, position)
            return self._seal.open(sealed, self._of(part)) if len(sealed) == size else None
        except (OSError, CryptoError):
            return None


def open_file(place: Place, name: str, secrets: Secrets, bound: bytes) -> SealedFile | None:
    """
    Open a cache file that is sealed with `secrets`; None if there is none that can be trusted.

    `bound` names the account and the server. Whether the secrets are right shows when a part is read.
    """
    try:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=place.descriptor)
    except OSError:
        return None
    header = _read_header(descriptor)
    if header is None or KINDS[header[0]] != secrets.kind:
        os.close(descriptor)
        return None
    _, log_cost, block_size, salt, start, sizes = header
    return SealedFile(derive_seal(secrets, salt, log_cost, block_size), start, bound, descriptor, sizes)


def new_file(secrets: Secrets, bound: bytes) -> SealedFile:
    """Return a file with a new salt, which nothing is written to before `replace()`."""
    salt = primitives.random_bytes(SALT_SIZE)
    kind = KINDS.index(secrets.kind)
    start = struct.pack(f">{len(MAGIC)}sBBB{SALT_SIZE}s", MAGIC, kind, LOG_COST, BLOCK_SIZE, salt)
    return SealedFile(derive_seal(secrets, salt, LOG_COST, BLOCK_SIZE), start, bound, None, ())


def _read_header(descriptor: int) -> tuple[int, int, int, bytes, bytes, tuple[int, ...]] | None:
    """Return kind, N and r of scrypt, salt, the header up to the sizes, the sizes; None: it is not bwrun's."""
    try:
        status = os.fstat(descriptor)
        data = os.pread(descriptor, HEADER.size, 0)
    except OSError:
        return None
    private = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
    if not private or status.st_nlink != 1 or len(data) < HEADER.size:
        return None
    magic, kind, log_cost, block_size, salt, *sizes = HEADER.unpack(data)
    known = magic == MAGIC and kind < len(KINDS) and 1 <= log_cost <= MAX_LOG_COST and 1 <= block_size <= BLOCK_SIZE
    if not known or STAMP_END + sum(sizes) != status.st_size or status.st_size > MAX_SIZE or min(sizes) < OVERHEAD:
        return None
    return kind, log_cost, block_size, salt, data[: -8 * len(PARTS)], tuple(sizes)


def _write(place: Place, name: str, contents: list[bytes]) -> int | None:
    """
    Write a file under another name, then rename it; return an open descriptor, None if that failed.

    One process at a time may do this: the one that holds the lock.
    """
    new = name + NEW
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    _remove(place, new)  # a killed run may have left it
    try:
        descriptor = os.open(new, flags, 0o600, dir_fd=place.descriptor)
    except OSError:
        return None
    try:
        os.fchmod(descriptor, 0o600)
        write_all(descriptor, contents)
        os.rename(new, name, src_dir_fd=place.descriptor, dst_dir_fd=place.descriptor)
    except OSError:  # for example, the memory is full
        os.close(descriptor)
        _remove(place, new)
        return None
    return descriptor


def _remove(place: Place, name: str) -> None:
    try:
        os.unlink(name, dir_fd=place.descriptor)
    except OSError:
        pass
