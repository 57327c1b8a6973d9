"""
Connections to a server, with TLS where the URL says https.

A connection can be opened before it is needed.  This module does not import `http.client` (that is what `direct` is
for), so that the first handshake goes on while `http.client` is imported.
"""

from __future__ import annotations

import _socket
import os
import socket
import ssl
from time import monotonic

from bwrun.base.deadline import Deadline
from bwrun.base.tasks import Task
from bwrun.base.timings import Timings
from bwrun.base.urls import PORTS, split_url
from bwrun.network.dialing import ATTEMPT_DELAY, Dial, NoConnectionError
from bwrun.network.tls import full_context, is_unknown_issuer, make_context
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

    def prepare(self, place: Place, dialed: Dial | None) -> None:
        """
        Begin to open a connection that will be needed; `dialed` is its TCP connection, if that has begun already.

        Raises SessionError: no more threads can be started.
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
        Return an open connection on which nothing has been sent yet.

        Raises TransportError; ConfigError: a CA file holds no certificate.
        """
        for early in self._early:
            if early[0] == place:
                self._early.remove(early)
                return early[1].result()
        return self._open(place, None)

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings of all connections. Raises ConfigError: a CA file holds no certificate."""
        return self._begin_context().result()

    def _begin_context(self) -> Task[ssl.SSLContext]:
        """Begin to read the trusted certificates, once, while a connection is being opened."""
        if self._context is None:
            self._context = Task(lambda: make_context(self._ca_files))
        return self._context

    def _open(self, place: Place, dialed: Dial | None) -> socket.socket:
        scheme, host, port = place
        plain = self._connect(host, port, dialed)
        if scheme != "https":
            return plain
        try:
            return self._secure(plain, host, self.context())
        except ssl.SSLCertVerificationError as error:
            if not is_unknown_issuer(error):
                raise self._untrusted(error, host, port) from None
        try:
            # The context looks into the directory of certificates alone; the bundle beside it may have more.
            return self._secure(self._connect(host, port, None), host, full_context(self._ca_files))
        except ssl.SSLCertVerificationError as error:
            raise self._untrusted(error, host, port) from None

    def _connect(self, host: str, port: int, dialed: Dial | None) -> socket.socket:
        left = max(0.001, self._deadline.left())
        try:
            raw = _finish(dialed or Dial(host, port, left), monotonic() + left)
            return socket.socket(fileno=raw.detach())
        except NoConnectionError as error:
            if error.timed_out:
                raise TransportError(Kind.TIMEOUT, tried=error.tried) from None
            why = ", ".join(dict.fromkeys(map(os.strerror, error.errors)))
            raise TransportError(Kind.UNREACHABLE, why, tried=error.tried) from None
        except TimeoutError:
            raise TransportError(Kind.LOOKUP_TIMEOUT) from None
        except socket.gaierror as error:
            silent = error.errno == socket.EAI_AGAIN
            raise TransportError(Kind.DNS, "the DNS server does not answer" if silent else "") from None
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
            from bwrun.network.tls_errors import tls_failure  # noqa: PLC0415  (only for an error's words)

            raise tls_failure(error, has_certificate=False) from None
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise TransportError(Kind.BROKEN) from None
            raise TransportError(Kind.UNREACHABLE, os.strerror(error.errno or 0)) from None
        except ValueError:
            raise TransportError(Kind.URL) from None
        finally:
            plain.close()  # a secured one has taken it over

    def _untrusted(self, error: ssl.SSLCertVerificationError, host: str, port: int) -> TransportError:
        from bwrun.network.tls_errors import untrusted  # noqa: PLC0415  (only for an error's words)

        return untrusted(error, (host, port), self._ca_files)


def _finish(dial: Dial, end: float) -> _socket.socket:
    """
    Return the connection; where its name is looked up slowly, also try other ways to look it up.

    Raises TimeoutError: the name service has not answered at `end`; otherwise as `dial.result()`.
    """
    try:
        return dial.result(ATTEMPT_DELAY)
    except TimeoutError:
        if dial.is_looked_up:
            return dial.result()  # it ends in time by itself
    from bwrun.network.slow_lookup import first_connection  # noqa: PLC0415  (most names are looked up sooner)

    return first_connection(dial, end)


def place_of(url: str) -> Place:
    """
    Return the scheme, host and port of a URL.

    Raises TransportError: it is not an http or https URL.
    """
    try:
        parts = split_url(url)
    except ValueError:
        raise TransportError(Kind.URL) from None
    if parts.scheme not in PORTS:
        raise TransportError(Kind.URL)
    return parts.scheme, parts.host, PORTS[parts.scheme] if parts.port is None else parts.port
