"""
Requests to a Bitwarden server: which headers they have, when they are repeated, which redirects are followed.

This module knows no key and no EncString. A request ends before the deadline. It is repeated after a 429 as long as
there is time, and a few times after a failure of the server. Redirects are followed within the same origin only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote, urldefrag, urlencode, urljoin, urlsplit

from bwrun import __version__
from bwrun.base.deadline import Deadline
from bwrun.base.errors import BwrunError, NetworkError
from bwrun.base.sensitive import Sensitive
from bwrun.network.answer import (
    HTTP_OK,
    Answer,
    file_address,
    is_elsewhere_on_loopback,
    no_file,
    not_json,
    parse_json,
    redirected,
)
from bwrun.network.failures import network_failure
from bwrun.network.remembered import Memory
from bwrun.network.retrying import LOGIN, TOO_MANY_REQUESTS, Retries
from bwrun.network.transport import Kind, Reply, Transport, TransportError
from bwrun.settings.servers import Server

DEVICE_TYPE = "25"  # LinuxCLI, the official CLI's own (bitwarden/server:src/Core/Enums/DeviceType.cs)
MAX_REDIRECTS = 3
_FINAL = frozenset((501, 505))  # failures that a repeated request would have too
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NOT_FOUND = 404
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Client:
    """Sends the requests of one run to one server. Its methods may be called from several threads."""

    def __init__(  # noqa: PLR0913  (what every request of a run needs)
        self,
        server: Server,
        transport: Transport,
        client_version: str,
        deadline: Deadline,
        tell: Callable[[str], None] = lambda _text: None,
        *,
        memory: Memory | None = None,
    ) -> None:
        """
        Send nothing yet.

        `transport` carries the requests. `tell` prints a text before a long wait. `memory` has what the server asked
        earlier runs of this account to wait.
        """
        self._server = server
        self._transport = transport
        self._deadline = deadline
        self._tell = tell
        self._memory = memory
        self._headers = {
            "Accept": "application/json",
            "User-Agent": f"bwrun/{__version__}",
            "Device-Type": DEVICE_TYPE,
            "Bitwarden-Client-Name": "cli",
            "Bitwarden-Client-Version": client_version,
        }

    def check_waits(self, delay: float = 0.0) -> None:
        """
        Look whether there will be time for a login that begins `delay` seconds from now. Nothing is sent.

        Raises ServerError: the server asked an earlier run for a wait that is too long.
        """
        self._retries(f"{self._server.identity}{LOGIN}").check_time(delay)

    def post_token(self, form: Mapping[str, str], secret: Sensitive) -> Answer:
        """
        Request an access token. The answer may have any status but those that are repeated.

        `secret` is the client_secret in the form. It is removed from messages of the server before they are shown.

        Raises NetworkError, ServerError.
        """
        return self._answer("POST", f"{self._server.identity}{LOGIN}", form=form, secret=secret)

    def get(self, path: str, token: Sensitive, base: str | None = None) -> Answer:
        """
        GET `{api}/path` with the access token, or `{base}/path` of a Key Connector.

        Raises NetworkError, ServerError.
        """
        return self._answer("GET", f"{base or self._server.api}/{path}", token=token)

    def ask(self, path: str) -> Answer:
        """
        GET `{api}/path` without an access token.

        Raises NetworkError, ServerError.
        """
        return self._answer("GET", f"{self._server.api}/{path}")

    def download(self, answer: Answer) -> bytes:
        """
        Return the body of an attachment, whose URL is in an `answer` of the server. No token is sent there.

        Raises NetworkError, ServerError.
        """
        url = file_address(answer)
        try:
            reply = self._with_retries("GET", url, {}, None)
        except NetworkError as error:
            if is_elsewhere_on_loopback(answer, url):
                raise no_file(answer, url, error.message) from None
            raise
        if reply.status != HTTP_OK:
            raise no_file(answer, url, str(reply.status))
        return bytes(reply.body)

    def get_server_config(self) -> object:
        """Return the server's config, or None if the server gives none: a run does not need it."""
        url = f"{self._server.api}/config"
        try:
            self._retries(url, is_quiet=True).heed_others()  # the sync, which waits too, tells it
            reply = self._once("GET", url, {}, None)
        except (TransportError, BwrunError):
            return None
        return parse_json(reply.body) if reply.status == HTTP_OK else None

    def _answer(
        self, method: str, url: str, *, token: Sensitive | None = None,
        form: Mapping[str, str] | None = None, secret: Sensitive | None = None,
    ) -> Answer:  # fmt: skip
        headers = {} if token is None else {"Authorization": f"Bearer {token.reveal().decode()}"}
        body = None if form is None else urlencode(form).encode()
        secrets = tuple(one for one in (secret, token) if one is not None)
        reply = self._with_retries(method, url, headers if form is None else _FORM, body, secrets)
        answer = Answer(reply.status, reply.headers, parse_json(reply.body), url, secrets + reply.sent, len(reply.body))
        if answer.status in _REDIRECTS:
            raise redirected(url, reply.headers.get("location", ""))
        if answer.data is None and answer.status != _NOT_FOUND and (reply.body or not answer.status >= 400):
            raise not_json(answer, reply.body)
        return answer

    def _with_retries(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, secrets: tuple[Sensitive, ...] = ()
    ) -> Reply:
        """Send a request, and repeat it after a 429 or a failure. `secrets` are removed from messages of the server."""
        retries = self._retries(url)
        retries.heed_others()
        while True:
            try:
                reply = self._once(method, url, headers, body)
            except TransportError as error:
                if error.kind is not Kind.BROKEN:
                    raise network_failure(error, url, self._deadline, 1) from None
                retries.wait_after_break(error)
                continue
            if reply.status == TOO_MANY_REQUESTS:
                retries.wait_for_turn(reply, secrets)
            elif reply.status >= 500 and reply.status not in _FINAL:
                retries.wait_for_recovery(reply)
            else:
                retries.tell_others()
                return reply

    def _retries(self, url: str, *, is_quiet: bool = False) -> Retries:
        """Return the waits of a request. What the server asked for says nothing about other servers."""
        is_ours = url.startswith((f"{self._server.identity}/", f"{self._server.api}/"))
        tell = (lambda _text: None) if is_quiet else self._tell
        return Retries(url, self._deadline, tell, self._memory if is_ours else None)

    def _once(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Reply:
        """Send one request, and follow redirects within its origin; those of a POST only if it stays a POST."""
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


def attachment_path(item: str, attachment: str) -> str:
    """Return the path below the API that tells the URL of an attachment. The ids are the server's: quoted."""
    return f"ciphers/{item}/attachment/{quote(attachment, '', errors='replace')}"


def _onward(url: str, reply: Reply) -> str | None:
    """
    Return the URL that an answer redirects to, or None if it is no redirect.

    Raises ServerError: the redirect does not lead to a valid URL.
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
