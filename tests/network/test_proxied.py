"""Proxies that the environment names: used for the server, never shown a credential, and blamed for what is theirs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.login.test_login_failures import AT_ONCE, SYNC, TOKEN, fail, messages
from tests.server.control import Account, BitwardenServer
from tests.server.faults import CloseMidBody, Fault, Redirect, Reset, Status
from tests.settings.test_servers_run import port_of
from tests.support.program import Surroundings


@contextmanager
def listening(listener: socket.socket) -> Iterator[str]:
    """Give the URL of a proxy, and stop listening at the end of the block."""
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """Connect whoever asks to where he wants (CONNECT, RFC 9110 9.3.6); give the URL and what was asked."""
    asked: list[bytes] = []

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            asked.append(client.recv(65536))
            host, _, port = asked[-1].split(b" ")[1].partition(b":")
            with socket.create_connection((host.decode(), int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pass_on, args=(server, client), daemon=True)
                back.start()
                pass_on(client, server)
                back.join()

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    with listening(listener) as url:
        yield url, asked


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_runs_through_a_proxy(ready: Surroundings, server: BitwardenServer, name: str) -> None:
    """A run through a proxy is as any other; the proxy sees where it goes, and nothing else."""
    with proxy() as (url, asked):
        done = ready.run("--", "true", env={name: url})

    assert (done.status, done.stderr) == (0, "")
    assert {request.path for request in server.requests()} == {"/identity/connect/token", "/api/sync", "/api/config"}
    assert asked
    assert all(one.startswith(f"CONNECT localhost:{port_of(server)} ".encode()) for one in asked)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(TOKEN, Status(500), count=1), None),
        (Fault(TOKEN, Reset(), count=1), None),
        (Fault(SYNC, CloseMidBody(), count=1), None),
        (Fault(SYNC, Redirect("/api/sync?excludeDomains=true"), count=1), None),
        (Fault(TOKEN, Redirect("https://elsewhere.example.com/", 307)), "server.redirect"),
        (Fault(TOKEN, Redirect("https://:0", 307)), "server.redirect"),
        (Fault(TOKEN, Status(501, "{}")), "auth.refused"),
    ],
    ids=["500", "reset", "cut", "redirect", "redirect elsewhere", "redirect nowhere", "501"],
)
def test_failures_behind_a_proxy(ready: Surroundings, server: BitwardenServer, fault: Fault, code: str | None) -> None:
    """What the server does wrong is treated as without a proxy."""
    server.set_fault(fault)
    with proxy() as (url, _):
        done = ready.run("--", "true", env={"https_proxy": url})

    assert done.codes == ([] if code is None else [code])
    assert done.status == (0 if code is None else 125)


def test_unknown_ca_behind_a_proxy(ready: Surroundings, server: BitwardenServer) -> None:
    """A certificate that is not trusted stops the login there too; who issued it cannot be looked up."""
    with proxy() as (url, _):
        done = fail(ready, env={"https_proxy": url, "SSL_CERT_FILE": None})

    assert messages(done)[0] == (
        f"error: the certificate of {server.url} is not trusted: unable to get local issuer certificate"
        " [network.tls-untrusted]"
    )
    assert server.requests() == []


def test_a_slow_server_behind_a_proxy(ready: Surroundings) -> None:
    """Nobody who answers is a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = fail(ready, "--timeout", "1", env={"https_proxy": f"http://127.0.0.1:{silent.getsockname()[1]}"})

    assert done.codes == ["network.timeout"]


@contextmanager
def proxy_that_says(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Listen as a proxy and answer every request so; give its URL and what it was asked."""
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(answer)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, args=(listener,), daemon=True)
    thread.start()
    with listening(listener) as url:
        yield url, asked
    thread.join(AT_ONCE)


def test_proxy_that_is_not_there(ready: Surroundings, server: BitwardenServer) -> None:
    """When nobody listens at a proxy variable's address, the proxy is blamed and not the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    done = fail(ready, env={"https_proxy": f"http://127.0.0.1:{port}"})

    assert done.codes == ["network.proxy"]
    assert "proxy" in messages(done)[1]
    assert server.requests() == []


def test_proxy_that_refuses(ready: Surroundings, server: BitwardenServer) -> None:
    """A proxy that does not let through is blamed; it sees the host's name and nothing of the login."""
    with proxy_that_says(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as (url, asked):
        done = fail(ready, env={"https_proxy": url})

    assert messages(done) == [
        f"error: the proxy refused to connect to {server.url} [network.proxy]",
        "hint: check https_proxy and no_proxy",
    ]
    assert asked
    assert all(one.startswith(f"CONNECT localhost:{port_of(server)} ".encode()) for one in asked)


@pytest.mark.parametrize("value", ["nonsense://canary", "http://u:canary@127.0.0.1:99999"])
def test_proxy_that_is_no_address(ready: Surroundings, value: str) -> None:
    """A proxy variable with nonsense in it is one clear error, and its value, maybe a password, is not shown."""
    done = fail(ready, env={"https_proxy": value})

    assert done.codes == ["network.proxy"]
    assert "canary" not in done.stderr


def test_no_proxy(ready: Surroundings, account: Account) -> None:
    """A host that no_proxy names is asked directly."""
    done = ready.run("--", "true", env={"https_proxy": "http://127.0.0.1:9", "no_proxy": "example.com,localhost"})

    assert (done.status, done.stderr) == (0, "")
