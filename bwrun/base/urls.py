"""
Splitting URLs into their parts.

Most URLs are simple enough to be split without `urllib.parse`, whose import would delay the first connection by 15 ms
(`python -X importtime -c "import urllib.parse"`).
"""

from __future__ import annotations

from bwrun.base.structs import Struct

PORTS = {"https": 443, "http": 80}
PLAIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~:/")


class Url(Struct):
    """The parts of a URL; scheme and host are in lower case."""

    scheme: str
    netloc: str  # user, host and port, as they were written
    host: str  # in ASCII
    port: int | None  # None: the default port of the scheme
    path: str
    has_extra_parts: bool  # a user name, a query or a fragment


def split_url(url: str) -> Url:
    """
    Return the parts of a URL.

    Raises ValueError: the URL has no host, or its port is not a port number.
    """
    plain = _split_plain(url) if PLAIN_CHARACTERS.issuperset(url) else None
    if plain is not None:
        return plain
    from urllib.parse import urlsplit  # noqa: PLC0415

    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("no host")
    has_extra_parts = bool(parts.username is not None or parts.query or parts.fragment)
    host = parts.hostname if parts.hostname.isascii() else _to_ascii(parts.hostname)
    return Url(parts.scheme, parts.netloc, host, parts.port, parts.path, has_extra_parts)


def _to_ascii(host: str) -> str:
    """
    Return an international host name in its ASCII form, by IDNA 2008, as browsers and the official clients do.

    Python's own codec follows IDNA 2003 and turns some names into others, which may belong to somebody else.
    """
    import idna  # noqa: PLC0415

    return idna.encode(host, uts46=True).decode("ascii")


def _split_plain(url: str) -> Url | None:
    """Split a URL that has only plain characters; None if it needs `urllib.parse`."""
    scheme, mark, rest = url.partition("://")
    netloc, slash, path = rest.partition("/")
    host, colon, port = netloc.partition(":")
    number = int(port) if port.isdigit() and len(port) < 6 else None
    if not mark or scheme.lower() not in PORTS or not host or (colon and (number is None or number > 65535)):
        return None
    return Url(scheme.lower(), netloc, host.lower(), number, slash + path, has_extra_parts=False)
