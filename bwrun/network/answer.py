"""What a server answered, and its own words in it, which may repeat a secret that was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bwrun.base.errors import ServerError
from bwrun.base.jsontext import read_json
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.network.transport import Body
from bwrun.settings.servers import is_loopback, origin

MAX_WORDS = 200  # characters of a server's own words that are shown
HTTP_OK = 200
HTTP_FORBIDDEN = 403
DOMAIN_HINT = "with Vaultwarden: its setting DOMAIN must be its own address, `https://` included"


class Answer(Struct):
    """A status and what came with it; `data` is the parsed JSON, None if the body is none."""

    status: int
    headers: Mapping[str, str]
    data: object
    url: str = ""
    sent: Sensitive | None = None  # the secret of the request: cut out of whatever comes back

    @property
    def message(self) -> str:
        """
        Return the server's own words.

        Old and new servers put them in different places (protocol notes 1.8).
        """
        names = _lowered(self.data)
        texts = (
            _lowered(names.get("errormodel")).get("message"),
            names.get("error_description"),
            names.get("message"),
            names.get("error"),
        )
        return next((self._cut(text) for text in texts if isinstance(text, str) and text), "")

    @property
    def error(self) -> str:
        """Return OAuth's word for what went wrong (RFC 6749, 5.2), empty if there is none."""
        text = _lowered(self.data).get("error")
        return self._cut(text) if isinstance(text, str) and re.fullmatch(r"[a-z_]{1,60}", text) else ""

    def _cut(self, text: str) -> str:
        if self.sent is not None:
            text = text.replace(self.sent.reveal().decode("utf-8", "replace"), "…")
        return text[:MAX_WORDS]


def parse_json(body: Body) -> object:
    """Return the JSON in `body`, None if it is none."""
    try:
        return read_json(body)
    except (ValueError, RecursionError):
        return None


def redirected(url: str, location: str) -> ServerError:
    """Return the error for an answer that sends on to another address: no credential is sent there."""
    return ServerError(
        "redirect",
        f"{origin(url)} sends on to another address: {origin(location) or 'unknown'}",
        "no credential is sent there; if that is the server, set --server to it",
    )


def not_json(answer: Answer, body: Body) -> ServerError:
    """Return the error for an answer that is not JSON."""
    html = b"<html" in body[:2000].lower() or "html" in answer.headers.get("content-type", "")
    what = "an HTML page" if html else "something that is not JSON"
    if answer.status == HTTP_FORBIDDEN:
        return ServerError(
            "blocked",
            f"{origin(answer.url)} refuses with {what} (403)",
            "a proxy or bot protection in front of the server stands in the way",
        )
    return ServerError(
        "not-json",
        f"{answer.url} answers with {what} instead of JSON ({answer.status})",
        "is that the server's address, path included? A login page in front of it cannot be passed",
    )


def file_address(answer: Answer) -> str:
    """
    Return where an attachment's body is: an https URL, or an http one of this machine's loopback.

    Raises ServerError: the answer does not say, or names a place that is not to be asked.
    """
    url, server = _lowered(answer.data).get("url"), origin(answer.url)
    if answer.status != HTTP_OK or not isinstance(url, str):
        raise ServerError("attachment", f"{server} does not say where the file is ({answer.status})")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host:
        raise ServerError("attachment", f"{server} says where the file is by something that is no URL", DOMAIN_HINT)
    if is_loopback(host) and not is_loopback(urlsplit(answer.url).hostname or ""):
        raise ServerError(
            "attachment", f"{server} says that the file is at {origin(url)}, which is this machine and not the server",
            DOMAIN_HINT,
        )  # fmt: skip
    if parts.scheme != "https" and not is_loopback(host):
        raise ServerError("attachment", f"{server} names a place for the file that is not https", DOMAIN_HINT)
    return url


def is_elsewhere_on_loopback(answer: Answer, url: str) -> bool:
    """Return whether an attachment's URL is on this machine, but not at the server that named it."""
    return is_loopback(urlsplit(url).hostname or "") and origin(url) != origin(answer.url)


def no_file(answer: Answer, url: str, why: str) -> ServerError:
    """Return the error for an attachment that cannot be fetched from the `url` that the server named."""
    if not is_elsewhere_on_loopback(answer, url):
        return ServerError("attachment", f"{origin(url)} does not give the file ({why})")
    said = f"{origin(answer.url)} says that the file is at {origin(url)}, which does not give it ({why})"
    return ServerError("attachment", said, DOMAIN_HINT)


def _lowered(data: object) -> dict[str, object]:
    return {str(name).lower(): value for name, value in data.items()} if isinstance(data, dict) else {}
