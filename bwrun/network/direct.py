"""
Requests without a proxy, by `http.client`, which takes 90 ms less to import than httpx.

The exceptions of `http.client` and of sockets end here.  Requests through proxies are made by `proxied`.
"""

from __future__ import annotations

import select
import socket
import ssl
import zlib
from collections.abc import Mapping
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    IncompleteRead,
    InvalidURL,
    LineTooLong,
    parse_headers,
)
from urllib.parse import quote, urlsplit

from bwrun.base.deadline import Deadline
from bwrun.base.urls import PORTS
from bwrun.network.connecting import Connector
from bwrun.network.transport import MAX_SIZE, Body, Kind, Place, Reply, TransportError, place_of, received

CHUNK = 16 * 1024  # bytes: what a TLS record holds
FINAL = 200  # the first status of an answer; a lower one belongs to an interim answer (RFC 9110, 15.2)
SWITCHING = 101  # an answer to `Upgrade`, which is never sent: no answer follows on that connection
MAX_INTERIM = 100  # interim answers to one request
GZIP = 16 + zlib.MAX_WBITS
# What may stand in a request's target as it is (RFC 3986); the rest is percent-encoded.
TARGET_CHARACTERS = "/?%:@!$&'()*+,;=-._~[]"


class Response(HTTPResponse):
    """An answer; the interim ones before it are passed over (`http.client` does that with `100 Continue` alone)."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
            if status == SWITCHING:
                break
            if status >= FINAL:
                return version, status, reason
            parse_headers(self.fp)
        raise TransportError(Kind.UNREADABLE, "interim answers and no other")


class Connection(HTTPConnection):
    """A connection whose answers are of that kind."""

    response_class = Response


class DirectTransport:
    """Sends requests, from several threads, and keeps connections for the next request to the same place."""

    def __init__(self, connector: Connector, deadline: Deadline, most: int = MAX_SIZE) -> None:
        """`connector` opens the connections; a request ends by the deadline; an answer has at most `most` bytes."""
        self._connector = connector
        self._deadline = deadline
        self._most = most
        self._idle: list[tuple[Place, HTTPConnection]] = []
        self._is_closed = False

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """
        Send one request and read the answer.

        Raises TransportError; ConfigError: a CA file holds no certificate.
        """
        place, target = place_of(url), _target(url)
        connection = self._take(place)
        keep = False
        try:
            reply, keep = self._exchange(connection, method, target, headers, body)
        except (HTTPException, OSError, ValueError, zlib.error) as error:
            raise self._translate(error, place) from None
        finally:
            if keep and not self._is_closed:
                self._idle.append((place, connection))
            else:
                connection.close()
        return reply

    def close(self) -> None:
        """Close the connections that are kept, and keep no other: nothing will be sent any more."""
        self._is_closed = True
        while self._idle:
            self._idle.pop()[1].close()

    def _translate(self, error: Exception, place: Place) -> TransportError:
        """Return what an exception of `http.client`, a socket or a decoder means."""
        if isinstance(error, TimeoutError):
            return TransportError(Kind.TIMEOUT)
        if isinstance(error, (InvalidURL, UnicodeError)):
            return TransportError(Kind.URL)
        if isinstance(error, LineTooLong):
            return TransportError(Kind.HEADERS, "a header of more than 64 KiB")
        if type(error) is HTTPException:  # the only use of this class itself
            return TransportError(Kind.HEADERS, "more than 100 headers")
        scheme, host, port = place
        if isinstance(error, ssl.SSLError) or scheme == "http":
            from bwrun.network.tls_errors import is_alert, speaks_tls, tls_failure  # noqa: PLC0415  (only for an error's words)

            if isinstance(error, ssl.SSLError) and is_alert(error):
                return tls_failure(error, has_certificate=self._connector.shows_certificate(place))
            if scheme == "http" and speaks_tls(host, port):
                return TransportError(Kind.HTTPS_PORT)
        if isinstance(error, (IncompleteRead, OSError)):  # RemoteDisconnected is an OSError too
            return TransportError(Kind.BROKEN)
        return TransportError(Kind.UNREADABLE, type(error).__name__)

    def _exchange(
        self, connection: HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[Reply, bool]:
        """Return the answer, and whether the connection can be used again."""
        sock = connection.sock  # http.client lets go of it when the server has said that it will close
        self._limit(sock)
        try:
            connection.request(method, target, body, {**headers, "Accept-Encoding": "gzip"})
        except ConnectionError:
            pass  # the server may have said why before it closed the connection: that is read next
        self._limit(sock)
        self._deadline.enter_stage(lambda: "waiting for the answer")
        response = connection.getresponse()
        data = self._read(sock, response)
        self._deadline.enter_stage(None)
        found = {name.lower(): value for name, value in response.getheaders()}
        if data and found.get("content-encoding", "identity").lower() not in ("", "identity"):
            data = _decompress(data, found["content-encoding"], self._most)
        return Reply(response.status, found, data), not response.will_close and connection.sock is not None

    def _read(self, sock: socket.socket, response: HTTPResponse) -> Body:
        """Return the body, read within the deadline however slowly it drips."""
        if response.length is not None and response.length > self._most:
            raise TransportError(Kind.TOO_LARGE)
        data, size = bytearray(), response.length
        self._deadline.enter_stage(lambda: received(len(data), size))
        while True:
            self._limit(sock)
            part = response.read1(CHUNK)
            if not part:
                break
            data += part
            if len(data) > self._most:
                raise TransportError(Kind.TOO_LARGE)
        if response.length:
            raise IncompleteRead(b"", response.length)
        response.close()  # the connection is free for the next; read1() leaves that out
        return data

    def _limit(self, sock: socket.socket) -> None:
        left = self._deadline.left()
        if left <= 0:
            raise TransportError(Kind.TIMEOUT)
        if sock.fileno() >= 0:
            sock.settimeout(left)

    def _take(self, place: Place) -> HTTPConnection:
        """Return an open connection: one that is kept if it is alive still."""
        for at, (where, connection) in enumerate(self._idle):
            if where == place:
                del self._idle[at]
                if _is_alive(connection.sock):
                    return connection
                connection.close()
                break
        _, host, port = place
        connection = Connection(host, port)
        connection.default_port = PORTS[place[0]]  # which the Host header leaves out
        connection.auto_open = 0  # or it would open a lost connection again, without TLS
        connection.sock = self._connector.open(place)
        return connection


def _target(url: str) -> str:
    parts = urlsplit(url)
    return quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), TARGET_CHARACTERS, errors="replace")


def _is_alive(connection: socket.socket | None) -> bool:
    """Return whether nothing has come on a connection that is idle: what comes then is its end."""
    if connection is None:
        return False
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return not poll.poll(0) and not (isinstance(connection, ssl.SSLSocket) and connection.pending())


def _decompress(data: Body, encoding: str, most: int) -> bytes:
    if encoding.lower() not in ("gzip", "x-gzip"):
        raise ValueError(encoding)
    inflater = zlib.decompressobj(GZIP)
    plain = inflater.decompress(data, most)
    if inflater.unconsumed_tail:
        raise TransportError(Kind.TOO_LARGE)
    if not inflater.eof:
        raise IncompleteRead(b"")
    return plain
