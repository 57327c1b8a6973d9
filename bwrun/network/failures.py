"""The error that a user sees if a request got no answer."""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.base.errors import BwrunError, NetworkError, ServerError
from bwrun.network.proxies import Proxy
from bwrun.network.transport import MAX_SIZE, Kind, TransportError
from bwrun.settings.servers import origin


def network_failure(error: TransportError, url: str, deadline: Deadline, tries: int) -> BwrunError:
    """Return the error for a request to `url` that got no answer in `tries` attempts."""
    if error.proxy is not None:
        return _proxy_failure(error, error.proxy, origin(url), deadline, tries)
    host, why = origin(url), error.detail
    because = f": {why}" if why else ""
    tried = f" ({error.tried} addresses tried)" if error.tried > 1 else ""
    if error.kind is Kind.TIMEOUT:
        return deadline.exceeded(host + tried)
    if error.kind is Kind.LOOKUP_TIMEOUT:
        return deadline.exceeded(f"the DNS lookup of {host}", "check `--server` and the DNS settings")
    if error.kind is Kind.TOO_LARGE:
        return ServerError("too-large", f"the answer from {host} is larger than {MAX_SIZE >> 20} MiB")
    if error.kind is Kind.UNTRUSTED:
        by = f", issued by `{error.issuer}`" if error.issuer else ""
        return NetworkError(
            "tls-untrusted", f"the certificate of {host}{by} is not trusted: {why}", *error.hints,
        )  # fmt: skip
    if error.kind is Kind.HEADERS:
        return ServerError(
            "headers", f"cannot read the answer from {host}: it has {why}",
            "check whether a proxy in front of the server adds them",
        )  # fmt: skip
    return {
        Kind.ALERT: NetworkError("tls", f"{host} closed the TLS connection with the alert `{why}`", *error.hints),
        Kind.BROKEN: NetworkError(
            "interrupted", f"{host} closed the connection early in {tries} attempts", "try again later"
        ),
        Kind.DNS: NetworkError(
            "dns", f"cannot resolve the name of {host}{because}", "check `--server` and the DNS settings"
        ),
        Kind.HTTPS_PORT: https_instead(url),
        Kind.TLS: NetworkError("tls", f"cannot open a TLS connection to {host}: {why}", *error.hints),
        Kind.UNREACHABLE: NetworkError(
            "unreachable", f"cannot connect to {host}{because}{tried}", "check `--server` and the network"
        ),
        Kind.UNREADABLE: NetworkError("interrupted", f"cannot read the answer from {host} ({why})", "try again later"),
        Kind.URL: NetworkError("url", f"cannot send a request to `{url}`: the URL is invalid", "check `--server`"),
    }[error.kind]


def https_instead(url: str) -> NetworkError:
    """Return the error for an http URL where the server speaks https."""
    host = origin(url)
    return NetworkError(
        "tls", f"{host} speaks https, not http", f"change the address to https{host.removeprefix('http')}"
    )


def _proxy_failure(error: TransportError, proxy: Proxy, host: str, deadline: Deadline, tries: int) -> NetworkError:
    """Return the error for a request that failed at the proxy, before it reached `host`."""
    name, why = f"the proxy {proxy.shown}", error.detail
    hint = f"check {proxy.variable}, or list the server in no_proxy to connect without the proxy"
    if error.kind is Kind.TIMEOUT:
        return deadline.exceeded(name, hint)
    if error.kind is Kind.PROXY_LOGIN:
        return _login_failure(proxy, name, why)
    if error.kind is Kind.UNTRUSTED:
        return NetworkError(
            "tls-untrusted", f"the certificate of {name} is not trusted: {why}", *error.hints, hint,
        )  # fmt: skip
    because = f": {why}" if why else ""
    message = {
        Kind.ALERT: f"{name} closed the TLS connection with the alert `{why}`",
        Kind.BROKEN: f"{name} closed the connection early in {tries} attempts",
        Kind.DNS: f"cannot resolve the name of {name}",
        Kind.HEADERS: f"cannot read the answer from {name}: it has {why}",
        Kind.PROXY_ADDRESS: f"{proxy.variable} contains an invalid proxy address",
        Kind.PROXY_REFUSES: f"{name} refused to connect to {host}" + (f" ({why})" if why else ""),
        Kind.TLS: f"cannot open a TLS connection to {name}{because}",
        Kind.UNREACHABLE: f"cannot connect to {name}{because}",
        Kind.UNREADABLE: f"cannot read the answer from {name} ({why})",
    }[error.kind]
    return NetworkError("proxy", message, hint)


def _login_failure(proxy: Proxy, name: str, methods: str) -> NetworkError:
    """Return the error for a proxy that requires a login. `methods` are those that it offers, empty if not known."""
    if methods and "basic" not in methods.lower():
        return NetworkError(
            "proxy", f"{name} requires a login with {methods}, but bwrun supports only Basic",
            "run a local proxy that can log in there, for example cntlm or px, and use that",
        )  # fmt: skip
    if "@" in proxy.url:
        return NetworkError(
            "proxy", f"{name} rejected the user name and password in {proxy.variable}",
            "percent-encode special characters in them: `@` as %40, `:` as %3A, `/` as %2F",
        )  # fmt: skip
    url = f"{proxy.scheme or 'http'}://USER:PASSWORD@HOST:PORT"
    return NetworkError("proxy", f"{name} requires a user name and a password", f"add them to {proxy.variable}: {url}")
