"""What happened on the way to a server: the addresses of its name, the attempts to connect, and TLS (`--doctor`)."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from threading import Lock
from time import monotonic

from bwrun.base.structs import Struct
from bwrun.crypto.primitives import read_certificate
from bwrun.network.dialing import Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.crypto.certificate import Certificate

OPEN, SILENT = "open", "no answer"  # how an attempt ended, if not with an error of the system


class Lookup(Struct):
    """A name that was looked up."""

    host: str
    addresses: tuple[str, ...]
    seconds: float


class Attempt:
    """An attempt to connect to one address."""

    def __init__(self, address: str) -> None:
        """Begin it now."""
        self.address = address
        self.outcome = SILENT
        self.seconds = 0.0
        self._began = monotonic()

    def end(self, error: int) -> None:
        """Note how it ended: with an error's number, or 0."""
        self.outcome = os.strerror(error) if error else OPEN
        self.seconds = monotonic() - self._began


class Secured(Struct):
    """A TLS connection that was opened."""

    version: str  # as OpenSSL calls it, e.g. TLSv1.3
    cipher: str
    certificate: Certificate | None  # None: it cannot be read
    seconds: float  # of the handshake; 0 if that is not known


class Trace(Witness):
    """What happened so far. Its methods may be called from several threads."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lookups: list[Lookup] = []
        self.attempts: list[Attempt] = []
        self.secured: list[Secured] = []
        self._pending: dict[int, Attempt] = {}  # by descriptor
        self._lock = Lock()

    def note_lookup(self, host: str, addresses: Sequence[str], seconds: float) -> None:
        """Note that a name was looked up."""
        with self._lock:
            self.lookups.append(Lookup(host, tuple(dict.fromkeys(addresses)), seconds))

    def note_attempt(self, descriptor: int, address: str) -> None:
        """Note that an attempt to connect to an address begins, with a socket that has this descriptor."""
        with self._lock:
            self._pending[descriptor] = Attempt(address)
            self.attempts.append(self._pending[descriptor])

    def note_outcome(self, descriptor: int, error: int) -> None:
        """Note how the attempt with this descriptor ended: with an error's number, or 0."""
        with self._lock:
            self._pending.pop(descriptor).end(error)

    def note_tls(self, connection: ssl.SSLSocket | ssl.SSLObject, seconds: float = 0.0) -> None:
        """Note that TLS is spoken on a connection, after a handshake of so many `seconds`."""
        der = connection.getpeercert(True)  # by position: httpcore's connection knows no names
        cipher = connection.cipher()
        found = Secured(
            version=connection.version() or "",
            cipher=cipher[0] if cipher else "",
            certificate=None if der is None else read_certificate(der),
            seconds=seconds,
        )
        with self._lock:
            self.secured.append(found)
