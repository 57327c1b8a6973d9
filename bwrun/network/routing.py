"""Which way each request goes: to the server directly, or through the proxy that the environment names for it."""

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
    from bwrun.network.access import Access


class Network:
    """What carries the requests of one run. May be used from several threads."""

    def __init__(
        self, ca_files: tuple[str, ...], deadline: Deadline, timings: Timings, access: Access | None = None
    ) -> None:
        """Prepare; nothing is begun yet. `access`: what some servers get besides the login."""
        self._ca_files = ca_files
        self._deadline = deadline
        self.access = access
        self._connector = Connector(ca_files, deadline, timings, access)
        self._ways: dict[tuple[Proxy | None, bool], Transport] = {}
        self._lock = threading.Lock()

    def open_client_key(self, password: Sensitive) -> None:
        """
        Take the passphrase of the client certificate's key, before any request.

        Raises ConfigError: it does not open the key, or the key does not belong to the certificate.
        """
        if self.access is not None and self.access.certificate is not None:
            self.access.certificate.password = password
            self.access.certificate.check()

    def expect(self, url: str, dialed: Dial | None = None) -> None:
        """
        Begin to connect to where `url` is, which will be asked soon. It may be `dialed` already.

        Through a proxy nothing is begun early.

        Raises SessionError: no thread can be started.
        """
        if find_proxy(url) is None:
            self._connector.prepare(place_of(url), dialed)

    def prepare(self, url: str) -> Proxy | None:
        """
        Import what will carry the requests to `url`; return the proxy that they go through, None if there is none.

        Raises ConfigError: a CA file holds no certificate; NetworkError: the proxy's URL cannot be used.
        """
        self._way(url)
        return find_proxy(url)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """
        Send one request and read the answer, which may be a redirect.

        Raises TransportError; ConfigError and NetworkError as `prepare()`.
        """
        way = self._way(url)
        if self.access is None or not self.access.covers(place_of(url)):
            return way.send(method, url, headers, body)
        reply = way.send(method, url, {**headers, **self.access.headers()}, body)
        return Reply(reply.status, reply.headers, reply.body, self.access.secrets())

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

            certificate = self.access.certificate if shows and self.access is not None else None
            return ProxiedTransport(self._ca_files, self._deadline, proxy, certificate)
        from bwrun.network.direct import DirectTransport  # noqa: PLC0415  (`http.client` takes 20 ms: connections open meanwhile)

        return DirectTransport(self._connector, self._deadline)
