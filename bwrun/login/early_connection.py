"""
Connecting to the server while the supervisor is still starting. Nothing is sent before the supervisor is ready.

The connection and the imports that a login needs then take no time of their own.
"""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.base.errors import ConfigError
from bwrun.base.urls import PORTS, split_url
from bwrun.credentials.finding import are_all_set
from bwrun.network.proxies import find_proxy
from bwrun.settings.config import Config
from bwrun.settings.found_file import trust_it
from bwrun.settings.option_names import DOCTOR, RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.base.console import Console
    from bwrun.base.timings import Timings
    from bwrun.login.context import LoginContext
    from bwrun.network.dialing import Dial
    from bwrun.network.routing import Network
    from bwrun.network.tracing import Trace


def dial_early(config: Config) -> Dial | None:
    """Begin to connect to the identity service; None if a proxy is used, or something must be waited for."""
    if config.untrusted_server is not None or not _is_soon(config) or _may_ask_nothing(config):
        return None
    if find_proxy(config.server.identity) is not None:
        return None
    from bwrun.network.dialing import Dial  # noqa: PLC0415

    place = split_url(config.server.identity)
    return Dial(place.host, PORTS[place.scheme] if place.port is None else place.port, config.timeout)


def start_connecting(  # noqa: PLR0913  (what connections need)
    config: Config,
    dialed: Dial | None,
    items: tuple[str, ...],
    console: Console,
    timings: Timings,
    *,
    trace: Trace | None = None,
) -> LoginContext:
    """
    Begin to open all connections that the run needs, and import the modules for the login.

    `dialed` is the connection that `dial_early()` began; `items` are the ids of the items to fetch one by one.
    `trace` is told what happens.

    Raises ConfigError: a found `.env` names a server that it may not name, or the client certificate or the header
    file cannot be used; SessionError: the system allows no more threads.
    """
    if config.untrusted_server is not None:
        raise ConfigError(
            "untrusted-server", f"{config.untrusted_server} names a server, but the client secret is not in that file",
            "put BW_CLIENTSECRET into that file and nowhere else, set the server in the environment or in config.toml,"
            f" {trust_it(config.sources.files[0].path)}",
        )  # fmt: skip
    deadline = Deadline(config.timeout)
    opened: list[Network] = []

    def open_network() -> Network:
        if not opened:
            with timings.phase("import"):
                opened.append(_open_network(config, dialed, items, deadline=deadline, timings=timings, trace=trace))
        return opened[0]

    def close_network() -> None:
        for network in opened:
            network.close()

    if not _may_ask_nothing(config):
        open_network()
    from bwrun.login.context import LoginContext  # noqa: PLC0415  (while the connection is being made)

    return LoginContext(console, timings, deadline, open_network, close_network)


def _is_soon(config: Config) -> bool:
    """Return whether the login comes at once; else the server could close an early connection before it is used."""
    if config.mode == DOCTOR:
        return False  # it opens the connection step by step
    return are_all_set(config) and not (config.jitter and config.mode == RUN)


def _may_ask_nothing(config: Config) -> bool:
    """Return whether the cache may be all that the run needs, so that no connection is opened before it is read."""
    return config.cache is not None and config.cache.may_ask_nothing


def _open_network(  # noqa: PLR0913  (what connections need)
    config: Config,
    dialed: Dial | None,
    items: tuple[str, ...],
    *,
    deadline: Deadline,
    timings: Timings,
    trace: Trace | None,
) -> Network:
    """Begin to open all connections that the run needs."""
    from bwrun.network.routing import Network  # noqa: PLC0415  (it imports `ssl`, while the connection is being made)

    gateway = None
    if config.gateway is not None:
        from bwrun.login.gateway import open_gateway  # noqa: PLC0415  (few servers need it)

        gateway = open_gateway(config.gateway, deadline)
    network = Network(config.ca_files, deadline, timings, gateway, trace)
    is_soon = _is_soon(config)
    if is_soon:
        network.expect(config.server.identity, dialed)
    from bwrun.login.unlocking import prepare_connections  # noqa: PLC0415

    if is_soon:
        prepare_connections(network, config.server, len(items))
    return network
