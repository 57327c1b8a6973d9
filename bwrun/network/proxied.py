"""
Requests through a proxy, by httpx, which supports HTTP and SOCKS proxies.

This is the only module that uses httpx. Exceptions of httpx do not leave it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from socket import gaierror
from typing import TYPE_CHECKING

import httpx

from bwrun.base.deadline import Deadline
from bwrun.base.errors import NetworkError
from bwrun.base.tasks import Task
from bwrun.network.gateway import ClientCertificate
from bwrun.network.proxies import Proxy
from bwrun.network.tls import full_context
from bwrun.network.tls_errors import is_alert, tls_failure, untrusted
from bwrun.network.transport import MAX_SIZE, Kind, Reply, TransportError, received

if TYPE_CHECKING:
    from bwrun.network.tracing import Trace

ASIDE = "bwrun-location"
HEADERS_TOO_LARGE = 431  # RFC 6585, 5
SCHEMES = ("http", "https", "socks5", "socks5h")
LOGIN_REQUIRED = 407  # RFC 9110, 15.5.8
# httpcore's words for what a SOCKS proxy answers (encode/httpcore:httpcore/_sync/socks_proxy.py).
SOCKS_LOGIN = ("Requested ", "Invalid username/password")
SOCKS_FAILURE = "could not connect: "


class ProxiedTransport:
    """Connections through one proxy. May be used from several threads."""

    def __init__(
        self,
        ca_files: Sequence[str],
        deadline: Deadline,
        proxy: Proxy,
        certificate: ClientCertificate | None = None,
        trace: Trace | None = None,
    ) -> None:
        """
        Send nothing yet.

        `certificate`: the client certificate for servers; the proxy does not get it. `trace` is told of TLS.

        Raises ConfigError: a CA file contains no certificate; NetworkError: the URL of the proxy cannot be used.
        """
        self._deadline = deadline
        self._proxy = proxy
        self._trace = trace
        self._has_certificate = certificate is not None
        context = full_context(ca_files)
        if certificate is not None:
            certificate.add_to(context)
        try:
            self._http = httpx.Client(
                verify=context,
                proxy=_parse(proxy, context if certificate is None else full_context(ca_files)),
                trust_env=False,
                event_hooks={"response": [_set_redirect_aside]},
            )
        except ImportError:
            raise NetworkError(
                "proxy", f"{proxy.variable} names a SOCKS proxy, which needs the Python package `socksio`",
                "install bwrun with it, in a checkout: `pipx install '.[socks]'`",
            ) from None  # fmt: skip

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """
        Send one request and read the answer.

        Raises TransportError.
        """
        progress = _Progress()
        # In a thread: httpx limits the time of each step, not of the whole request, and does not limit that of SOCKS.
        exchange = Task(lambda: self._exchange(method, url, headers, body, progress))
        try:
            return exchange.result(max(0.0, self._deadline.left()))
        except TimeoutError:
            raise TransportError(Kind.TIMEOUT, proxy=self._proxy if progress.at_proxy else None) from None

    def close(self) -> None:
        """Close the connections that are kept: nothing will be sent any more."""
        self._http.close()

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, progress: _Progress
    ) -> Reply:
        timeout = max(0.001, self._deadline.left())
        extensions = {"trace": progress.note}
        try:
            self._deadline.enter_stage(lambda: f"through the proxy {self._proxy.shown}")
            with self._http.stream(
                method, url, headers=headers, content=body, timeout=timeout, extensions=extensions
            ) as response:
                stream = response.extensions.get("network_stream")
                if self._trace is not None and stream is not None and stream.get_extra_info("ssl_object"):
                    self._trace.note_tls(stream.get_extra_info("ssl_object"))
                found = {"location" if name == ASIDE else name: value for name, value in response.headers.items()}
                return Reply(response.status_code, found, _read(response, self._deadline))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            at = self._proxy if progress.at_proxy else None
            raise translate(error, at, progress, has_certificate=self._has_certificate) from None
        except (OverflowError, UnicodeError):
            # The system cannot use the port or the name of the proxy. Those of the server were checked before.
            raise TransportError(Kind.PROXY_ADDRESS, proxy=self._proxy) from None
        except TransportError:
            raise
        except Exception:
            # If the proxy does not speak SOCKS, exceptions of socksio and assertions pass through httpx.
            if not progress.at_proxy:
                raise
            raise TransportError(Kind.UNREADABLE, "is it a SOCKS proxy?", proxy=self._proxy) from None


class _Progress:
    """How far a request has come, from the events that httpcore traces (www.encode.io/httpcore/extensions/#trace)."""

    def __init__(self) -> None:
        self.at_proxy = False  # True until the proxy has connected to the server
        self.status = 0  # of the proxy's answer to CONNECT
        self.login_methods = ""  # that a proxy offers, if it requires a login

    def note(self, event: str, info: Mapping[str, object]) -> None:
        if event.endswith(".connect_tcp.started"):
            self.at_proxy = True
        elif event in ("proxy.start_tls.started", "socks.start_tls.started"):
            self.at_proxy = False
        elif self.at_proxy and event == "http11.receive_response_headers.complete":
            answer = info.get("return_value")  # version, status, reason, headers, and more
            if isinstance(answer, tuple):
                self.status = answer[1]
                offers = [value for name, value in answer[3] if name.lower() == b"proxy-authenticate"]
                self.login_methods = ", ".join(offer.split()[0].decode("latin-1") for offer in offers if offer.strip())


def _parse(proxy: Proxy, context: ssl.SSLContext) -> httpx.Proxy:
    """Raise NetworkError: the URL of the proxy is malformed or has an unsupported scheme. The URL is not shown."""
    if (proxy.scheme or "http") not in SCHEMES:
        raise NetworkError(
            "proxy", f"{proxy.variable} has an unsupported scheme, `{proxy.scheme}://`",
            "use http://, https://, socks5:// or socks5h://",
        )  # fmt: skip
    try:
        url = httpx.URL(proxy.url if proxy.scheme else f"http://{proxy.url}")
    except (ValueError, httpx.InvalidURL):
        url = httpx.URL()
    if not url.host or (url.port or 0) > 0xFFFF:
        raise NetworkError(
            "proxy", f"{proxy.variable} contains an invalid proxy address",
            "write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT; percent-encode special characters",
        )  # fmt: skip
    return httpx.Proxy(url, ssl_context=context if url.scheme == "https" else None)


def _read(response: httpx.Response, deadline: Deadline) -> bytearray:
    data = bytearray()
    length = response.headers.get("content-length", "")
    size = int(length[:12]) if length.isascii() and length.isdigit() else None
    deadline.enter_stage(lambda: received(response.num_bytes_downloaded, size))
    for part in response.iter_bytes():
        data += part
        if len(data) > MAX_SIZE:
            raise TransportError(Kind.TOO_LARGE)
    return data


def translate(
    error: Exception, proxy: Proxy | None, progress: _Progress | None = None, *, has_certificate: bool = False
) -> TransportError:
    """
    Return what an exception of httpx means.

    `proxy` is the proxy that caused it, None if the server did; `has_certificate`: whether there was a client
    certificate to show to the server.
    """
    if isinstance(error, httpx.TimeoutException):
        return TransportError(Kind.TIMEOUT, proxy=proxy)
    if isinstance(error, httpx.ProxyError):
        return _refusal(error, proxy, progress or _Progress())
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return TransportError(Kind.URL)
    if isinstance(error, httpx.ConnectError):
        return _connect_error(error, proxy, has_certificate=has_certificate)
    causes = _causes(error)
    alert = next((cause for cause in causes if isinstance(cause, ssl.SSLError) and is_alert(cause)), None)
    if alert is not None:
        return tls_failure(alert, has_certificate=has_certificate, proxy=proxy)
    if any(getattr(cause, "error_status_hint", 0) == HEADERS_TOO_LARGE for cause in causes):  # h11's word for it
        return TransportError(Kind.HEADERS, "headers of more than 100 kB", proxy=proxy)
    if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)):
        return TransportError(Kind.BROKEN, proxy=proxy)
    return TransportError(Kind.UNREADABLE, type(error).__name__, proxy=proxy)


