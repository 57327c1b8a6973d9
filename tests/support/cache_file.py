"""
Cache files, read and written by other code than bwrun's: pycryptodome, hashlib and hmac.

All that tests know of the form of such a file stands here, as docs/cache.md and the docstrings of `bwrun.cache` tell
it. A test changes a file that bwrun wrote by `CacheFile.read()`, `dataclasses.replace()` and `write()`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from Crypto.Cipher import AES

from bwrun import __version__
from tests.server.control import Account, BitwardenServer
from tests.server.json_types import Json
from tests.support.program import LATER, Surroundings

MAGIC = b"bwrun cache\0\0\0\0\1"
KINDS = (b"password", b"user key", b"nothing")  # of the second secret, as the header counts them
PASSWORD, USER_KEY, NOTHING = range(3)
PARTS = ("state", "sync", "session")
HEADER = struct.Struct(">16sBBB16s3Q")
START = HEADER.size - 8 * len(PARTS)  # bytes before the sizes
NONCE, TAG = 12, 16  # bytes
OVERHEAD = NONCE + TAG
STAMP = 128  # bytes in clear
STAMP_END = HEADER.size + STAMP + OVERHEAD
SUFFIXES = (".cache", ".lock", ".failed", ".new")


@dataclass(frozen=True)
class Owner:
    """Who a cache file belongs to, and what it is sealed with; no password: an account of a Key Connector."""

    client_id: str
    client_secret: str
    password: str | None
    identity: str
    api: str

    @classmethod
    def of(cls, account: Account, server: BitwardenServer) -> Owner:
        """Return the owner that a run of `account` at `server` is."""
        secret, password = account.client_secret, account.master_password
        return cls(account.client_id, secret, password, server.identity_url, server.api_url)

    @property
    def bound(self) -> bytes:
        """Return what each part is bound to beside the header: who and where, nothing secret."""
        parts = (self.client_id.lower(), self.identity, self.api, __version__)
        return b"\0".join(part.encode() for part in parts)

    @property
    def name(self) -> str:
        """Return the file's name without its suffix."""
        words = self.bound.rpartition(b"\0")[0]  # without the version: files of other versions are replaced
        return hashlib.sha256(words).hexdigest()[:32]

    def key(self, kind: int, salt: bytes, log_cost: int, block_size: int) -> bytes:
        """Derive the key: HKDF over the client secret and scrypt of the master password."""
        second = (self.password or "").encode()
        if kind == PASSWORD:
            second = hashlib.scrypt(
                second, salt=salt, n=1 << log_cost, r=block_size, p=1, maxmem=1 << 28, dklen=32
            )  # fmt: skip
        values = (KINDS[kind], self.client_secret.encode(), second)
        material = b"".join(len(value).to_bytes(4, "big") + value for value in values)
        return hmac.digest(hmac.digest(salt, material, "sha256"), b"bwrun cache 1\x01", "sha256")


@dataclass(frozen=True)
class CacheFile:
    """What a cache file holds, in clear."""

    owner: Owner
    stamp: bytes
    parts: Mapping[str, bytes]
    kind: int = PASSWORD
    log_cost: int = 13
    block_size: int = 8
    salt: bytes = b"0123456789abcdef"
    magic: bytes = MAGIC

    @classmethod
    def read(cls, data: bytes, owner: Owner) -> CacheFile:
        """Open a file. Raises ValueError: it does not open, or has another form."""
        magic, kind, log_cost, block_size, salt, *sizes = HEADER.unpack_from(data)
        key = owner.key(kind, salt, log_cost, block_size)
        found: dict[str, bytes] = {}
        position = HEADER.size
        for name, size in zip(("stamp", *PARTS), (STAMP + OVERHEAD, *sizes), strict=True):
            sealed = data[position : position + size]
            cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:NONCE])
            cipher.update(b"\0".join((name.encode(), data[: HEADER.size], owner.bound)))
            found[name] = cipher.decrypt_and_verify(sealed[NONCE:-TAG], sealed[-TAG:])
            position += size
        if position != len(data):
            message = "there is more in the file than its header says"
            raise ValueError(message)
        return cls(owner, found.pop("stamp").rstrip(b"\0"), found, kind, log_cost, block_size, salt, magic)

    def write(self) -> bytes:
        """Seal the file with new nonces."""
        sizes = [len(self.parts[name]) + OVERHEAD for name in PARTS]
        header = HEADER.pack(self.magic, self.kind, self.log_cost, self.block_size, self.salt, *sizes)
        key = self.owner.key(self.kind, self.salt, self.log_cost, self.block_size)
        whole = header
        for name, value in (("stamp", self.stamp.ljust(STAMP, b"\0")), *((name, self.parts[name]) for name in PARTS)):
            nonce = os.urandom(NONCE)
            cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
            cipher.update(b"\0".join((name.encode(), header, self.owner.bound)))
            sealed, tag = cipher.encrypt_and_digest(value)
            whole += nonce + sealed + tag
        return whole

    @property
    def state(self) -> Json:
        """Return what is kept of the login."""
        found: Json = json.loads(self.parts["state"])
        return found

    def with_state(self, **changes: object) -> CacheFile:
        """Return the file with changes of what is kept of the login."""
        return replace(self, parts={**self.parts, "state": json.dumps(self.state | changes).encode()})

    def moved(self, seconds: float, *names: str) -> CacheFile:
        """
        Return the file as if what is named had happened `seconds` earlier; a negative number: later.

        The names: `issued` (the token), `written` (the vault), `checked` (the stamp); without a name it is all three.
        """
        state, chosen = self.state, names or ("issued", "written", "checked")
        moved = {
            name: [state[name][0] - seconds, state[name][1] - seconds, state[name][2]]
            for name in chosen
            if name != "checked"
        }
        revision, wall, running, boot = json.loads(self.stamp)
        if "checked" in chosen:
            wall, running = wall - seconds, running - seconds
        return replace(self.with_state(**moved), stamp=json.dumps([revision, wall, running, boot]).encode())


def directory_of(surroundings: Surroundings) -> Path:
    """Return the directory of the caches of these surroundings."""
    return surroundings.runtime / LATER


def cache_of(surroundings: Surroundings, owner: Owner) -> Path:
    """Return the path of the cache file."""
    return directory_of(surroundings) / f"{owner.name}.cache"


def names_in(surroundings: Surroundings) -> list[str]:
    """Return the suffixes of all that lies in the directory of the caches, sorted."""
    directory = directory_of(surroundings)
    return sorted(path.suffix for path in directory.iterdir()) if directory.exists() else []


def change(path: Path, owner: Owner, how: Callable[[CacheFile], CacheFile]) -> None:
    """Change what a cache file holds, in place, so that its mode stays."""
    path.write_bytes(how(CacheFile.read(path.read_bytes(), owner)).write())
