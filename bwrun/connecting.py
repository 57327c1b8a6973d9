"""
Sockets to a server, with TLS, opened ahead of the request where that can be.

Apart from `direct`, which imports `http.client`: a handshake goes on while that is imported.
"""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import urlsplit

from bwrun.deadline import Deadline
from bwrun.tasks import Task
from bwrun.timings import Timings
from bwrun.tls import full_context, is_unknown_issuer, issuer_of, make_context
from bwrun.transport import Kind, TransportError

Place = tuple[str, str, int]  # scheme, host, port
PORTS = {"https": 443, "http": 80}


class Connector:
    """Opens connections for one run."""

    def __init__(self, ca_files: tuple[str, ...], deadline: Deadline, timings: Timings) -> None:
        """
        Begin to read the certificates that are trusted.

        Raises SessionError: there can be no more threads.
        """
        self._ca_files = ca_files
        self._deadline = deadline
        self._timings = timings
        self._context = Task(lambda: make_context(ca_files))
        self._early: dict[Place, list[Task[socket.socket]]] = {}

    def prepare(self, place: Place) -> None:
        """Begin to open a connection that will be wanted."""
        self._early.setdefault(place, []).append(Task(lambda: self._open(place)))

    def open(self, place: Place) -> socket.socket:
        """
        Return a connection that is open, and on which nothing was sent yet.

        Raises TransportError; ConfigError: a CA file holds no certificate.
        """
        early = self._early.get(place)
        return early.pop().result() if early else self._open(place)

    def context(self) -> ssl.SSLContext:
        """Return what connections are secured with. Raises ConfigError: a CA file holds no certificate."""
        return self._context.result()

    def _open(self, place: Place) -> socket.socket:
        with self._timings.phase("connect"):
            return self._open_one(*place)

    def _open_one(self, scheme: str, host: str, port: int) -> socket.socket:
        plain = self._connect(host, port)
        if scheme != "https":
            return plain
        try:
            return self._secure(plain, host, self.context())
        except ssl.SSLCertVerificationError as error:
            if not is_unknown_issuer(error):
                raise _untrusted(error, host, port) from None
        try:
            # The context looks into the directory of certificates alone; the bundle beside it may have more.
            return self._secure(self._connect(host, port), host, full_context(self._ca_files))
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(error, host, port) from None

    def _connect(self, host: str, port: int) -> socket.socket:
        try:
            address: tuple[str, int] = (_bytes(host), port)  # type: ignore[assignment]  # bytes will do for the system
            plain = socket.create_connection(address, timeout=max(0.001, self._deadline.left()))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            raise TransportError(Kind.TIMEOUT) from None
        except socket.gaierror:
            raise TransportError(Kind.DNS) from None
        except OSError as error:
            raise TransportError(Kind.UNREACHABLE, os.strerror(error.errno or 0)) from None
        except (UnicodeError, OverflowError, ValueError):
            raise TransportError(Kind.URL) from None
        return plain

    def _secure(self, plain: socket.socket, host: str, context: ssl.SSLContext) -> socket.socket:
        plain.settimeout(max(0.001, self._deadline.left()))
        try:
            return context.wrap_socket(plain, server_hostname=_bytes(host))
        except ssl.SSLCertVerificationError:
            plain.close()
            raise
        except TimeoutError:
            raise TransportError(Kind.TIMEOUT) from None
        except ssl.SSLError as error:
            raise TransportError(Kind.TLS, error.reason or "TLS failed") from None
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise TransportError(Kind.BROKEN) from None
            raise TransportError(Kind.UNREACHABLE, os.strerror(error.errno or 0)) from None
        except ValueError:
            raise TransportError(Kind.URL) from None


def place_of(url: str) -> Place:
    """
    Return scheme, host and port.

    Raises TransportError: it is no URL of a server.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise TransportError(Kind.URL) from None
    if not host or parts.scheme not in PORTS:
        raise TransportError(Kind.URL)
    return parts.scheme, host, port or PORTS[parts.scheme]


def _bytes(host: str) -> bytes | str:
    """Return a name as it goes out: for a text the codec of international names would be imported, 3 ms."""
    return host.encode() if host.isascii() else host


def _untrusted(error: ssl.SSLCertVerificationError, host: str, port: int) -> TransportError:
    return TransportError(Kind.UNTRUSTED, error.verify_message, issuer_of(host, port))