def _refusal(error: httpx.ProxyError, proxy: Proxy | None, progress: _Progress) -> TransportError:
    """Return why a proxy does not connect. Its own message is not shown: it may contain the password."""
    if progress.status == LOGIN_REQUIRED:
        return TransportError(Kind.PROXY_LOGIN, progress.login_methods, proxy=proxy)
    if progress.status:
        return TransportError(Kind.PROXY_REFUSES, str(progress.status), proxy=proxy)
    text = str(error)
    if text.startswith(SOCKS_LOGIN):
        return TransportError(Kind.PROXY_LOGIN, proxy=proxy)
    return TransportError(Kind.PROXY_REFUSES, text.partition(SOCKS_FAILURE)[2].rstrip(".").lower(), proxy=proxy)


def _connect_error(error: httpx.ConnectError, proxy: Proxy | None, *, has_certificate: bool) -> TransportError:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return untrusted(cause, None, (), proxy)
        if isinstance(cause, ssl.SSLError):
            return tls_failure(cause, has_certificate=has_certificate, proxy=proxy)
        if isinstance(cause, gaierror):
            return TransportError(Kind.DNS, proxy=proxy)
        if isinstance(cause, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
            return TransportError(Kind.BROKEN, proxy=proxy)
        if isinstance(cause, OSError) and cause.errno:
            return TransportError(Kind.UNREACHABLE, os.strerror(cause.errno), proxy=proxy)
    return TransportError(Kind.UNREACHABLE, proxy=proxy)


def _set_redirect_aside(response: httpx.Response) -> None:
    """Hide a redirect from httpx, which would raise an exception if its URL is invalid. The client handles it."""
    if response.has_redirect_location:
        response.headers[ASIDE] = response.headers.pop("location")


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(found) < 20:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found
