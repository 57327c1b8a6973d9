"""What a server answered, and its own words in it, which may repeat a secret that was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bwrun.base.errors import BwrunError, ServerError
from bwrun.base.jsontext import read_json
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.network.failures import https_instead
from bwrun.network.transport import Body, place_of
from bwrun.settings.servers import is_loopback, origin

MAX_WORDS = 200  # characters of a server's own words that are shown
HTTP_OK = 200
HTTP_BAD_REQUEST = 400
HTTP_FORBIDDEN = 403
CLOUDFLARE_ACCESS = ".cloudflareaccess.com"
# nginx: "No required SSL certificate was sent", "The SSL certificate error" (src/http/ngx_http_special_response.c)
CERTIFICATE_PAGE = b"ssl certificate"
DOMAIN_HINT = "if the server is Vaultwarden, set its `DOMAIN` to its own address, for example https://vault.example.com"


class Answer(Struct):
    """A status and what came with it; `data` is the parsed JSON, None if the body is none."""

    status: int
    headers: Mapping[str, str]
    data: object
    url: str = ""
    sent: tuple[Sensitive, ...] = ()  # the secrets of the request, which are cut out of the server's words
    size: int = 0  # bytes of the body

    @property
    def message(self) -> str:
        """
        Return the server's own words.

        Old and new servers put them in different places (protocol notes 1.8).  The newest send problem documents
        (RFC 9457) with `title` and `detail`, and what is wrong with each field of the request in `errors`; the
        official server has had that in `validationErrors`.
        """
        names = _lowered(self.data)
        texts = (
            _lowered(names.get("errormodel")).get("message"),
            names.get("error_description"),
            names.get("message"),
            names.get("detail"),
            names.get("title"),
            names.get("error"),
        )
        words = next((text for text in texts if isinstance(text, str) and text), "")
        reasons = [*_texts(names.get("errors")), *_texts(names.get("validationerrors"))]
        return self._cut("; ".join(dict.fromkeys([*filter(None, [words]), *reasons])))

    @property
    def error(self) -> str:
        """Return OAuth's word for what went wrong (RFC 6749, 5.2), empty if there is none."""
        text = _lowered(self.data).get("error")
        return self._cut(text) if isinstance(text, str) and re.fullmatch(r"[a-z_]{1,60}", text) else ""

    def _cut(self, text: str) -> str:
        for secret in self.sent:
            text = text.replace(secret.reveal().decode("utf-8", "replace"), "…")
        return text[:MAX_WORDS]


def parse_json(body: Body) -> object:
    """Return the JSON in `body`, None if it is none."""
    try:
        return read_json(body)
    except (ValueError, RecursionError):
        return None


def redirected(url: str, location: str) -> ServerError:
    """Return the error for an answer that sends on to another address: no credential is sent there."""
    hint = "if that is your server, set `--server` to it; bwrun sends no credential to a redirect's address"
    if origin(location).endswith(CLOUDFLARE_ACCESS):
        hint = "create a service token in Cloudflare Access, and send it with `--header-file FILE`"
    return ServerError("redirect", f"{origin(url)} redirects to {origin(location) or 'an invalid address'}", hint)


def not_json(answer: Answer, body: Body) -> BwrunError:
    """Return the error for an answer that is not JSON."""
    start = body[:2000].lower()
    html = b"<html" in start or "html" in answer.headers.get("content-type", "")
    if answer.status == HTTP_BAD_REQUEST and answer.url.startswith("http:"):
        from bwrun.network.tls_errors import speaks_tls  # noqa: PLC0415  (only for an error's words)

        if speaks_tls(*place_of(answer.url)[1:]):
            return https_instead(answer.url)
    if answer.status == HTTP_BAD_REQUEST and CERTIFICATE_PAGE in start:
        return ServerError(
            "client-certificate", f"{origin(answer.url)} requires a valid client certificate (400)",
            "set `--client-cert FILE`",
        )  # fmt: skip
    what = "an HTML page" if html else "something other than JSON"
    if answer.status == HTTP_FORBIDDEN:
        return ServerError(
            "blocked",
            f"{origin(answer.url)} refused the request with {what} (403)",
            "check whether a proxy or bot protection in front of the server blocks bwrun",
        )
    return ServerError(
        "not-json",
        f"{answer.url} answered with {what} ({answer.status})",
        "check `--server`, including the path of its URL; bwrun cannot pass a login page in front of the server",
    )


def file_address(answer: Answer) -> str:
    """
    Return where an attachment's body is: an https URL, or an http one of this machine's loopback.

    Raises ServerError: the answer does not say, or names a place that is not to be asked.
    """
    url, server = _lowered(answer.data).get("url"), origin(answer.url)
    if answer.status != HTTP_OK or not isinstance(url, str):
        raise ServerError("attachment", f"{server} did not return the address of the attachment ({answer.status})")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host:
        raise ServerError(
            "attachment", f"{server} returned an address for the attachment that is not a URL", DOMAIN_HINT
        )
    if is_loopback(host) and not is_loopback(urlsplit(answer.url).hostname or ""):
        raise ServerError(
            "attachment", f"{server} returned an address for the attachment that is on this machine: {origin(url)}",
            DOMAIN_HINT,
        )  # fmt: skip
    if parts.scheme != "https" and not is_loopback(host):
        raise ServerError(
            "attachment", f"{server} returned an address for the attachment that is not https", DOMAIN_HINT
        )
    return url


def is_elsewhere_on_loopback(answer: Answer, url: str) -> bool:
    """Return whether an attachment's URL is on this machine, but not at the server that named it."""
    return is_loopback(urlsplit(url).hostname or "") and origin(url) != origin(answer.url)


def no_file(answer: Answer, url: str, why: str) -> ServerError:
    """Return the error for an attachment that cannot be fetched from the `url` that the server named."""
    if not is_elsewhere_on_loopback(answer, url):
        return ServerError("attachment", f"cannot download the attachment from {origin(url)} ({why})")
    said = f"{origin(answer.url)} returned an address for the attachment that is on this machine: {origin(url)} ({why})"
    return ServerError("attachment", said, DOMAIN_HINT)


def _texts(errors: object, depth: int = 2) -> list[str]:
    """Return the texts in what a server says is wrong: by field, each a text or a list of texts."""
    if isinstance(errors, str):
        return [errors] if errors else []
    parts = list(errors.values()) if isinstance(errors, dict) else errors
    return [text for part in parts for text in _texts(part, depth - 1)] if isinstance(parts, list) and depth else []


def _lowered(data: object) -> dict[str, object]:
    return {str(name).lower(): value for name, value in data.items()} if isinstance(data, dict) else {}
