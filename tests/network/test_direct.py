"""Requests over our own connections, against real sockets that answer as they are told."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress

import pytest

from bwrun.base.deadline import Deadline
from bwrun.base.timings import Timings
from bwrun.network.connecting import Connector
from bwrun.network.direct import DirectTransport
from bwrun.network.transport import MAX_SIZE, Kind, Reply, TransportError
from tests.support.terminal import wait_until

Script = Callable[[socket.socket, bytes], None]
SOON = 100.0  # seconds
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b'{"a": 1}'


def says(data: bytes, *, close: bool = False) -> Script:
    """Return what answers a request with these bytes."""

    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(data)
        if close:
            connection.shutdown(socket.SHUT_RDWR)

    return answer


def drips(head: bytes, data: bytes) -> Script:
    """Return what sends `head`, and then `data` byte by byte."""

    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(head)
        for byte in data:
            connection.sendall(bytes((byte,)))
            time.sleep(0.05)

    return answer


def says_twice(connection: socket.socket, _request: bytes) -> None:
    """Answer, and a moment later again."""
    connection.sendall(ok(BODY))
    time.sleep(0.02)
    connection.sendall(ok(b"forged"))


def echoes(connection: socket.socket, request: bytes) -> None:
    """Answer with the request."""
    while b"Content-Length: 3" in request and not request.endswith(b"x=y"):
        request += connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request) + request)


class Asked(list[int]):
    """The number of the connection of each request; `answered`: how many requests are dealt with."""

    answered = 0


@contextmanager
def server(*scripts: Script, family: socket.AddressFamily = socket.AF_INET) -> Iterator[tuple[str, Asked]]:
    """
    Answer each request by the next script, and those after the last not at all.

    Give the URL, and a list that gets the number of the connection of each request.
    """
    host = "::1" if family is socket.AF_INET6 else "127.0.0.1"
    listener = socket.create_server((host, 0), family=family)
    asked = Asked()
    waiting = list(scripts)

    def converse(connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError):
            while (request := connection.recv(65536)) and waiting:
                asked.append(number)
                waiting.pop(0)(connection, request)
                asked.answered += 1

    def accept() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection, number), daemon=True).start()
            number += 1

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def transport(seconds: float = SOON, most: int = MAX_SIZE) -> Iterator[DirectTransport]:
    """Give one whose requests end within some seconds, and whose answers have at `most` so many bytes."""
    deadline = Deadline(seconds)
    with closing(DirectTransport(Connector((), deadline, Timings(0)), deadline, most)) as carrier:
        yield carrier


def get(url: str, *, seconds: float = SOON) -> Reply:
    """Send one request."""
    with transport(seconds) as carrier:
        return carrier.send("GET", url, {"Accept": "application/json"}, None)


def ok(body: bytes, *headers: bytes) -> bytes:
    """Return an answer."""
    lines = (b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join((*lines, b"", body))


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (ok(BODY), BODY),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, BODY),
        (b"HTTP/1.0 200 OK\r\n\r\n" + BODY, BODY),
        (CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n", b"abcde"),
        (ok(gzip.compress(BODY), b"Content-Encoding: gzip"), BODY),
        (ok(BODY, b"content-encoding: identity"), BODY),
        (ok(b""), b""),
        (ok(b"", b"Content-Encoding: gzip"), b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ok(BODY), BODY),
        (b"HTTP/1.1 102 Processing\r\n\r\n" + ok(BODY), BODY),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + ok(BODY), BODY),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 20 + ok(BODY), BODY),
        (ok(BODY, *(b"A-%d: b" % number for number in range(90))), BODY),
        (ok(BODY, b"A: " + b"b" * 60_000), BODY),
    ],
    ids=[
        "length", "until the end", "1.0", "chunked", "gzip", "identity", "empty", "empty gzip", "204", "100 before",
        "102 before", "103 before", "many before", "90 headers", "60 kB header",
    ],
)  # fmt: skip
def test_reads_answers(data: bytes, body: bytes) -> None:
    """An answer is read in each form that HTTP/1.1 has for one."""
    with server(says(data, close=b"Length" not in data and b"chunked" not in data)) as (url, _):
        assert bytes(get(url).body) == body


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.BROKEN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345678", Kind.BROKEN),
        (CHUNKED + b"3\r\nab", Kind.BROKEN),
        (ok(gzip.compress(BODY)[:-9], b"Content-Encoding: gzip"), Kind.BROKEN),
        (ok(BODY, b"Content-Encoding: gzip"), Kind.UNREADABLE),
        (ok(BODY, b"Content-Encoding: br"), Kind.UNREADABLE),
        (b"SSH-2.0-OpenSSH\r\n", Kind.UNREADABLE),
        (b"HTTP/1.1 abc\r\n\r\n", Kind.UNREADABLE),
        (b"\x15\x03\x01\x00\x02\x02\x46", Kind.UNREADABLE),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", Kind.HEADERS),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, Kind.HEADERS),
        (CHUNKED + b"zz\r\n", Kind.BROKEN),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + ok(BODY), Kind.UNREADABLE),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000, Kind.UNREADABLE),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", Kind.BROKEN),
    ],
    ids=[
        "nothing", "short", "short chunk", "short gzip", "no gzip", "br", "ssh", "no status", "tls", "headers",
        "long header", "no chunk", "101", "103 without end", "103 alone",
    ],
)  # fmt: skip
def test_unusable_answers(data: bytes, kind: Kind) -> None:
    """What ends early may be tried again; what is no HTTP is not."""
    with server(says(data, close=True)) as (url, _), pytest.raises(TransportError) as caught:
        get(url)

    assert caught.value.kind is kind


def test_sends_what_it_is_told() -> None:
    """Method, target, headers and body arrive, and the host without a port that goes without saying."""
    with server(echoes) as (url, _), transport() as carrier:
        reply = carrier.send("POST", f"{url}/a%20b/ü?c=d&e", {"Device-Type": "25"}, b"x=y")
    head, _, body = bytes(reply.body).partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")

    assert (first, body) == ("POST /a%20b/%C3%BC?c=d&e HTTP/1.1", b"x=y")
    assert {f"Host: {url.removeprefix('http://')}", "Device-Type: 25", "Content-Length: 3"} <= set(headers)


def test_ipv6() -> None:
    """An address in brackets is asked, and named so."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server(echoes, family=socket.AF_INET6) as (url, _):
        head = bytes(get(url).body).decode().split("\r\n")

    assert f"Host: {url.removeprefix('http://')}" in head


