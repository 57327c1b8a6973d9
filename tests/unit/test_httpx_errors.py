"""Every exception that httpx can raise ends in bwrun.client: none is forgotten, also of a later httpx."""

from __future__ import annotations

import errno
import socket
import ssl

import httpx
import pytest

from bwrun.client import Client
from bwrun.deadline import Deadline
from bwrun.errors import BwrunError, NetworkError
from bwrun.servers import find_server

URL = "https://vault.example.com:8443/identity/connect/token"
HOST = "https://vault.example.com:8443"
REQUEST = httpx.Request("POST", URL)
RESPONSE = httpx.Response(400, request=REQUEST)

EXCEPTIONS = sorted(
    (
        value
        for value in vars(httpx).values()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__.startswith("httpx")
    ),
    key=lambda kind: kind.__name__,
)
# What `_with_retries` catches.  CookieConflict is raised only by who reads cookies by name, and bwrun keeps none.
CAUGHT = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)

CODES = {
    "ConnectError": "network.unreachable",
    "ConnectTimeout": "network.timeout",
    "InvalidURL": "network.url",
    "PoolTimeout": "network.timeout",
    "ProxyError": "network.proxy",
    "ReadTimeout": "network.timeout",
    "TimeoutException": "network.timeout",
    "UnsupportedProtocol": "network.url",
    "WriteTimeout": "network.timeout",
}


def network_error(error: Exception) -> BwrunError:
    """Return what the client makes of an exception."""
    client = Client(find_server("https://vault.example.com:8443", None, None), (), "2026.9.0", Deadline(7))
    return client._network_error(error, URL)  # noqa: SLF001  (the border that is tested here)


def example(kind: type[Exception]) -> Exception:
    """Make one, however its constructor wants it."""
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("canary", request=REQUEST, response=RESPONSE)
    try:
        return kind("canary")
    except TypeError:
        return kind()


def test_finds_the_exceptions_of_httpx() -> None:
    """The list is httpx's own and complete: 28 classes in 0.28, of which these are some."""
    names = {kind.__name__ for kind in EXCEPTIONS}

    assert len(EXCEPTIONS) >= 25
    assert {"ConnectError", "ReadTimeout", "RemoteProtocolError", "DecodingError", "InvalidURL"} <= names


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_catches_and_explains_every_exception_of_httpx(kind: type[Exception]) -> None:
    """Each class is caught where requests are sent, and becomes a NetworkError that does not quote its text."""
    assert issubclass(kind, CAUGHT) or kind is httpx.CookieConflict

    error = network_error(example(kind))

    assert isinstance(error, NetworkError)
    assert error.code == CODES.get(kind.__name__, "network.interrupted")
    assert "canary" not in " ".join((error.message, *error.hints))


def caused(cause: BaseException, by: type[Exception] = httpx.ConnectError) -> Exception:
    """Make an exception of httpx with a cause three levels down, as httpcore's are."""
    middle = OSError("something between")
    middle.__cause__ = cause
    error = example(by)
    error.__context__ = middle
    return error


def untrusted(message: str) -> ssl.SSLCertVerificationError:
    """Make the exception of a certificate that is not trusted."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = message
    return error


@pytest.mark.parametrize(
    ("cause", "code", "message"),
    [
        (socket.gaierror(-2, "x"), "network.dns", "the name https://vault.example.com:8443 cannot be found"),
        (
            OSError(errno.ECONNREFUSED, "x"),
            "network.unreachable",
            f"cannot connect to {HOST}: Connection refused",
        ),
        (OSError(errno.ENETUNREACH, "x"), "network.unreachable", f"cannot connect to {HOST}: Network is unreachable"),
        (ssl.SSLError(1, "x"), "network.tls", f"no secure connection to {HOST}: TLS failed"),
        (
            untrusted("certificate has expired"),
            "network.tls-untrusted",
            f"the certificate of {HOST} is not trusted: certificate has expired",
        ),
    ],
    ids=["dns", "refused", "no network", "tls", "untrusted"],
)
def test_looks_for_the_cause(cause: BaseException, code: str, message: str) -> None:
    """The reason lies below httpx's exception, several levels down: it is found and named."""
    error = network_error(caused(cause))

    assert (error.code, error.message) == (code, message)


def test_a_cause_in_a_circle_ends() -> None:
    """Exceptions that are each other's context are looked through once."""
    first, second = example(httpx.ReadError), OSError("x")
    first.__context__, second.__context__ = second, first

    assert network_error(first).code == "network.interrupted"


def test_codes_name_real_classes() -> None:
    """The table above has no class that httpx does not have."""
    assert set(CODES) <= {kind.__name__ for kind in EXCEPTIONS}
