"""Which way each request goes: to the server directly, or through the proxy that the environment names for it."""

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
    """What carries the requests of one run. May be used from several threads."""

    def __init__(self, ca_files: tuple[str, ...], deadline: Deadline, timings: Timings) -> None:
        """Prepare; nothing is begun yet."""
        self._ca_files = ca_files
        self._deadline = deadline
        self._connector = Connector(ca_files, deadline, timings)
        self._ways: dict[Proxy | None, Transport] = {}
        self._lock = threading.Lock()

    def expect(self, url: str, dialed: Task[_socket.socket] | None = None) -> None:
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
