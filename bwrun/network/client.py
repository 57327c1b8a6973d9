"""
Requests to a Bitwarden server, their retries, and what an unusable answer means.

This module knows no key and no EncString.  A request ends within the deadline: a 429 is waited for as told, a failing
server gets a few more tries, no redirect leaves the origin.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import quote, urldefrag, urlencode, urljoin, urlsplit

from bwrun import __version__
from bwrun.base.deadline import Deadline
from bwrun.base.errors import BwrunError, ServerError
from bwrun.base.sensitive import Sensitive
from bwrun.network.answer import HTTP_OK, Answer, file_address, not_json, parse_json, redirected
from bwrun.network.failures import network_failure
from bwrun.network.rate_limit import failure_wait, told_wait, untold_wait
from bwrun.network.transport import Kind, Reply, Transport, TransportError
from bwrun.settings.servers import Server, origin

DEVICE_TYPE = "25"  # LinuxCLI, the official CLI's own (bitwarden/server:src/Core/Enums/DeviceType.cs)
RETRIES = 3  # after the first try
MAX_REDIRECTS = 3
_FINAL = frozenset((501, 505))  # failures of a server that do not pass
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_TOO_MANY_REQUESTS = 429
_NOT_FOUND = 404
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Client:
    """One server, for one run. Its methods may be called from several threads."""

    def __init__(self, server: Server, transport: Transport, client_version: str, deadline: Deadline) -> None:
        """Prepare; nothing is sent yet. `transport` carries the requests."""
        self._server = server
        self._transport = transport
        self._deadline = deadline
        self._headers = {
            "Accept": "application/json",
            "User-Agent": f"bwrun/{__version__}",
            "Device-Type": DEVICE_TYPE,
            "Bitwarden-Client-Name": "cli",
            "Bitwarden-Client-Version": client_version,
        }

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
        if reply.status != HTTP_OK:
            raise ServerError("attachment", f"cannot download the attachment from {origin(url)} ({reply.status})")
        return bytes(reply.body)

    def get_server_config(self) -> object:
        """Return the server's config, None if it gives none: a run does without."""
        try:
            reply = self._once("GET", f"{self._server.api}/config", {}, None)
        except (TransportError, BwrunError):
            return None
        return parse_json(reply.body) if reply.status == HTTP_OK else None

    def _answer(
        self, method: str, url: str, *, token: Sensitive | None = None,
        form: Mapping[str, str] | None = None, secret: Sensitive | None = None,
    ) -> Answer:  # fmt: skip
        headers = {} if token is None else {"Authorization": f"Bearer {token.reveal().decode()}"}
        body = None if form is None else urlencode(form).encode()
        reply = self._with_retries(method, url, headers if form is None else _FORM, body)
        answer = Answer(reply.status, reply.headers, parse_json(reply.body), url, secret or token)
        if answer.status in _REDIRECTS:
            raise redirected(url, reply.headers.get("location", ""))
        if answer.data is None and answer.status != _NOT_FOUND and (reply.body or not answer.status >= 400):
            raise not_json(answer, reply.body)
        return answer

    def _with_retries(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Reply:
        for attempt in range(RETRIES + 1):
            try:
                reply = self._once(method, url, headers, body)
            except TransportError as error:
                if error.kind is not Kind.BROKEN or attempt == RETRIES:
                    raise network_failure(error, url, self._deadline, RETRIES + 1) from None
                self._pause(failure_wait(attempt), url)
                continue
            if reply.status == _TOO_MANY_REQUESTS:
                self._wait_for_turn(reply, url, attempt)
            elif reply.status >= 500 and reply.status not in _FINAL:
                self._wait_for_recovery(reply, url, attempt)
            else:
                return reply
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Reply:
        """Send one request, following redirects within its origin (a POST only where it stays one)."""
        all_headers = self._headers | headers
        for _ in range(MAX_REDIRECTS):
            reply = self._transport.send(method, url, all_headers, body)
            onward = _onward(url, reply)
            if onward is None or _place(onward) != _place(url):
                return reply
            if method == "POST" and reply.status not in (307, 308):
                return reply
            url = onward
        return self._transport.send(method, url, all_headers, body)

    def _wait_for_turn(self, reply: Reply, url: str, attempt: int) -> None:
        """Wait as the server says it wants. Raises ServerError: that is longer than what is left."""
        told = told_wait(reply.headers, Answer(reply.status, reply.headers, parse_json(reply.body)).message)
        wait = untold_wait(attempt) if told is None else told
        if attempt < RETRIES and wait < self._deadline.left():
            time.sleep(wait)
            return
        words = "does not say how long to wait" if told is None else f"asks bwrun to wait {told:.0f} s"
        raise ServerError(
            "rate-limit", f"{origin(url)} has received too many requests and {words} (429)",
            "try again in a minute, or allow more time with `--timeout`; the limit is per IP address",
        )  # fmt: skip

    def _wait_for_recovery(self, reply: Reply, url: str, attempt: int) -> None:
        told = told_wait(reply.headers, "")
        wait = failure_wait(attempt) if told is None else told
        if attempt < RETRIES and wait < self._deadline.left():
            time.sleep(wait)
            return
        raise ServerError(
            "unavailable", f"{origin(url)} failed ({reply.status}) in {attempt + 1} attempts", "try again later"
        )

    def _pause(self, seconds: float, url: str) -> None:
        if seconds >= self._deadline.left():
            raise self._deadline.exceeded(origin(url))
        time.sleep(seconds)


def _onward(url: str, reply: Reply) -> str | None:
    """
    Return where an answer redirects to, None if it does not.

    Raises ServerError: to what is no address.
    """
    location = reply.headers.get("location")
    if reply.status not in _REDIRECTS or location is None:
        return None
    try:
        onward = urldefrag(urljoin(url, location)).url
        parts = urlsplit(onward)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise redirected(url, "") from None
    if not host or parts.scheme not in ("http", "https"):
        raise redirected(url, location)
    return onward


def _place(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
