"""The steps of `--doctor` on the way to the server: addresses, connections, TLS, the server and its clock."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from functools import partial

from bwrun.base.errors import BwrunError, ServerError
from bwrun.doctor.case import Case
from bwrun.doctor.report import Finding, NotNeededError
from bwrun.login.early_connection import start_connecting
from bwrun.login.fetching import seconds_of
from bwrun.network.answer import HTTP_OK
from bwrun.network.client import Client
from bwrun.network.failures import network_failure
from bwrun.network.proxies import EXCEPTION_VARIABLES, PROXY_VARIABLES, find_proxy
from bwrun.network.tls import trusted_places
from bwrun.network.tracing import OPEN
from bwrun.network.transport import TransportError, place_of
from bwrun.settings.servers import Server, origin

SKEW = 10.0  # seconds between the clocks from which on there is a warning; codes of authenticators change every 30 s
EXPIRES_SOON = 14  # days
MAX_WORDS = 60  # characters of what a server says of itself


def name_servers(case: Case) -> Finding:
    """Say which servers a run would ask, and begin what all requests need."""
    config = case.config
    server = config.server
    facts = {
        "identity": server.identity,
        "api": server.api,
        "key_connector": config.key_connector_url,
        "region": server.region,
        "set_by": _who_sets_server(case),
    }
    case.require_login()
    case.context = start_connecting(config.replaced(cache=None), None, (), case.notes, case.timings, trace=case.trace)
    text = f"{server.identity} and {server.api}"
    connector = (f"Key Connector: {config.key_connector_url}",) if config.key_connector_url else ()
    return Finding(f"{text} (set by: {facts['set_by'] or 'default'})", facts, connector)


def _who_sets_server(case: Case) -> str | None:
    """Return where the server is set, None if it is the default."""
    if case.config.server_place is not None or not case.config.server_is_set:
        return case.config.server_place
    return "the outer bwrun" if case.kept is None else "`bwrun --login`"


def decide_proxy(case: Case) -> Finding:
    """Say whether requests go through a proxy, and why."""
    shown: dict[str, object] = {}
    lines = []
    for service in ("identity", "api"):
        url = getattr(case.config.server, service)
        proxy = find_proxy(url)
        shown[service] = None if proxy is None else {"proxy": proxy.shown, "variable": proxy.variable}
        way = f"directly ({_why_directly(url)})" if proxy is None else f"through {proxy.shown} (from {proxy.variable})"
        lines.append(f"{origin(url)}: {way}")
    first, *more = dict.fromkeys(lines)
    return Finding(first, shown, tuple(more))


def _why_directly(url: str) -> str:
    if not any(os.environ.get(name) for name in PROXY_VARIABLES):
        return "no proxy is set"
    if not url.startswith("https:"):
        return "plain http uses no proxy"
    return f"the host is in {next(name for name in EXCEPTION_VARIABLES if os.environ.get(name))}"


def services_of(server: Server) -> dict[str, str]:
    """Return the URLs of the services that need a connection of their own, by the prefix of their steps' names."""
    same = place_of(server.identity) == place_of(server.api)
    return {"": server.identity} if same else {"": server.identity, "api-": server.api}


