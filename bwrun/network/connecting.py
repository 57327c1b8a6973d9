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
from typing import TYPE_CHECKING

from bwrun.base.deadline import Deadline
from bwrun.base.tasks import Task
from bwrun.base.timings import Timings
from bwrun.network.dialing import ATTEMPT_DELAY, Dial, NoConnectionError
from bwrun.network.tls import full_context, is_unknown_issuer, make_context
from bwrun.network.transport import Kind, Place, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bwrun.network.gateway import ClientCertificate, Gateway
    from bwrun.network.tracing import Trace


class Connector:
    """Opens connections for one run."""

    def __init__(
        self,
        ca_files: tuple[str, ...],
        deadline: Deadline,
        timings: Timings,
        gateway: Gateway | None = None,
        trace: Trace | None = None,
    ) -> None:
        """
        Prepare; nothing is begun yet.

        `gateway`: what a gateway in front of some servers requires; `trace` is told what happens.
        """
        self._ca_files = ca_files
        self._deadline = deadline
        self._timings = timings
        self._gateway = gateway
        self._trace = trace
        # By whether a client certificate is shown; its key is read when the first connection needs it.
        self._contexts: dict[bool, Task[ssl.SSLContext]] = {}
        self._early: list[tuple[Place, Task[socket.socket]]] = []

    def prepare(self, place: Place, dialed: Dial | None) -> None:
        """
        Begin to open a connection that will be needed; `dialed` is its TCP connection, if that has begun already.

        Raises SessionError: no more threads can be started.
        """
        self._begin_context(place)
        first = not self._early

        def timed() -> socket.socket:
            try:
                if not first:
                    return self._open(place, dialed)
                with self._timings.phase("connect"):
                    return self._open(place, dialed)
            finally:
                self._deadline.enter_stage(None)

        self._early.append((place, Task(timed)))

    def connect(self, place: Place) -> None:
        """Open a connection now, and keep it for the next request. Raises as `open()`."""
        connection = self._open(place, None)
        self._early.append((place, Task(lambda: connection)))

    def open(self, place: Place) -> socket.socket:
        """
        Return an open connection on which nothing has been sent yet.

        Raises TransportError; ConfigError: a CA file holds no certificate, or the client certificate cannot be used.
        """
        for early in self._early:
            if early[0] == place:
                self._early.remove(early)
                return early[1].result()
        return self._open(place, None)

    def close(self) -> None:
        """Close the connections that were begun and that nobody has asked for."""
        while self._early:
            self._early.pop()[1].discard(socket.socket.close)

    def shows_certificate(self, place: Place) -> bool:
        """Return whether a client certificate is shown to the server at `place` if it asks for one."""
        return self._certificate_for(place) is not None

    def _certificate_for(self, place: Place) -> ClientCertificate | None:
        return self._gateway.certificate if self._gateway is not None and self._gateway.covers(place) else None

    def _begin_context(self, place: Place) -> Task[ssl.SSLContext]:
        """Begin to read the trusted certificates, once, while a connection is being opened."""
        shows = self.shows_certificate(place)
        if shows not in self._contexts:
            self._contexts[shows] = Task(lambda: self._make_context(make_context, place))
        return self._contexts[shows]

    def _make_context(self, make: Callable[[tuple[str, ...]], ssl.SSLContext], place: Place) -> ssl.SSLContext:
        context = make(self._ca_files)
        certificate = self._certificate_for(place)
        if certificate is not None:
            certificate.add_to(context)
        return context

    def _open(self, place: Place, dialed: Dial | None) -> socket.socket:
        scheme, host, port = place
        plain = self._connect(host, port, dialed)
        if scheme != "https":
            return plain
        try:
            return self._secure(plain, place, self._begin_context(place).result())
        except ssl.SSLCertVerificationError as error:
            if not is_unknown_issuer(error):
                raise self._untrusted(error, host, port) from None
        try:
            # The context looks into the directory of certificates alone; the bundle beside it may have more.
            context = self._make_context(full_context, place)
            return self._secure(self._connect(host, port, None), place, context)
        except ssl.SSLCertVerificationError as error:
            raise self._untrusted(error, host, port) from None

    def _connect(self, host: str, port: int, dialed: Dial | None) -> socket.socket:
        left = max(0.001, self._deadline.left())
        try:
            dial = dialed or Dial(host, port, left, witness=self._trace)
            self._deadline.enter_stage(dial.stage)
            raw = _finish(dial, monotonic() + left)
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

    def _secure(self, plain: socket.socket, place: Place, context: ssl.SSLContext) -> socket.socket:
        plain.settimeout(max(0.001, self._deadline.left()))
        self._deadline.enter_stage(lambda: "opening TLS")
        began = monotonic()
        try:
            secured = context.wrap_socket(plain, server_hostname=place[1].encode())
        except ssl.SSLCertVerificationError:
            raise
        except TimeoutError:
            raise TransportError(Kind.TIMEOUT) from None
        except ssl.SSLError as error:
            from bwrun.network.tls_errors import tls_failure  # noqa: PLC0415  (only for an error's words)

            raise tls_failure(error, has_certificate=self.shows_certificate(place)) from None
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise TransportError(Kind.BROKEN) from None
            raise TransportError(Kind.UNREACHABLE, os.strerror(error.errno or 0)) from None
        except ValueError:
            raise TransportError(Kind.URL) from None
        finally:
            plain.close()  # a secured one has taken it over
        if self._trace is not None:
            self._trace.note_tls(secured, monotonic() - began)
        return secured

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
