"""What begins while the supervisor is not ready yet: the connection to the server, and imports. Nothing is sent."""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.base.urls import PORTS, split_url
from bwrun.credentials.finding import are_at_hand
from bwrun.network.proxies import find_proxy
from bwrun.settings.config import Config

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from _socket import socket

    from bwrun.base.console import Console
    from bwrun.base.tasks import Task
    from bwrun.base.timings import Timings
    from bwrun.login.unlocking import Means


def dial_early(config: Config) -> Task[socket] | None:
    """Begin to connect, if nobody has to be asked for anything before the login."""
    if not are_at_hand(config) or find_proxy(config.server.identity) is not None:
        return None
    from bwrun.network.dialing import dial  # noqa: PLC0415

    place = split_url(config.server.identity)
    return dial(place.host, PORTS[place.scheme] if place.port is None else place.port, config.timeout)


def reach_out(
    config: Config, dialed: Task[socket] | None, items: tuple[str, ...], console: Console, timings: Timings
) -> Means:
    """
    Go on to connect, and import what a login needs; `items`: those that will be fetched alone.

    Raises SessionError: there can be no more threads.
    """
    deadline = Deadline(config.timeout)
    with timings.phase("import"):
        from bwrun.network.routing import Network  # noqa: PLC0415  (TLS: while the network is on its way)

        network = Network(config.ca_files, deadline, timings)
        soon = are_at_hand(config)
        if soon:
            network.expect(config.server.identity, dialed)
        from bwrun.login.unlocking import Means, expect_items  # noqa: PLC0415

        if soon:  # else a connection could be closed again before it is used
            expect_items(network, config.server, len(items))
    return Means(console, timings, deadline, network)
