"""
Proxies on the loopback for tests: one for CONNECT (RFC 9110, 9.3.6), one for SOCKS5 (RFC 1928, RFC 1929).

Plain sockets and threads. Each notes what it was asked for, so that a test sees what went through it.
"""

from __future__ import annotations

import base64
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

USER, PASSWORD = "worker", "canary:p@ss/7"
IN_URL = "worker:canary%3Ap%40ss%2F7@"
SUCCEEDED, NOT_ALLOWED = 0, 2  # RFC 1928, 6
IPV4, DOMAIN = 1, 3  # RFC 1928, 5
NO_LOGIN, BY_PASSWORD, NONE_ACCEPTABLE = 0, 2, 0xFF  # RFC 1928, 3


@dataclass
class RunningProxy:
    """Where it listens, and what it was asked for: `localhost:443` and the like, or a request as it came."""

    host: str
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)  # of CONNECT requests, with all their headers


Serve = Callable[[socket.socket, RunningProxy], None]


@contextmanager
def listening(serve: Serve) -> Iterator[RunningProxy]:
    """Serve each connection in a thread of its own until the end of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = RunningProxy(f"127.0.0.1:{listener.getsockname()[1]}")

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError, GoneError):
            serve(connection, running)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield running
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy what comes until its end."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def join(client: socket.socket, host: str, port: int, said: bytes) -> None:
    """Connect to the server, say that to the client, and copy both ways."""
    with socket.create_connection((host, port)) as server:
        client.sendall(said)
        back = threading.Thread(target=pass_on, args=(server, client), daemon=True)
        back.start()
        pass_on(client, server)
        back.join()


@contextmanager
def connect_proxy(*, login: bool = False, context: ssl.SSLContext | None = None) -> Iterator[RunningProxy]:
    """Connect whoever asks by CONNECT; `login`: who gives user and password; `context`: over TLS."""
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def serve(connection: socket.socket, running: RunningProxy) -> None:
        client = connection if context is None else context.wrap_socket(connection, server_side=True)
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(65536)
                if not part:
                    return
                head += part
            running.heads.append(head.decode("latin-1"))
            lines = running.heads[-1].split("\r\n")
            method, target, _ = lines[0].split(" ")
            if login and f"proxy-authorization: Basic {basic}".lower() not in [line.lower() for line in lines]:
                client.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
                    b"Content-Length: 0\r\n\r\n"
                )
                return
            running.asked.append(f"{method} {target}")
            host, _, port = target.rpartition(":")
            if isinstance(client, ssl.SSLSocket):
                join_tls(client, host, int(port), b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                join(client, host, int(port), b"HTTP/1.1 200 Connection established\r\n\r\n")

    with listening(serve) as running:
        yield running


def join_tls(client: ssl.SSLSocket, host: str, port: int, said: bytes = b"") -> None:
    """Do the same in one thread, for a TLS connection cannot be read and written by two at once."""
    with socket.create_connection((host, port)) as server:
        client.sendall(said)
        for one in (client, server):
            one.settimeout(0.01)
        while True:
            for source, target in ((client, server), (server, client)):
                with suppress(TimeoutError):
                    data = source.recv(65536)
                    if not data:
                        return
                    target.settimeout(10)
                    target.sendall(data)
                    target.settimeout(0.01)


class GoneError(Exception):
    """The client has closed its connection: bwrun does, if another address or proxy was faster."""


@contextmanager
def socks_proxy(*, login: bool = False, reply: int = SUCCEEDED) -> Iterator[RunningProxy]:
    """Connect whoever asks by SOCKS5; `login`: who gives user and password; `reply`: what it answers, if it fails."""

    def serve(client: socket.socket, running: RunningProxy) -> None:
        stream = client.makefile("rb")

        def read(size: int) -> bytes:
            found = stream.read(size)
            if len(found) < size:
                raise GoneError
            return found

        version, count = read(2)
        methods = read(count)
        chosen = BY_PASSWORD if login else NO_LOGIN
        if version != 5 or chosen not in methods:
            client.sendall(bytes((5, NONE_ACCEPTABLE)))
            return
        client.sendall(bytes((5, chosen)))
        if login:
            read(1)
            user, password = (read(read(1)[0]).decode() for _ in range(2))
            right = (user, password) == (USER, PASSWORD)
            client.sendall(bytes((1, 0 if right else 1)))
            if not right:
                return
        _, command, _, kind = read(4)
        host = read(read(1)[0]).decode() if kind == 3 else str(ip_address(read(4 if kind == 1 else 16)))
        (port,) = struct.unpack(">H", read(2))
        running.asked.append(f"{'CONNECT' if command == 1 else command} {host}:{port}")
        answer = bytes((5, reply, 0, 1)) + bytes(6)
        if reply != SUCCEEDED:
            client.sendall(answer)
            return
        join(client, host, port, answer)

    with listening(serve) as running:
        yield running


@contextmanager
def proxy_that_says(answer: bytes) -> Iterator[RunningProxy]:
    """Answer whatever comes so; nothing to say means: close at once."""

    def serve(client: socket.socket, running: RunningProxy) -> None:
        request = client.recv(65536).decode("latin-1")
        if request:  # else the run has ended meanwhile
            running.asked.append(request)
        client.sendall(answer)

    with listening(serve) as running:
        yield running


@contextmanager
def silent_proxy() -> Iterator[RunningProxy]:
    """Take connections and never say a word."""

    def serve(client: socket.socket, running: RunningProxy) -> None:
        while data := client.recv(65536):
            running.asked.append(data.decode("latin-1"))

    with listening(serve) as running:
        yield running


def dead_address() -> str:
    """Return host and port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"
