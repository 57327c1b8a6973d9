"""The way of each request: directly to the server, or through the proxy that the environment names for its URL."""

from __future__ import annotations

import _socket
import threading
from collections.abc import Mapping

from bwrun.base.deadline import Deadline
from bwrun.base.tasks import Task
from bwrun.base.timings import Timings
from bwrun.network.connecting import Connector, place_of
from bwrun.network.proxies import Proxy, find_proxy
from bwrun.network.transport import Reply, Transport


class Network:
    """Carries the requests of one run. Its methods may be called from several threads."""

    def __init__(self, ca_files: tuple[str, ...], deadline: Deadline, timings: Timings) -> None:
        """Open no connection yet."""
        self._ca_files = ca_files
        self._deadline = deadline
        self._connector = Connector(ca_files, deadline, timings)
        self._ways: dict[Proxy | None, Transport] = {}
        self._lock = threading.Lock()

    def expect(self, url: str, dialed: Task[_socket.socket] | None = None) -> None:
        """
        Begin to open a connection for a request to `url` that will be sent soon. `dialed` is its TCP connection.

        This does nothing if the request goes through a proxy.

        Raises SessionError: no thread can be started.
        """
        if find_proxy(url) is None:
            self._connector.prepare(place_of(url), dialed)

    def prepare(self, url: str) -> Proxy | None:
        """
        Import the transport for requests to `url`. Return the proxy that they go through, or None.

        Raises ConfigError: a CA file contains no certificate; NetworkError: the URL of the proxy cannot be used.
        """
        proxy = find_proxy(url)
        self._way(proxy)
        return proxy

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """
        Send one request and read the answer, which may be a redirect.

        Raises TransportError; ConfigError and NetworkError as `prepare()`.
        """
        return self._way(find_proxy(url)).send(method, url, headers, body)

    def _way(self, proxy: Proxy | None) -> Transport:
        with self._lock:
            if proxy not in self._ways:
                self._ways[proxy] = self._make_way(proxy)
            return self._ways[proxy]

    def _make_way(self, proxy: Proxy | None) -> Transport:
        if proxy is not None:
            from bwrun.network.proxied import ProxiedTransport  # noqa: PLC0415  (httpx takes 110 ms to import)

            return ProxiedTransport(self._ca_files, self._deadline, proxy)
        from bwrun.network.direct import DirectTransport  # noqa: PLC0415  (`http.client` takes 20 ms: connections open meanwhile)

        return DirectTransport(self._connector, self._deadline)
