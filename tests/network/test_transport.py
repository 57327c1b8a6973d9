"""Every exception of what carries requests ends in bwrun: none is forgotten, also of a later httpx."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping

import httpx
import pytest

from bwrun.base.deadline import Deadline
from bwrun.base.errors import BwrunError
from bwrun.base.sensitive import Sensitive
from bwrun.network.client import Client
from bwrun.network.proxied import translate
from bwrun.network.proxies import Proxy
from bwrun.network.transport import Kind, Reply, TransportError
from bwrun.settings.servers import find_server

BASE = "https://vault.example.com:8443"
URL = f"{BASE}/identity/connect/token"
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
# What `send()` catches.  CookieConflict is raised only by who reads cookies by name, and bwrun keeps none.
CAUGHT = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)

KINDS = {
    "ConnectError": Kind.UNREACHABLE,
    "ConnectTimeout": Kind.TIMEOUT,
    "InvalidURL": Kind.URL,
    "PoolTimeout": Kind.TIMEOUT,
    "ProxyError": Kind.PROXY_REFUSES,
    "ReadError": Kind.BROKEN,
    "ReadTimeout": Kind.TIMEOUT,
    "RemoteProtocolError": Kind.BROKEN,
    "TimeoutException": Kind.TIMEOUT,
    "UnsupportedProtocol": Kind.URL,
    "WriteError": Kind.BROKEN,
    "WriteTimeout": Kind.TIMEOUT,
}
PROXY = Proxy("HTTPS_PROXY", "http://user:canary@proxy.example:3128")
SHOWN = "the proxy http://proxy.example:3128"
CODES = {
    Kind.ALERT: ("network.tls", f"{BASE} closed the TLS connection with the alert `<detail>`"),
    Kind.BROKEN: ("network.interrupted", f"{BASE} closed the connection early in 4 attempts"),
    Kind.DNS: ("network.dns", f"cannot resolve the name of {BASE}: <detail>"),
    Kind.HEADERS: ("server.headers", f"cannot read the answer from {BASE}: it has <detail>"),
    Kind.HTTPS_PORT: ("network.tls", f"{BASE} speaks https, not http"),
    Kind.LOOKUP_TIMEOUT: ("network.timeout", f"timed out after 0.01 s while waiting for the DNS lookup of {BASE}"),
    Kind.TIMEOUT: ("network.timeout", f"timed out after 0.01 s while waiting for {BASE}"),
    Kind.TLS: ("network.tls", f"cannot open a TLS connection to {BASE}: <detail>"),
    Kind.TOO_LARGE: ("server.too-large", f"the answer from {BASE} is larger than 512 MiB"),
    Kind.UNREACHABLE: ("network.unreachable", f"cannot connect to {BASE}: <detail>"),
    Kind.UNREADABLE: ("network.interrupted", f"cannot read the answer from {BASE} (<detail>)"),
    Kind.UNTRUSTED: (
        "network.tls-untrusted",
        f"the certificate of {BASE}, issued by `<issuer>` is not trusted: <detail>",
    ),
    Kind.URL: ("network.url", f"cannot send a request to `{URL}`: the URL is invalid"),
}
# The same where it happened at a proxy, and what can happen only there.
PROXY_CODES = {
    Kind.ALERT: ("network.proxy", f"{SHOWN} closed the TLS connection with the alert `<detail>`"),
    Kind.BROKEN: ("network.proxy", f"{SHOWN} closed the connection early in 4 attempts"),
    Kind.DNS: ("network.proxy", f"cannot resolve the name of {SHOWN}"),
    Kind.HEADERS: ("network.proxy", f"cannot read the answer from {SHOWN}: it has <detail>"),
    Kind.PROXY_ADDRESS: ("network.proxy", "HTTPS_PROXY contains an invalid proxy address"),
    Kind.PROXY_LOGIN: ("network.proxy", f"{SHOWN} requires a login with <detail>, but bwrun supports only Basic"),
    Kind.PROXY_REFUSES: ("network.proxy", f"{SHOWN} refused to connect to {BASE} (<detail>)"),
    Kind.TIMEOUT: ("network.timeout", f"timed out after 0.01 s while waiting for {SHOWN}"),
    Kind.TLS: ("network.proxy", f"cannot open a TLS connection to {SHOWN}: <detail>"),
    Kind.UNREACHABLE: ("network.proxy", f"cannot connect to {SHOWN}: <detail>"),
    Kind.UNREADABLE: ("network.proxy", f"cannot read the answer from {SHOWN} (<detail>)"),
    Kind.UNTRUSTED: ("network.tls-untrusted", f"the certificate of {SHOWN} is not trusted: <detail>"),
}


class Failing:
    """A transport that carries nothing."""

    def __init__(self, error: TransportError) -> None:
        """`error` is what each request ends with."""
        self.error = error

    def send(self, _method: str, _url: str, _headers: Mapping[str, str], _body: bytes | None) -> Reply:
        """Fail."""
        raise self.error

    def close(self) -> None:
        """There is nothing to close."""


def failure(error: TransportError, seconds: float) -> BwrunError:
    """Return what a login ends with for which there is no answer."""
    client = Client(find_server(BASE, None, None), Failing(error), "2026.9.0", Deadline(seconds))
    with pytest.raises(BwrunError) as caught:
        client.post_token({"client_secret": "canary"}, Sensitive(b"canary"))
    return caught.value


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
    assert names >= KINDS.keys()


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_catches_and_translates_every_exception_of_httpx(kind: type[Exception]) -> None:
    """Each class is caught where requests are sent, and its text, which may quote anything, is not taken over."""
    assert issubclass(kind, CAUGHT) or kind is httpx.CookieConflict

    error = translate(example(kind), None)

    assert error.kind is KINDS.get(kind.__name__, Kind.UNREADABLE)
    assert "canary" not in error.detail


def test_every_kind_has_its_place() -> None:
    """Each way of having no answer can happen at the server or at a proxy."""
    assert CODES.keys() | PROXY_CODES.keys() == set(Kind)


@pytest.mark.parametrize("kind", [kind for kind in CODES if kind is not Kind.BROKEN])
def test_every_kind_has_its_words(kind: Kind) -> None:
    """Each has a code and a message of its own, without what was sent."""
    error = failure(TransportError(kind, "<detail>", issuer="<issuer>"), 0.01)

    assert (error.code, error.message) == CODES[kind]
    assert "canary" not in " ".join((error.message, *error.hints))


@pytest.mark.parametrize("kind", [kind for kind in PROXY_CODES if kind is not Kind.BROKEN])
def test_every_kind_has_its_words_at_a_proxy(kind: Kind) -> None:
    """What happened at a proxy names the proxy and its variable, without its password."""
    error = failure(TransportError(kind, "<detail>", proxy=PROXY), 0.01)

    assert (error.code, error.message) == PROXY_CODES[kind]
    assert "HTTPS_PROXY" in " ".join((error.message, *error.hints)) or kind is Kind.PROXY_LOGIN
    assert "canary" not in " ".join((error.message, *error.hints))


@pytest.mark.parametrize("kind", [Kind.TIMEOUT, Kind.BROKEN, Kind.DNS])
def test_keeps_the_place(kind: Kind) -> None:
    """Where an exception of httpx came from is what who translates it says."""
    name = {Kind.TIMEOUT: "ReadTimeout", Kind.BROKEN: "RemoteProtocolError", Kind.DNS: "ConnectError"}[kind]
    error = caused(socket.gaierror(-2, "x"), getattr(httpx, name))

    assert (translate(error, PROXY).kind, translate(error, PROXY).proxy) == (kind, PROXY)
    assert translate(error, None).proxy is None


def test_a_broken_connection_is_tried_again() -> None:
    """A connection that breaks four times is given up; if there is no time for four, that is said."""
    assert (failure(TransportError(Kind.BROKEN), 60).code, failure(TransportError(Kind.BROKEN), 0.01).code) == (
        "network.interrupted",
        "network.timeout",
    )


def test_message_without_a_detail() -> None:
    """A system that gives no reason leaves no loose end."""
    assert failure(TransportError(Kind.UNREACHABLE), 1).message == f"cannot connect to {BASE}"
    assert failure(TransportError(Kind.DNS), 1).message == f"cannot resolve the name of {BASE}"


def caused(cause: BaseException, by: type[Exception] = httpx.ConnectError) -> Exception:
    """Make an exception of httpx with a cause three levels down, as httpcore's are."""
    middle = OSError("something between")
    middle.__cause__ = cause
    error = example(by)
    error.__context__ = middle
    return error


