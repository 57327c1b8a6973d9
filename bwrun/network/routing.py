"""Which way requests go: straight to the server, or through the proxies that the environment names."""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.base.timings import Timings
from bwrun.network.connecting import Connector, place_of
from bwrun.network.dialing import Dial
from bwrun.network.proxies import has_proxy
from bwrun.network.transport import Transport


class Network:
    """The way of one run."""

    def __init__(self, ca_files: tuple[str, ...], deadline: Deadline, timings: Timings) -> None:
        """Look which way it is; nothing is begun yet."""
        self._ca_files = ca_files
        self._deadline = deadline
        self._connector = None if has_proxy() else Connector(ca_files, deadline, timings)

    def expect(self, url: str, dialed: Dial | None = None) -> None:
        """
        Begin to open a connection to where `url` is, which will be asked soon; it may be `dialed` already.

        Raises SessionError: there can be no more threads.
        """
        if self._connector is not None:
            self._connector.prepare(place_of(url), dialed)

    def transport(self) -> Transport:
        """
        Return what carries requests.

        Raises ConfigError: a CA file holds no certificate; NetworkError: a proxy's address is none that can be used.
        """
        if self._connector is None:
            from bwrun.network.proxied import ProxiedTransport  # noqa: PLC0415  (httpx takes 110 ms: only where it is needed)

            return ProxiedTransport(self._ca_files, self._deadline)
        from bwrun.network.direct import DirectTransport  # noqa: PLC0415  (`http.client` takes 20 ms: connections open meanwhile)

        return DirectTransport(self._connector, self._deadline)