@pytest.mark.parametrize(
    ("scripts", "connections"),
    [
        ([says(ok(BODY)), says(ok(BODY))], [0, 0]),
        ([says(CHUNKED + b"0\r\n\r\n"), says(ok(BODY))], [0, 0]),
        ([says(ok(BODY, b"Connection: close")), says(ok(BODY))], [0, 1]),
        ([says(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), says(ok(BODY))], [0, 1]),
        ([says(ok(BODY), close=True), says(ok(BODY))], [0, 1]),
        ([says_twice, says(ok(BODY))], [0, 1]),
    ],
    ids=["kept", "chunked", "told to close", "1.0", "closed", "more than asked for"],
)
def test_connections_are_kept_while_they_are_good(scripts: Sequence[Script], connections: list[int]) -> None:
    """The next request uses the last one's connection, unless that is over or says what nobody asked for."""
    with server(*scripts) as (url, asked), transport() as carrier:
        carrier.send("GET", url, {}, None)
        wait_until(lambda: asked.answered == 1)  # and what the server does after its answer has arrived
        reply = carrier.send("GET", url, {}, None)

    assert asked == connections
    assert bytes(reply.body) == BODY


@pytest.mark.parametrize(
    "script",
    [
        lambda _connection, _request: time.sleep(30),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"x" * 100),
        drips(CHUNKED, b"1\r\nx\r\n" * 100),
    ],
    ids=["silent", "dripping", "dripping chunks"],
)
def test_time_is_limited(script: Script) -> None:
    """A server that says nothing, or a byte now and then, is given up when the time is over."""
    with server(script) as (url, _), pytest.raises(TransportError) as caught:
        get(url, seconds=0.5)

    assert caught.value.kind is Kind.TIMEOUT


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:1/", Kind.UNREACHABLE),
        ("http://127.0.0.1:0/", Kind.UNREACHABLE),
        ("https://127.0.0.1:1/", Kind.UNREACHABLE),
        ("http://no-such-host.invalid/", Kind.DNS),
        ("http://", Kind.URL),
        ("ftp://127.0.0.1/", Kind.URL),
        ("http://127.0.0.1:99999/", Kind.URL),
        ("http://a..b/", Kind.DNS),
        (f"http://{'ä' * 70}/", Kind.URL),
    ],
)
def test_no_connection(url: str, kind: Kind) -> None:
    """What cannot be asked is told apart."""
    with pytest.raises(TransportError) as caught:
        get(url)

    assert caught.value.kind is kind


@pytest.mark.parametrize(
    "data",
    [
        ok(gzip.compress(bytes(2_000_000)), b"Content-Encoding: gzip"),
        ok(bytes(2_000_000)),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        CHUNKED + b"1e8480\r\n" + bytes(2_000_000) + b"\r\n0\r\n\r\n",
    ],
    ids=["inflated", "long", "said to be long", "chunks"],
)
def test_answers_without_end(data: bytes) -> None:
    """An answer that is larger than any may be, packed or not, is refused and not held."""
    with server(says(data)) as (url, _), transport(most=1_000_000) as carrier, pytest.raises(TransportError) as caught:
        carrier.send("GET", url, {}, None)

    assert caught.value.kind is Kind.TOO_LARGE


def test_reads_large_answers() -> None:
    """A large answer arrives whole, and its connection serves the next request."""
    large = bytes(range(256)) * 40_000
    with server(says(ok(large)), says(ok(BODY))) as (url, asked), transport() as carrier:
        bodies = [bytes(carrier.send("GET", url, {}, None).body) for _ in range(2)]

    assert (bodies, asked) == ([large, BODY], [0, 0])