def untrusted(code: int, message: str) -> ssl.SSLCertVerificationError:
    """Make the exception of a certificate that is not trusted."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def tls_error(reason: str) -> ssl.SSLError:
    """Make the exception of TLS that failed, with OpenSSL's name of the reason."""
    error = ssl.SSLError(1, "x")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("cause", "kind", "detail"),
    [
        (ConnectionResetError(errno.ECONNRESET, "x"), Kind.BROKEN, ""),
        (socket.gaierror(-2, "x"), Kind.DNS, ""),
        (OSError(errno.ECONNREFUSED, "x"), Kind.UNREACHABLE, "Connection refused"),
        (OSError(errno.ENETUNREACH, "x"), Kind.UNREACHABLE, "Network is unreachable"),
        (ssl.SSLError(1, "x"), Kind.TLS, "TLS failed"),
        (untrusted(10, "certificate has expired"), Kind.UNTRUSTED, "certificate has expired"),
        (tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), Kind.ALERT, "handshake failure"),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Kind.ALERT, "certificate required"),
        (tls_error("TLSV1_ALERT_UNKNOWN_CA"), Kind.ALERT, "unknown ca"),
        (tls_error("TLSV1_UNRECOGNIZED_NAME"), Kind.ALERT, "unrecognized name"),
        (tls_error("WRONG_VERSION_NUMBER"), Kind.TLS, "WRONG_VERSION_NUMBER"),
    ],
    ids=lambda value: "" if isinstance(value, BaseException) else str(value),
)
def test_looks_for_the_cause(cause: BaseException, kind: Kind, detail: str) -> None:
    """The reason lies below httpx's exception, several levels down: it is found."""
    error = translate(caused(cause), None)

    assert (error.kind, error.detail) == (kind, detail)


def test_a_cause_in_a_circle_ends() -> None:
    """Exceptions that are each other's context are looked through once."""
    first, second = example(httpx.ConnectError), OSError("x")
    first.__context__, second.__context__ = second, first

    assert translate(first, None).kind is Kind.UNREACHABLE
