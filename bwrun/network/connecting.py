"""
Sockets to a server, with TLS, opened ahead of the request where that can be.

Apart from `direct`, which imports `http.client`: a handshake goes on while that is imported.
"""

from __future__ import annotations

import _socket
import os
import socket
import ssl

from bwrun.base.deadline import Deadline
from bwrun.base.tasks import Task
from bwrun.base.timings import Timings
from bwrun.base.urls import PORTS, split_url
from bwrun.network.dialing import connect
from bwrun.network.tls import full_context, is_unknown_issuer, issuer_of, make_context
from bwrun.network.transport import Kind, TransportError

Place = tuple[str, str, int]  # scheme, host, port


class Connector:
    """Opens connections for one run."""

    def __init__(self, ca_files: tuple[str, ...], deadline: Deadline, timings: Timings) -> None:
        """Prepare; nothing is begun yet."""
        self._ca_files = ca_files
        self._deadline = deadline
        self._timings = timings
        self._context: Task[ssl.SSLContext] | None = None
        self._early: list[tuple[Place, Task[socket.socket]]] = []

    def prepare(self, place: Place, dialed: Task[_socket.socket] | None) -> None:
        """
        Begin to open a connection that will be wanted, where it is `dialed` already on that.

        Raises SessionError: there can be no more threads.
        """
        self._begin_context()
        first = not self._early

        def timed() -> socket.socket:
            if not first:
                return self._open(place, dialed)
            with self._timings.phase("connect"):
                return self._open(place, dialed)

        self._early.append((place, Task(timed)))

    def open(self, place: Place) -> socket.socket:
        """
        Return a connection that is open, and on which nothing was sent yet.

        Raises TransportError; ConfigError: a CA file holds no certificate.
        """
        for early in self._early:
            if early[0] == place:
                self._early.remove(early)
                return early[1].result()
        return self._open(place, None)

    def context(self) -> ssl.SSLContext:
        """Return what connections are secured with. Raises ConfigError: a CA file holds no certificate."""
        return self._begin_context().result()

    def _begin_context(self) -> Task[ssl.SSLContext]:
        """Read the certificates that are trusted, once, while a connection is made."""
        if self._context is None:
            self._context = Task(lambda: make_context(self._ca_files))
        return self._context

    def _open(self, place: Place, dialed: Task[_socket.socket] | None) -> socket.socket:
        scheme, host, port = place
        plain = self._connect(host, port, dialed)
        if scheme != "https":
            return plain
        try:
            return self._secure(plain, host, self.context())
        except ssl.SSLCertVerificationError as error:
            if not is_unknown_issuer(error):
                raise _untrusted(error, host, port) from None
        try:
            # The context looks into the directory of certificates alone; the bundle beside it may have more.
            return self._secure(self._connect(host, port, None), host, full_context(self._ca_files))
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(error, host, port) from None

    def _connect(self, host: str, port: int, dialed: Task[_socket.socket] | None) -> socket.socket:
        try:
            raw = connect(host, port, max(0.001, self._deadline.left())) if dialed is None else dialed.result()
            return socket.socket(fileno=raw.detach())
        except TimeoutError:
            raise TransportError(Kind.TIMEOUT) from None
        except socket.gaierror:
            raise TransportError(Kind.DNS) from None
        except OSError as error:
            raise TransportError(Kind.UNREACHABLE, os.strerror(error.errno or 0)) from None
        except (UnicodeError, OverflowError, ValueError):
            raise TransportError(Kind.URL) from None

    def _secure(self, plain: socket.socket, host: str, context: ssl.SSLContext) -> socket.socket:
        plain.settimeout(max(0.001, self._deadline.left()))
        try:
            return context.wrap_socket(plain, server_hostname=host.encode())
        except ssl.SSLCertVerificationError:
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
        finally:
            plain.close()  # a secured one has taken it over


def place_of(url: str) -> Place:
    """
    Return scheme, host and port.

    Raises TransportError: it is no URL of a server.
    """
    try:
        parts = split_url(url)
    except ValueError:
        raise TransportError(Kind.URL) from None
    if parts.scheme not in PORTS:
        raise TransportError(Kind.URL)
    return parts.scheme, parts.host, PORTS[parts.scheme] if parts.port is None else parts.port


def _untrusted(error: ssl.SSLCertVerificationError, host: str, port: int) -> TransportError:
    return TransportError(Kind.UNTRUSTED, error.verify_message, issuer_of(host, port))
