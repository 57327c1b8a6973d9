"""What a request comes to, whatever carries it: an answer, or one of the ways of having none."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Protocol

from bwrun.base.structs import Struct
from bwrun.network.proxies import Proxy

Body = bytes | bytearray
MAX_SIZE = 512 * 1024 * 1024  # bytes of an answer


class Reply(Struct):
    """What came over the wire; the headers' names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Body


class Kind(Enum):
    """Why there is no answer."""

    BROKEN = auto()  # the connection ended early: worth another try
    DNS = auto()
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

    def __init__(self, kind: Kind, detail: str = "", issuer: str = "", proxy: Proxy | None = None) -> None:
        """
        Say what happened.

        `detail`: the system's or the library's word for it; `issuer`: whose certificate is not trusted, if known;
        `proxy`: the one where it happened, None if that is the server.
        """
        super().__init__(kind)
        self.kind = kind
        self.detail = detail
        self.issuer = issuer
        self.proxy = proxy


class Transport(Protocol):
    """What carries requests; its methods may be called from several threads."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, /) -> Reply:
        """
        Send one request and read the answer, which may be a redirect.

        Raises TransportError.
        """