class Way:
    """The way to one server, in three steps: its addresses, a connection, TLS."""

    def __init__(self, case: Case, url: str) -> None:
        """Do nothing yet; `url` is that of a service."""
        self._case = case
        self._url = url
        self._scheme, self._host, self._port = "", "", 0
        self._error: BwrunError | None = None
        self.proxy = find_proxy(url)

    def look_up(self) -> Finding:
        """Connect, and say which addresses the server's name has."""
        if self.proxy is not None:
            raise NotNeededError(f"requests go through the proxy {self.proxy.shown}")
        self._scheme, self._host, self._port = place_of(self._url)
        before = len(self._case.trace.lookups)
        self._connect()
        lookups = [one for one in self._case.trace.lookups[before:] if one.addresses]
        if not lookups:
            raise self._error or ServerError("unexpected-reply", f"`{self._host}` has no address")
        found = lookups[0]
        facts = {"host": found.host, "addresses": list(found.addresses), "seconds": round(found.seconds, 4)}
        return Finding(f"{found.host}: {', '.join(found.addresses)} ({_ms(found.seconds)})", facts)

    def reach(self) -> Finding:
        """Say which addresses took a connection."""
        attempts = self._case.trace.attempts
        lines = [
            f"{one.address} port {self._port}: {one.outcome}" + (f" ({_ms(one.seconds)})" if one.seconds else "")
            for one in attempts
        ]
        if not attempts or (self._error is not None and all(one.outcome != OPEN for one in attempts)):
            raise self._error or ServerError("unexpected-reply", f"no connection to `{self._host}` was tried")
        facts = [
            {"address": one.address, "port": self._port, "outcome": one.outcome, "seconds": round(one.seconds, 4)}
            for one in attempts
        ]
        attempts.clear()
        return Finding(lines[0], {"attempts": facts}, tuple(lines[1:]))

    def secure(self) -> Finding:
        """Say what TLS was agreed on, and what the certificate of the server says."""
        if self.proxy is None and self._scheme != "https":
            raise NotNeededError("plain http, which only a server of this machine may speak")
        if self._error is not None:
            raise self._error
        if not self._case.trace.secured:
            raise NotNeededError("the library for proxies does not show it")
        found = self._case.trace.secured[-1]
        self._case.trace.secured.clear()
        trusted = trusted_places(self._case.config.ca_files)
        facts: dict[str, object] = {"version": found.version, "cipher": found.cipher, "trusted": list(trusted)}
        lines = [f"trusted are the certificates of {', '.join(f'`{one}`' for one in trusted)}"]
        certificate = found.certificate
        if certificate is None:
            return Finding(f"{found.version}, {found.cipher}", facts, tuple(lines))
        days = (certificate.ends - datetime.now(UTC)).days
        if days < EXPIRES_SOON:
            self._case.notes.warn(
                f"the certificate of {self._host or 'the server'} expires in {days} days", "renew it on the server"
            )
        facts |= {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": list(certificate.names),
            "expires": f"{certificate.ends:%Y-%m-%dT%H:%M:%SZ}",
            "days": days,
        }
        text = (
            f"{found.version}, issued by `{certificate.issuer}`, expires {certificate.ends:%Y-%m-%d} (in {days} days)"
        )
        return Finding(text, facts, tuple(lines))

    def _connect(self) -> None:
        context, url = self._case.context, self._url
        if self._case.config.gateway is not None:
            from bwrun.login.gateway import open_key  # noqa: PLC0415  (few servers have a gateway)

            open_key(self._case.config, context.network, context.deadline)
        try:
            task = context.start("connect", partial(context.network.connect, url))
            context.wait(task, origin(url), f"connecting to {origin(url)}")
        except TransportError as error:
            self._error = network_failure(error, url, context.deadline, 1)
        except BwrunError as error:
            self._error = error


def ask_server(case: Case) -> Finding:
    """Ask the server what it is: /config is open to all."""
    config, context = case.config, case.context
    if config.gateway is not None:
        from bwrun.login.gateway import open_key  # noqa: PLC0415  (few servers have a gateway)

        open_key(config, context.network, context.deadline)
    client = Client(config.server, context.network, config.client_version, context.deadline, case.notes.tell)
    before = time.time()
    try:
        task = context.start("server", partial(client.ask, "config"))
        answer = context.wait(task, origin(config.server.api), f"asking {origin(config.server.api)} for its version")
    except ServerError as error:  # a run can do without this answer
        case.notes.warn(f"{error.message} [{error.code}]", *error.hints)
        return Finding("does not say what it is")
    date = seconds_of(answer.headers.get("date"))
    if date is not None:
        case.skew = _skew(before, time.time(), date)
    data = answer.data if answer.status == HTTP_OK and isinstance(answer.data, dict) else {}
    case.server_config = data or None
    names = {str(name).lower(): value for name, value in data.items()}
    about = names.get("server")
    kind = about.get("name") if isinstance(about, dict) else None
    kind, version = (one[:MAX_WORDS] if isinstance(one, str) else None for one in (kind, names.get("version")))
    if version is None:
        case.notes.warn(f"the server does not say its version ({answer.status})")
        return Finding("unknown", {"kind": None, "version": None})
    text = f"{kind}, as Bitwarden {version}" if kind else f"Bitwarden {version}"
    return Finding(text, {"kind": kind or "Bitwarden", "version": version})


def compare_clocks(case: Case) -> Finding:
    """Compare the clock of this machine with the server's."""
    skew = case.skew
    if skew is None:
        raise NotNeededError("the server does not say the time")
    size = f"{abs(skew):.0f} s"
    if abs(skew) > SKEW:
        case.notes.warn(
            f"this machine's clock is {size} {'fast' if skew > 0 else 'slow'}, or the server's is wrong",
            "set the clock by NTP: one-time codes, certificates and the cache depend on it",
        )
    text = "the same as the server's"
    if abs(skew) >= 1:
        text = f"{size} {'ahead of' if skew > 0 else 'behind'} the server's"
    return Finding(text, {"skew": round(skew, 1)})


def _skew(before: float, after: float, date: float) -> float:
    """
    Return how many seconds this machine's clock is ahead of the server's at least; 0 if they may be the same.

    The server wrote `date`, which has whole seconds, at a moment between `before` and `after`.
    """
    least, most = before - date - 1, after - date
    return least if least > 0 else min(most, 0.0)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
