"""Where a server says that an attachment is, when that is not a place to fetch it from."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.login.test_login_failures import CHEAP, PASSWORD, fail, messages
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login
from tests.settings.test_servers_run import port_of
from tests.support.namespace import ALIVE, network
from tests.support.program import Surroundings

DOMAIN_HINT = (
    "hint: if the server is Vaultwarden, set its `DOMAIN` to its own address, for example https://vault.example.com"
)
SAID = "returned an address for the attachment that is"
WORDS = ("--no-session", "-e", "KEY=bw://file/attachment/a.txt")


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with an attachment."""
    item = ItemSpec("file", Login(), attachments=(AttachmentSpec("a.txt", b"content"),))
    return server.add_account(AccountSpec("attached@example.com", PASSWORD, kdf=CHEAP, items=(item,)))


def says(server: BitwardenServer, url: str) -> None:
    """Let the server name this URL: its third reply, after those to the login and the sync."""
    server.set_fault(Fault("", Status(200, json.dumps({"url": url})), skip=2, count=1))


@pytest.mark.parametrize("url", ["/attachments/1/2?token=canary-7f3a", "vault.example.com/attachments/1", ""])
def test_relative_url(run_in: Surroundings, server: BitwardenServer, url: str) -> None:
    """A URL without a host is said to be none, and is not shown: it may hold a token."""
    says(server, url)

    done = fail(run_in, *WORDS)

    assert messages(done) == [
        f"error: KEY: {server.url} {SAID} not a URL [server.attachment]",
        DOMAIN_HINT,
    ]
    assert "canary" not in done.stderr


def test_url_on_the_loopback(run_in: Surroundings, server: BitwardenServer) -> None:
    """What nobody answers at another port of this machine is said to be named by the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
    says(server, f"{url}/attachments/1/2")

    done = fail(run_in, *WORDS)

    why = f"cannot connect to {url}: Connection refused"
    assert messages(done) == [
        f"error: KEY: {server.url} {SAID} on this machine: {url} ({why}) [server.attachment]",
        DOMAIN_HINT,
    ]


def test_url_of_another_service_on_the_loopback(run_in: Surroundings, server: BitwardenServer) -> None:
    """The same is true of a server there that does not have the file."""
    with BitwardenServer.start() as other:
        says(server, f"{other.url}/attachments/1/2")
        run_in.environment["NODE_EXTRA_CA_CERTS"] = str(other.ca_file)
        done = fail(run_in, *WORDS)

    said = f"{server.url} {SAID} on this machine: {other.url} (404)"
    assert messages(done) == [f"error: KEY: {said} [server.attachment]", DOMAIN_HINT]


def test_loopback_url_of_a_server_elsewhere(run_in: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """A server on another machine that calls itself localhost is not looked for on this one."""
    port = port_of(server)
    with network(tmp_path, {"vault.test": [ALIVE[0]]}) as made:
        made.relay(ALIVE[0], int(port))
        before = made.before(run_in.work)
        done = run_in.run("--server", f"https://vault.test:{port}", *WORDS, "--", "true", before=before)

    said = f"https://vault.test:{port} {SAID} on this machine: {server.url}"
    assert messages(done) == [f"error: KEY: {said} [server.attachment]", DOMAIN_HINT]


def test_http_url(run_in: Surroundings, server: BitwardenServer) -> None:
    """A URL of another machine over http is not asked."""
    says(server, "http://vault.example.com/attachments/1")

    done = fail(run_in, *WORDS)

    assert messages(done) == [
        f"error: KEY: {server.url} {SAID} not https [server.attachment]",
        DOMAIN_HINT,
    ]
