"""
HTTP to a Bitwarden server: the requests, their retries, and what an unusable answer means.

The only caller of httpx; its exceptions end here.  This module knows no key
and no EncString.  A request ends within the deadline: a 429 is waited for as
told, a failing server gets a few more tries, no redirect leaves the origin.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Mapping
from urllib.parse import quote

import httpx

from bwrun import __version__
from bwrun.answer import Answer, file_address, not_json, parse_json, redirected
from bwrun.deadline import Deadline
from bwrun.errors import BwrunError, NetworkError, ServerError
from bwrun.ratelimit import failure_wait, told_wait, untold_wait
from bwrun.sensitive import Sensitive
from bwrun.servers import Server, origin
from bwrun.structs import Struct
from bwrun.tls import issuer_of, make_context

DEVICE_TYPE = "25"  # LinuxCLI, the official CLI's own (bitwarden/server:src/Core/Enums/DeviceType.cs)
RETRIES = 3  # after the first try
MAX_REDIRECTS = 3
MAX_SIZE = 512 * 1024 * 1024  # bytes of an answer
_FINAL = frozenset((501, 505))  # failures of a server that do not pass
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class _Reply(Struct):
    """What came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Connections to one server, for one run. Its methods may be called from several threads."""

    def __init__(self, server: Server, ca_files: tuple[str, ...], client_version: str, deadline: Deadline) -> None:
        """
        Prepare; nothing is sent yet.

        Raises ConfigError: a CA file holds no certificate; a proxy's address is none.
        """
        self._server = server
        self._deadline = deadline
        self._proxied = any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES)
        try:
            self._http = httpx.Client(
                verify=make_context(ca_files),
                trust_env=self._proxied,
                mounts={"http://": None},  # loopback: a proxy would see the API key
                event_hooks={"response": [_refuse_odd_redirect]},
                headers={
                    "Accept": "application/json",
                    "User-Agent": f"bwrun/{__version__}",
                    "Device-Type": DEVICE_TYPE,
                    "Bitwarden-Client-Name": "cli",
                    "Bitwarden-Client-Version": client_version,
                },
            )
        except (ValueError, httpx.InvalidURL):
            raise _odd_proxy() from None
        except ImportError:
            raise NetworkError("proxy", "a proxy variable names a SOCKS proxy", "pip install 'httpx[socks]'") from None

    def post_token(self, form: Mapping[str, str], secret: Sensitive) -> Answer:
        """
        Ask for an access token; any status that is no failure of the server's is returned.

        `secret` is never shown, should the server say it back.

        Raises NetworkError, ServerError.
        """
        return self._answer("POST", f"{self._server.identity}/connect/token", form=form, secret=secret)

    def get(self, path: str, token: Sensitive, base: str | None = None) -> Answer:
        """
        GET `{api}/path` with the access token, or `{base}/path`: that of a Key Connector.

        Raises NetworkError, ServerError.
        """
        return self._answer("GET", f"{base or self._server.api}/{path}", token=token)

    def download_attachment(self, item: str, attachment: str, token: Sensitive) -> bytes:
        """
        Return an attachment's body, as it is stored.

        The server tells where it is; no token goes there (protocol notes 2.4, item 7).

        Raises NetworkError, ServerError.
        """
        # The id is the server's word: it must not become another path.
        answer = self.get(f"ciphers/{item}/attachment/{quote(attachment, '', errors='replace')}", token)
        url = file_address(answer)
        reply = self._with_retries("GET", url, {}, None)
        if reply.status != httpx.codes.OK:
            raise ServerError("attachment", f"{origin(url)} does not give the file ({reply.status})")
        return reply.body

    def get_server_config(self) -> object:
        """Return the server's config, None if it gives none: a run does without."""
        try:
            reply = self._once("GET", f"{self._server.api}/config", {}, None)
            return parse_json(reply.body) if reply.status == httpx.codes.OK else None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError, OSError, BwrunError):
            return None

    def _answer(
        self, method: str, url: str, *, token: Sensitive | None = None,
        form: Mapping[str, str] | None = None, secret: Sensitive | None = None,
    ) -> Answer:  # fmt: skip
        headers = {} if token is None else {"Authorization": f"Bearer {token.reveal().decode()}"}
        reply = self._with_retries(method, url, headers, form)
        answer = Answer(reply.status, reply.headers, parse_json(reply.body), url, secret or token)
        if answer.status in _REDIRECTS:
            raise redirected(url, reply.headers.get("location", ""))
        if answer.data is None and answer.status != httpx.codes.NOT_FOUND and (reply.body or not answer.status >= 400):
            raise not_json(answer, reply.body)
        return answer

    def _with_retries(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> _Reply:
        for attempt in range(RETRIES + 1):
            try:
                reply = self._once(method, url, headers, form)
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
                if attempt == RETRIES:
                    raise self._network_error(error, url) from None
                self._pause(failure_wait(attempt), url)
                continue
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                raise self._network_error(error, url) from None
            except (OverflowError, UnicodeError):
                # A port or a name that the system cannot take; the server's own were checked.
                raise _odd_proxy() from None
            if reply.status == httpx.codes.TOO_MANY_REQUESTS:
                self._wait_for_turn(reply, url, attempt)
            elif reply.status >= 500 and reply.status not in _FINAL:
                self._wait_for_recovery(reply, url, attempt)
            else:
                return reply
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> _Reply:
        """Send one request, following redirects within its origin (a POST only where it stays one)."""
        target = httpx.URL(url)
        for _ in range(MAX_REDIRECTS):
            reply, onward = self._send(method, target, headers, form)
            if onward is None or _origin(onward) != _origin(target):
                return reply
            if method == "POST" and reply.status not in (307, 308):
                return reply
            target = onward
        return self._send(method, target, headers, form)[0]

    def _send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> tuple[_Reply, httpx.URL | None]:
        """Return the answer, read within the deadline however slowly it drips, and where it redirects to."""
        timeout = max(0.001, self._deadline.left())
        with self._http.stream(method, url, headers=headers, data=form, timeout=timeout) as response:
            parts, size = [], 0
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > MAX_SIZE:
                    raise ServerError("too-large", f"{origin(str(url))} sends more than {MAX_SIZE >> 20} MiB")
                if self._deadline.left() <= 0:
                    raise self._deadline.exceeded(origin(str(url)))
            onward = None if response.next_request is None else response.next_request.url
            return _Reply(response.status_code, response.headers, b"".join(parts)), onward

    def _wait_for_turn(self, reply: _Reply, url: str, attempt: int) -> None:
        """Wait as the server says it wants. Raises ServerError: that is longer than what is left."""
        told = told_wait(reply.headers, Answer(reply.status, reply.headers, parse_json(reply.body)).message)
        wait = untold_wait(attempt) if told is None else told
        if attempt < RETRIES and wait < self._deadline.left():
            time.sleep(wait)
            return
        words = "did not say for how long" if told is None else f"asks to wait {told:.0f} s"
        raise ServerError(
            "rate-limit", f"{origin(url)} gets too many requests and {words} (429)",
            "the limit counts all logins from this address in the last minute; --timeout says how long bwrun may wait",
        )  # fmt: skip

    def _wait_for_recovery(self, reply: _Reply, url: str, attempt: int) -> None:
        told = told_wait(reply.headers, "")
        wait = failure_wait(attempt) if told is None else told
        if attempt < RETRIES and wait < self._deadline.left():
            time.sleep(wait)
            return
        raise ServerError(
            "unavailable", f"{origin(url)} fails ({reply.status}), after {attempt + 1} tries", "try again later"
        )

    def _pause(self, seconds: float, url: str) -> None:
        if seconds >= self._deadline.left():
            raise self._deadline.exceeded(origin(url))
        time.sleep(seconds)

    def _network_error(self, error: Exception, url: str) -> BwrunError:
        """Return what an exception of httpx means to a user."""
        host = origin(url)
        if isinstance(error, httpx.TimeoutException):
            return self._deadline.exceeded(host)
        if isinstance(error, httpx.ProxyError):
            return NetworkError("proxy", f"the proxy does not let through to {host}", "check https_proxy and no_proxy")
        if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
            return NetworkError("url", f"`{url}` is no URL that can be asked", "check --server")
        if self._proxied and isinstance(error, httpx.ConnectError) and _goes_by_proxy(url):
            failed = next((cause for cause in _causes(error) if isinstance(cause, OSError)), None)
            if not isinstance(failed, ssl.SSLError):
                return NetworkError("proxy", f"cannot connect to the proxy in front of {host}", "check https_proxy")
        if isinstance(error, httpx.ConnectError):
            return self._connect_error(error, url)
        if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)):
            return NetworkError(
                "interrupted", f"{host} broke off the connection, {RETRIES + 1} times", "try again later"
            )
        return NetworkError(
            "interrupted", f"what {host} sends cannot be read ({type(error).__name__})", "try again later"
        )

    def _connect_error(self, error: httpx.ConnectError, url: str) -> NetworkError:
        host = origin(url)
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return self._untrusted(cause, url)
            if isinstance(cause, ssl.SSLError):
                why = getattr(cause, "reason", "") or "TLS failed"
                return NetworkError(
                    "tls", f"no secure connection to {host}: {why}", "is it https that is spoken at that port?"
                )
            if isinstance(cause, socket.gaierror):
                return NetworkError("dns", f"the name {host} cannot be found", "check --server and the name service")
            if isinstance(cause, OSError) and cause.errno:
                why = os.strerror(cause.errno)
                return NetworkError("unreachable", f"cannot connect to {host}: {why}", "check --server and the network")
        return NetworkError("unreachable", f"cannot connect to {host}", "check --server and the network")

    def _untrusted(self, cause: ssl.SSLCertVerificationError, url: str) -> NetworkError:
        target = httpx.URL(url)
        issuer = "" if self._proxied else issuer_of(target.host, target.port or 443)
        by = f", issued by `{issuer}`" if issuer else ""
        return NetworkError(
            "tls-untrusted", f"the certificate of {origin(url)}{by} is not trusted: {cause.verify_message}",
            "for a private CA: --ca-file FILE, or SSL_CERT_FILE",
        )  # fmt: skip


def _refuse_odd_redirect(response: httpx.Response) -> None:
    """Refuse a redirect to what is no address before httpx tries to make a request of it."""
    if response.has_redirect_location:
        location = response.headers["location"]
        try:
            target = response.url.join(location)
        except (httpx.InvalidURL, ValueError):
            raise redirected(str(response.url), "") from None
        if target.scheme not in ("http", "https") or not target.host:
            raise redirected(str(response.url), location)


def _odd_proxy() -> NetworkError:
    return NetworkError("proxy", "a proxy variable holds no usable address", "check https_proxy")


def _goes_by_proxy(url: str) -> bool:
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  (only for an error's words)

    target = httpx.URL(url)
    proxies = getproxies()
    return bool(proxies.get(target.scheme) or proxies.get("all")) and not proxy_bypass(target.host)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(found) < 20:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found
