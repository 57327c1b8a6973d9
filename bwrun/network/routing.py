"""The way of each request: directly to the server, or through the proxy that the environment names for its URL."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bwrun.base.deadline import Deadline
from bwrun.base.sensitive import Sensitive
from bwrun.base.timings import Timings
from bwrun.network.connecting import Connector
from bwrun.network.dialing import Dial
from bwrun.network.proxies import Proxy, find_proxy
from bwrun.network.transport import Reply, Transport, place_of

if TYPE_CHECKING:
    from bwrun.network.gateway import Gateway
    from bwrun.network.tracing import Trace


class Network:
    """Carries the requests of one run. Its methods may be called from several threads."""

    def __init__(
        self,
        ca_files: tuple[str, ...],
        deadline: Deadline,
        timings: Timings,
        gateway: Gateway | None = None,
        trace: Trace | None = None,
    ) -> None:
        """
        Open no connection yet.

        `gateway`: what the gateway in front of some servers requires; `trace` is told what happens.
        """
        self._ca_files = ca_files
        self._deadline = deadline
        self.gateway = gateway
        self._connector = Connector(ca_files, deadline, timings, gateway, trace)
        self._trace = trace
        self._ways: dict[tuple[Proxy | None, bool], Transport] = {}
        self._lock = threading.Lock()

    def open_client_key(self, password: Sensitive) -> None:
        """
        Take the passphrase of the client certificate's key, before any request.

        Raises ConfigError: it does not open the key, or the key does not belong to the certificate.
        """
        if self.gateway is not None and self.gateway.certificate is not None:
            self.gateway.certificate.password = password
            self.gateway.certificate.check()

    def expect(self, url: str, dialed: Dial | None = None) -> None:
        """
        Begin to open a connection for a request to `url` that will be sent soon. `dialed` is its TCP connection.

        This does nothing if the request goes through a proxy.

        Raises SessionError: no thread can be started.
        """
        if find_proxy(url) is None:
            self._connector.prepare(place_of(url), dialed)

    def connect(self, url: str) -> None:
        """
        Open a connection for the next request to `url`, which goes through no proxy.

        Raises TransportError; ConfigError: a CA file contains no certificate, or the client certificate cannot be used.
        """
        self._connector.connect(place_of(url))

    def prepare(self, url: str) -> Proxy | None:
        """
        Import the transport for requests to `url`. Return the proxy that they go through, or None.

        Raises ConfigError: a CA file contains no certificate; NetworkError: the URL of the proxy cannot be used.
        """
        self._way(url)
        return find_proxy(url)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """
        Send one request and read the answer, which may be a redirect.

        Raises TransportError; ConfigError and NetworkError as `prepare()`.
        """
        way = self._way(url)
        if self.gateway is None or not self.gateway.covers(place_of(url)):
            return way.send(method, url, headers, body)
        reply = way.send(method, url, {**headers, **self.gateway.headers()}, body)
        return Reply(reply.status, reply.headers, reply.body, self.gateway.secrets())

    def close(self) -> None:
        """Close all connections: nothing will be sent any more."""
        self._connector.close()
        with self._lock:
            ways = [*self._ways.values()]
        for way in ways:
            way.close()

    def _way(self, url: str) -> Transport:
        proxy = find_proxy(url)
        shows = proxy is not None and self._connector.shows_certificate(place_of(url))
        with self._lock:
            if (proxy, shows) not in self._ways:
                self._ways[proxy, shows] = self._make_way(proxy, shows=shows)
            return self._ways[proxy, shows]

    def _make_way(self, proxy: Proxy | None, *, shows: bool) -> Transport:
        if proxy is not None:
            from bwrun.network.proxied import ProxiedTransport  # noqa: PLC0415  (httpx takes 110 ms to import)

            certificate = self.gateway.certificate if shows and self.gateway is not None else None
            return ProxiedTransport(self._ca_files, self._deadline, proxy, certificate, self._trace)
        from bwrun.network.direct import DirectTransport  # noqa: PLC0415  (`http.client` takes 20 ms: connections open meanwhile)

        return DirectTransport(self._connector, self._deadline)
