"""What having no answer means to a user."""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.base.errors import BwrunError, NetworkError, ServerError
from bwrun.network.transport import MAX_SIZE, Kind, TransportError
from bwrun.settings.servers import origin


def network_failure(error: TransportError, url: str, deadline: Deadline, tries: int) -> BwrunError:
    """Return the error for a request to `url` that got no answer, in `tries` tries."""
    host, why = origin(url), error.detail
    tried = f" ({error.tried} addresses tried)" if error.tried > 1 else ""
    if error.kind is Kind.TIMEOUT:
        return deadline.exceeded(host, tried)
    if error.kind is Kind.LOOKUP_TIMEOUT:
        return deadline.exceeded(f"the name service, asked for {host},")
    if error.kind is Kind.TOO_LARGE:
        return ServerError("too-large", f"{host} sends more than {MAX_SIZE >> 20} MiB")
    if error.kind is Kind.UNTRUSTED:
        by = f", issued by `{error.issuer}`" if error.issuer else ""
        return NetworkError(
            "tls-untrusted", f"the certificate of {host}{by} is not trusted: {why}", *error.hints,
        )  # fmt: skip
    if error.kind is Kind.HEADERS:
        return ServerError("headers", f"{host} sends {why}: that is not read", "does a proxy in front of it add them?")
    return {
        Kind.BROKEN: NetworkError("interrupted", f"{host} broke off the connection, {tries} times", "try again later"),
        Kind.DNS: NetworkError(
            "dns",
            f"the name {host} cannot be found" + (f": {why}" if why else ""),
            "check --server and the name service",
        ),
        Kind.PROXY_ADDRESS: NetworkError("proxy", "a proxy variable holds no usable address", "check https_proxy"),
        Kind.PROXY_GONE: NetworkError("proxy", f"cannot connect to the proxy in front of {host}", "check https_proxy"),
        Kind.PROXY_REFUSES: NetworkError(
            "proxy", f"the proxy does not let through to {host}", "check https_proxy and no_proxy"
        ),
        Kind.ALERT: NetworkError("tls", f"{host} ended the TLS connection with the alert `{why}`", *error.hints),
        Kind.HTTPS_PORT: NetworkError(
            "tls", f"at {host} https is spoken, not http", f"write `https{host.removeprefix('http')}`"
        ),
        Kind.TLS: NetworkError("tls", f"no secure connection to {host}: {why}", *error.hints),
        Kind.UNREACHABLE: NetworkError(
            "unreachable",
            f"cannot connect to {host}" + (f": {why}" if why else "") + tried,
            "check --server and the network",
        ),
        Kind.UNREADABLE: NetworkError("interrupted", f"what {host} sends cannot be read ({why})", "try again later"),
        Kind.URL: NetworkError("url", f"`{url}` is no URL that can be asked", "check --server"),
    }[error.kind]
