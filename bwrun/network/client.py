"""
Requests to a Bitwarden server, their retries, and what an unusable answer means.

This module knows no key and no EncString. A request ends within the deadline. A server that limits requests (429) is
waited for as long as there is time, one that fails is asked a few times more, and no redirect leaves the origin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote, urldefrag, urlencode, urljoin, urlsplit

from bwrun import __version__
from bwrun.base.deadline import Deadline
from bwrun.base.errors import BwrunError, ServerError
from bwrun.base.sensitive import Sensitive
from bwrun.network.answer import HTTP_OK, Answer, file_address, not_json, parse_json, redirected
from bwrun.network.failures import network_failure
from bwrun.network.retrying import LOGIN, Retries
from bwrun.network.transport import Kind, Reply, Transport, TransportError
from bwrun.settings.servers import Server, origin

DEVICE_TYPE = "25"  # LinuxCLI, the official CLI's own (bitwarden/server:src/Core/Enums/DeviceType.cs)
MAX_REDIRECTS = 3
_FINAL = frozenset((501, 505))  # failures of a server that do not pass
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_TOO_MANY_REQUESTS = 429
_NOT_FOUND = 404
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Client:
    """One server, for one run. Its methods may be called from several threads."""

    def __init__(
        self,
        server: Server,
        transport: Transport,
        client_version: str,
        deadline: Deadline,
        tell: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Prepare; nothing is sent yet. `transport` carries the requests; `tell` is called before a long wait."""
        self._server = server
        self._transport = transport
        self._deadline = deadline
        self._tell = tell
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
        return self._answer("POST", f"{self._server.identity}{LOGIN}", form=form, secret=secret)

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
        reply = self._with_retries(method, url, headers if form is None else _FORM, body, secret or token)
        answer = Answer(reply.status, reply.headers, parse_json(reply.body), url, secret or token)
        if answer.status in _REDIRECTS:
            raise redirected(url, reply.headers.get("location", ""))
        if answer.data is None and answer.status != _NOT_FOUND and (reply.body or not answer.status >= 400):
            raise not_json(answer, reply.body)
        return answer

    def _with_retries(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, secret: Sensitive | None = None
    ) -> Reply:
        """Send a request until there is an answer that counts. `secret` is cut out of a server's words."""
        retries = Retries(url, self._deadline, self._tell)
        while True:
            try:
                reply = self._once(method, url, headers, body)
            except TransportError as error:
                if error.kind is not Kind.BROKEN:
                    raise network_failure(error, url, self._deadline, 1) from None
                retries.wait_after_break(error)
                continue
            if reply.status == _TOO_MANY_REQUESTS:
                retries.wait_for_turn(reply, secret)
            elif reply.status >= 500 and reply.status not in _FINAL:
                retries.wait_for_recovery(reply)
            else:
                return reply

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
