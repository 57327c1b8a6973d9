"""URLs taken apart: the plain ones by hand, for `urllib.parse` takes 15 ms to import and the network waits for it."""

from __future__ import annotations

from bwrun.base.structs import Struct

PORTS = {"https": 443, "http": 80}
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~:/")


class Url(Struct):
    """A URL's parts; scheme and host are in lower case."""

    scheme: str
    netloc: str  # as it was written
    host: str  # in ASCII
    port: int | None  # None: the scheme's own
    path: str
    is_bare: bool  # nothing else is in it: no user, no query, no fragment


def split_url(url: str) -> Url:
    """
    Return the parts of a URL.

    Raises ValueError: it has no host, or a port that is none.
    """
    plain = _split_plain(url) if PLAIN.issuperset(url) else None
    if plain is not None:
        return plain
    from urllib.parse import urlsplit  # noqa: PLC0415

    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("no host")
    is_bare = parts.username is None and not parts.query and not parts.fragment
    host = parts.hostname if parts.hostname.isascii() else _to_ascii(parts.hostname)
    return Url(parts.scheme, parts.netloc, host, parts.port, parts.path, is_bare)


def _to_ascii(host: str) -> str:
    """
    Return an international name as it is asked for, by IDNA 2008, as browsers and the official clients do.

    (Python's own codec is of 2003, and makes other names of some, which may be somebody else's.)
    """
    import idna  # noqa: PLC0415

    return idna.encode(host, uts46=True).decode("ascii")


def _split_plain(url: str) -> Url | None:
    scheme, mark, rest = url.partition("://")
    netloc, slash, path = rest.partition("/")
    host, colon, port = netloc.partition(":")
    number = int(port) if port.isdigit() and len(port) < 6 else None
    if not mark or scheme.lower() not in PORTS or not host or (colon and (number is None or number > 65535)):
        return None
    return Url(scheme.lower(), netloc, host.lower(), number, slash + path, is_bare=True)
