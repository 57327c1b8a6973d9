"""
TCP connections to a host that may have several addresses, by RFC 8305 ("Happy Eyeballs").

The addresses are tried in the system's order, IPv6 and IPv4 in turn.  When an address has not answered after 250 ms,
the next one is tried beside it; when it refuses, the next one is tried at once.  The first connection that is open is
used, and the others are closed.

This module uses `_socket`, the core of `socket`, so that the first connection can begin before `socket` and `ssl` are
imported, which takes 20 ms.
"""

from __future__ import annotations

import _socket
import errno
import select
from time import monotonic

from bwrun.base.tasks import Task

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Sequence

    # family, type, protocol, canonical name, and the address itself: what getaddrinfo() returns
    Address = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

ATTEMPT_DELAY = 0.25  # seconds: the "Connection Attempt Delay" of RFC 8305, section 5
ANY_FAMILY = 0  # AF_UNSPEC


class NoConnectionError(OSError):
    """None of a host's addresses took the connection."""

    def __init__(self, tried: int, errors: Sequence[int], *, timed_out: bool) -> None:
        """
        Say how it failed.

        `tried`: the number of addresses that were tried; `errors`: the error numbers of those that refused;
        `timed_out`: whether the time ended while others had not answered.
        """
        super().__init__()
        self.tried = tried
        self.errors = tuple(errors)
        self.timed_out = timed_out


class Witness:
    """Is told what happens on the way to a server. This one forgets it; that of `bwrun.network.tracing` does not."""

    def note_lookup(self, host: str, addresses: Sequence[str], seconds: float) -> None:
        """Note that a name was looked up."""

    def note_attempt(self, descriptor: int, address: str) -> None:
        """Note that an attempt to connect to an address begins, with a socket that has this descriptor."""

    def note_outcome(self, descriptor: int, error: int) -> None:
        """Note how the attempt with this descriptor ended: with an error's number, or 0."""


class Dial(Task[_socket.socket]):
    """
    A connection that is being opened, in a thread of its own.

    Its result is that of `connect()`.
    """

    def __init__(
        self, host: str, port: int, patience: float, family: int = ANY_FAMILY, witness: Witness | None = None
    ) -> None:
        """
        Begin to connect; the parameters are those of `connect()`. `witness` is told what happens.

        Raises SessionError: no more threads can be started.
        """
        self.host = host
        self.port = port
        self.witness = witness or Witness()
        self.is_looked_up = False  # whether the name service has answered
        self._end = monotonic() + patience
        self._family = family
        super().__init__(self._connect)

    def stage(self) -> str:
        """Return in words what it does now."""
        return "connecting" if self.is_looked_up else "looking up the address"

    def abandon(self) -> None:
        """Close the connection, now or as soon as it is open: it is not wanted any more."""
        self.discard(_socket.socket.close)

    def _connect(self) -> _socket.socket:
        began = monotonic()
        addresses = look_up(self.host, self.port, self._family)
        self.is_looked_up = True
        self.witness.note_lookup(self.host, [str(address[4][0]) for address in addresses], monotonic() - began)
        return _connect_to_one_of(addresses, self._end, self.witness)


def connect(host: str, port: int, patience: float) -> _socket.socket:
    """
    Return a connection to one of the host's addresses, opened within `patience` seconds.

    `host` is in ASCII, as `split_url()` gives it.  The lookup of its name cannot be interrupted: where it may hang, use
    `Dial`, and wait for the result no longer than wanted.

    Raises NoConnectionError: no address took the connection; gaierror: the name has no address; UnicodeError,
    OverflowError: this cannot be a name, or a port.
    """
    end = monotonic() + patience
    return _connect_to_one_of(look_up(host, port, ANY_FAMILY), end, Witness())


def look_up(host: str, port: int, family: int) -> list[Address]:
    """
    Return the addresses of a host in the order in which they are to be tried (RFC 8305, section 4).

    The system's order (RFC 6724) says which family comes first; after that the families take turns.

    Raises as `connect()`.
    """
    name = host.encode()  # for a `str`, Python would import its codec of international names, which takes 3 ms
    found = _socket.getaddrinfo(name, port, family, _socket.SOCK_STREAM)
    same = [address for address in found if address[0] == found[0][0]]
    other = [address for address in found if address[0] != found[0][0]]
    in_turn = [address for pair in zip(same, other, strict=False) for address in pair]
    shorter = min(len(same), len(other))
    return in_turn + same[shorter:] + other[shorter:]


def _connect_to_one_of(addresses: Sequence[Address], end: float, witness: Witness) -> _socket.socket:
    """Return the first connection that is open by `end`, a time of the monotonic clock."""
    waiting = list(reversed(addresses))
    pending: dict[int, _socket.socket] = {}
    errors: list[int] = []
    poll = select.poll()
    next_attempt = 0.0
    try:
        while waiting or pending:
            now = monotonic()
            if now >= end:
                raise NoConnectionError(len(addresses) - len(waiting), errors, timed_out=True)
            if waiting and now >= next_attempt:
                connection = _begin(waiting.pop(), errors, witness)
                if connection is None:
                    continue
                pending[connection.fileno()] = connection
                poll.register(connection, select.POLLOUT)
                next_attempt = now + ATTEMPT_DELAY
            until = min(end, next_attempt) if waiting else end
            for descriptor, _ in poll.poll(max(0.0, until - now) * 1000):
                connection = pending.pop(descriptor)
                error = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
                witness.note_outcome(descriptor, error)
                if not error:
                    connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                    return connection
                errors.append(error)
                poll.unregister(descriptor)
                connection.close()
                next_attempt = 0.0
    finally:
        for connection in pending.values():
            connection.close()
    raise NoConnectionError(len(addresses), errors, timed_out=False)


def _begin(address: Address, errors: list[int], witness: Witness) -> _socket.socket | None:
    """Return a socket that is connecting; where it fails at once, add the error's number to `errors`."""
    family, kind, protocol, _, place = address
    try:
        connection = _socket.socket(family, kind, protocol)
    except OSError as error:  # a family that is switched off
        errors.append(error.errno or 0)
        return None
    connection.setblocking(False)
    witness.note_attempt(connection.fileno(), str(place[0]))
    number = connection.connect_ex(place)
    if number in (0, errno.EINPROGRESS):
        return connection
    witness.note_outcome(connection.fileno(), number)
    connection.close()
    errors.append(number)
    return None
