"""What having no answer means to a user."""

from __future__ import annotations

from bwrun.base.deadline import Deadline
from bwrun.base.errors import BwrunError, NetworkError, ServerError
from bwrun.network.transport import MAX_SIZE, Kind, TransportError
from bwrun.settings.servers import origin


def network_failure(error: TransportError, url: str, deadline: Deadline, tries: int) -> BwrunError:
    """Return the error for a request to `url` that got no answer, in `tries` tries."""
    host, why = origin(url), error.detail
    if error.kind is Kind.TIMEOUT:
        return deadline.exceeded(host)
    if error.kind is Kind.TOO_LARGE:
        return ServerError("too-large", f"the answer from {host} is larger than {MAX_SIZE >> 20} MiB")
    if error.kind is Kind.UNTRUSTED:
        by = f", issued by `{error.issuer}`" if error.issuer else ""
        return NetworkError(
            "tls-untrusted", f"the certificate of {host}{by} is not trusted: {why}",
            "if this is your private CA, trust it with `--ca-file FILE`",
        )  # fmt: skip
    return {
        Kind.BROKEN: NetworkError(
            "interrupted", f"{host} closed the connection early in {tries} attempts", "try again later"
        ),
        Kind.DNS: NetworkError("dns", f"cannot resolve the name of {host}", "check `--server` and the DNS settings"),
        Kind.PROXY_ADDRESS: NetworkError("proxy", "a proxy variable contains an invalid address", "check https_proxy"),
        Kind.PROXY_GONE: NetworkError("proxy", f"cannot connect to the proxy in front of {host}", "check https_proxy"),
        Kind.PROXY_REFUSES: NetworkError(
            "proxy", f"the proxy refused to connect to {host}", "check https_proxy and no_proxy"
        ),
        Kind.TLS: NetworkError(
            "tls", f"cannot open a TLS connection to {host}: {why}", "check that the server speaks https on that port"
        ),
        Kind.UNREACHABLE: NetworkError(
            "unreachable", f"cannot connect to {host}" + (f": {why}" if why else ""), "check `--server` and the network"
        ),
        Kind.UNREADABLE: NetworkError("interrupted", f"cannot read the answer from {host} ({why})", "try again later"),
        Kind.URL: NetworkError("url", f"cannot send a request to `{url}`: the URL is invalid", "check `--server`"),
    }[error.kind]
