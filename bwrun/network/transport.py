"""How a request ends, whatever carries it: with an answer, or with one of the reasons for having none."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Protocol

from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.base.urls import PORTS, split_url
from bwrun.network.proxies import Proxy

Body = bytes | bytearray
Place = tuple[str, str, int]  # scheme, host, port
MAX_SIZE = 512 * 1024 * 1024  # bytes of an answer


class Reply(Struct):
    """What came over the wire; the headers' names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Body
    sent: tuple[Sensitive, ...] = ()  # secrets that went with the request by the user's wish: headers of --header-file


class Kind(Enum):
    """Why there is no answer."""

    ALERT = auto()  # the server ended TLS, and said why
    BROKEN = auto()  # the connection ended early: worth another try
    DNS = auto()  # the name has no address
    LOOKUP_TIMEOUT = auto()  # the name service has not answered by the deadline
    HEADERS = auto()  # more or longer ones than are read
    HTTPS_PORT = auto()  # TLS is spoken where plain HTTP was asked for
    PROXY_ADDRESS = auto()
    PROXY_LOGIN = auto()
    PROXY_REFUSES = auto()
    TIMEOUT = auto()
    TLS = auto()
    TOO_LARGE = auto()
    UNREACHABLE = auto()
    UNREADABLE = auto()
    UNTRUSTED = auto()
    URL = auto()


class TransportError(Exception):
    """There is no answer."""

    def __init__(  # noqa: PLR0913  (all but the first have defaults, and are given by name)
        self, kind: Kind, detail: str = "", *, issuer: str = "", tried: int = 1, hints: tuple[str, ...] = (),
        proxy: Proxy | None = None,
    ) -> None:  # fmt: skip
        """
        Say what happened.

        `detail`: the system's or the library's word for it; `issuer`: who issued a certificate that is not trusted, if
        known; `tried`: the number of addresses to which a connection was tried; `hints`: what to do, where that depends
        on more than the kind; `proxy`: the one where it happened, None if that is the server.
        """
        super().__init__(kind)
        self.kind = kind
        self.detail = detail
        self.issuer = issuer
        self.tried = tried
        self.hints = hints
        self.proxy = proxy


class Transport(Protocol):
    """What carries requests; its methods may be called from several threads."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, /) -> Reply:
        """
        Send one request and read the answer, which may be a redirect.

        Raises TransportError.
        """

    def close(self) -> None:
        """Close the connections that are kept, and keep no other: nothing will be sent any more."""


def received(count: int, size: int | None) -> str:
    """Return in words how much of an answer has come: `count` bytes of `size`, if that is known."""
    scale, unit = (1_000_000, "MB") if max(count, size or 0) >= 1_000_000 else (1000, "kB")
    return f"{count / scale:.1f}" + ("" if size is None else f" of {size / scale:.1f}") + f" {unit}"


def place_of(url: str) -> Place:
    """
    Return the scheme, host and port of a URL.

    Raises TransportError: it is not an http or https URL.
    """
    try:
        parts = split_url(url)
    except ValueError:
        raise TransportError(Kind.URL) from None
    if parts.scheme not in PORTS:
        raise TransportError(Kind.URL)
    return parts.scheme, parts.host, PORTS[parts.scheme] if parts.port is None else parts.port
