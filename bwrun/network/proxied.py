"""
Requests by httpx: for runs in whose environment a proxy is named, for it knows all kinds and exceptions of them.

The only caller of httpx; its exceptions end here.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from socket import gaierror

import httpx

from bwrun.base.deadline import Deadline
from bwrun.base.errors import NetworkError
from bwrun.network.tls import full_context
from bwrun.network.transport import MAX_SIZE, Kind, Reply, TransportError

ASIDE = "bwrun-location"


class ProxiedTransport:
    """Connections through the proxies that the environment names, or without one where `no_proxy` says so."""

    def __init__(self, ca_files: Sequence[str], deadline: Deadline) -> None:
        """
        Prepare; nothing is sent yet.

        Raises ConfigError: a CA file holds no certificate; NetworkError: a proxy's address is none that can be used.
        """
        self._deadline = deadline
        try:
            self._http = httpx.Client(
                verify=full_context(ca_files),
                mounts={"http://": None},  # loopback: a proxy would see the API key
                event_hooks={"response": [_set_redirect_aside]},
            )
        except (ValueError, httpx.InvalidURL):
            raise NetworkError("proxy", "a proxy variable contains an invalid address", "check https_proxy") from None
        except ImportError:
            raise NetworkError(
                "proxy",
                "a proxy variable names a SOCKS proxy, which needs another package",
                "run `pip install 'httpx[socks]'`",
            ) from None

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send one request and read the answer. Raises TransportError."""
        timeout = max(0.001, self._deadline.left())
        try:
            with self._http.stream(method, url, headers=headers, content=body, timeout=timeout) as response:
                found = {"location" if name == ASIDE else name: value for name, value in response.headers.items()}
                return Reply(response.status_code, found, self._read(response))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translate(error, url) from None
        except (OverflowError, UnicodeError):
            # A port or a name that the system cannot take; the server's own were checked.
            raise TransportError(Kind.PROXY_ADDRESS) from None

    def _read(self, response: httpx.Response) -> bytearray:
        """Return the body, read within the deadline however slowly it drips."""
        data = bytearray()
        for part in response.iter_bytes():
            data += part
            if len(data) > MAX_SIZE:
                raise TransportError(Kind.TOO_LARGE)
            if self._deadline.left() <= 0:
                raise TransportError(Kind.TIMEOUT)
        return data


def translate(error: Exception, url: str) -> TransportError:
    """Return what an exception of httpx comes to."""
    if isinstance(error, httpx.TimeoutException):
        return TransportError(Kind.TIMEOUT)
    if isinstance(error, httpx.ProxyError):
        return TransportError(Kind.PROXY_REFUSES)
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return TransportError(Kind.URL)
    if isinstance(error, httpx.ConnectError):
        return _connect_error(error, url)
    if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)):
        return TransportError(Kind.BROKEN)
    return TransportError(Kind.UNREADABLE, type(error).__name__)


def _connect_error(error: httpx.ConnectError, url: str) -> TransportError:
    causes = _causes(error)
    if _goes_by_proxy(url):
        failed = next((cause for cause in causes if isinstance(cause, OSError)), None)
        if not isinstance(failed, ssl.SSLError):
            return TransportError(Kind.PROXY_GONE)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TransportError(Kind.UNTRUSTED, cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return TransportError(Kind.TLS, getattr(cause, "reason", "") or "TLS failed")
        if isinstance(cause, gaierror):
            return TransportError(Kind.DNS)
        if isinstance(cause, OSError) and cause.errno:
            return TransportError(Kind.UNREACHABLE, os.strerror(cause.errno))
    return TransportError(Kind.UNREACHABLE)


def _set_redirect_aside(response: httpx.Response) -> None:
    """Keep httpx from making a request of the address, which may be none: whoever asked decides on it."""
    if response.has_redirect_location:
        response.headers[ASIDE] = response.headers.pop("location")


def _goes_by_proxy(url: str) -> bool:
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  (only for an error's words)

    target = httpx.URL(url)
    proxies = getproxies()
    return bool(proxies.get(target.scheme) or proxies.get("all")) and not proxy_bypass(target.host)


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(found) < 20:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found
