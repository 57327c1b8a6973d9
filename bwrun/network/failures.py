"""What a request without an answer means to a user: an error with a code, a message and a hint."""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.base.errors import BwrunError, NetworkError, ServerError
from bwrun.network.proxies import Proxy
from bwrun.network.transport import MAX_SIZE, Kind, TransportError
from bwrun.settings.servers import origin


def network_failure(error: TransportError, url: str, deadline: Deadline, tries: int) -> BwrunError:
    """Return the error for a request to `url` that got no answer, in `tries` tries."""
    if error.proxy is not None:
        return _proxy_failure(error, error.proxy, origin(url), deadline, tries)
    host, why = origin(url), error.detail
    if error.kind is Kind.TIMEOUT:
        return deadline.exceeded(host)
    if error.kind is Kind.TOO_LARGE:
        return ServerError("too-large", f"{host} sends more than {MAX_SIZE >> 20} MiB")
    if error.kind is Kind.UNTRUSTED:
        by = f", issued by `{error.issuer}`" if error.issuer else ""
        return NetworkError(
            "tls-untrusted", f"the certificate of {host}{by} is not trusted: {why}",
            "for a private CA: --ca-file FILE, or SSL_CERT_FILE",
        )  # fmt: skip
    return {
        Kind.BROKEN: NetworkError("interrupted", f"{host} broke off the connection, {tries} times", "try again later"),
        Kind.DNS: NetworkError("dns", f"the name {host} cannot be found", "check --server and the name service"),
        Kind.TLS: NetworkError(
            "tls", f"no secure connection to {host}: {why}", "is it https that is spoken at that port?"
        ),
        Kind.UNREACHABLE: NetworkError(
            "unreachable", f"cannot connect to {host}" + (f": {why}" if why else ""), "check --server and the network"
        ),
        Kind.UNREADABLE: NetworkError("interrupted", f"what {host} sends cannot be read ({why})", "try again later"),
        Kind.URL: NetworkError("url", f"`{url}` is no URL that can be asked", "check --server"),
    }[error.kind]


def _proxy_failure(error: TransportError, proxy: Proxy, host: str, deadline: Deadline, tries: int) -> NetworkError:
    """Return the error for a request that a proxy did not pass on to `host`."""
    name, why = f"the proxy {proxy.shown}", error.detail
    hint = f"{proxy.variable} names this proxy; no_proxy lists the hosts that are asked without it"
    if error.kind is Kind.TIMEOUT:
        return NetworkError("timeout", f"{name} did not answer within {deadline.seconds:g} s", hint)
    if error.kind is Kind.PROXY_LOGIN:
        return _login_failure(proxy, name, why)
    if error.kind is Kind.UNTRUSTED:
        return NetworkError(
            "tls-untrusted", f"the certificate of {name} is not trusted: {why}",
            "for a private CA: --ca-file FILE, or SSL_CERT_FILE", hint,
        )  # fmt: skip
    because = f": {why}" if why else ""
    message = {
        Kind.BROKEN: f"{name} broke off the connection, {tries} times",
        Kind.DNS: f"the name of {name} cannot be found",
        Kind.PROXY_ADDRESS: f"{proxy.variable} holds no usable address of a proxy",
        Kind.PROXY_REFUSES: f"{name} refuses a connection to {host}" + (f" ({why})" if why else ""),
        Kind.TLS: f"no secure connection to {name}{because}",
        Kind.UNREACHABLE: f"cannot connect to {name}{because}",
        Kind.UNREADABLE: f"what {name} answers cannot be read ({why})",
    }[error.kind]
    return NetworkError("proxy", message, hint)


def _login_failure(proxy: Proxy, name: str, methods: str) -> NetworkError:
    """Return the error for a proxy that wants a login; `methods` are those that it offers, if it says so."""
    if methods and "basic" not in methods.lower():
        return NetworkError(
            "proxy", f"{name} wants a login by {methods}, and bwrun knows Basic alone",
            "a proxy on this machine that logs in there (cntlm, px) can stand between",
        )  # fmt: skip
    if "@" in proxy.url:
        return NetworkError(
            "proxy", f"{name} does not accept the user and the password in {proxy.variable}",
            "special characters in them are percent-encoded: `@` as %40, `:` as %3A, `/` as %2F",
        )  # fmt: skip
    url = f"{proxy.scheme or 'http'}://USER:PASSWORD@HOST:PORT"
    return NetworkError("proxy", f"{name} wants a login", f"put user and password into {proxy.variable}: {url}")
