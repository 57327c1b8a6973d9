"""Which server is asked, and which never is: addresses and redirects."""

from __future__ import annotations

import json

import pytest

from tests.login.test_login_failures import CHEAP, PASSWORD, SYNC, TOKEN, fail, messages
from tests.server.control import BitwardenServer
from tests.server.faults import Fault, Redirect, Status
from tests.server.specs import AccountSpec
from tests.support.program import Surroundings

SHOW = ("--", "sh", "-c", 'cat "$BITWARDENCLI_APPDATA_DIR/data.json"')


def port_of(server: BitwardenServer) -> str:
    """Return the port of a server without a path."""
    return server.url.rpartition(":")[2]


@pytest.mark.parametrize("form", ["localhost:{port}/", "HTTPS://127.0.0.1:{port}"])
def test_server_option(ready: Surroundings, server: BitwardenServer, form: str) -> None:
    """An address may end with slashes and lack a scheme, which is https then; the option wins over the variable."""
    given = form.format(port=port_of(server))

    done = ready.run("--server", given, "--", "true", env={"BWRUN_SERVER": "https://vault.invalid"})

    assert (done.status, done.stderr) == (0, "")


def test_server_under_a_path(bare: Surroundings) -> None:
    """A server below a path of its host is asked there, and the session says so to the official CLI."""
    with BitwardenServer.start(path_prefix="/apps/Vault") as server:
        bare.use(server, server.add_account(AccountSpec("path@example.com", PASSWORD, kdf=CHEAP)))

        done = bare.run("--server", f"{server.url}/", *SHOW)
        paths = {request.path for request in server.requests()}

    assert (done.status, done.stderr) == (0, "")
    assert paths - {"/apps/Vault/api/config"} == {"/apps/Vault/identity/connect/token", "/apps/Vault/api/sync"}
    assert json.loads(done.stdout)["global_environment_environment"] == {
        "region": "Self-hosted",
        "urls": {"base": server.url},
    }


def test_http_on_the_loopback(bare: Surroundings) -> None:
    """Plain http is good enough for a server on this very machine."""
    with BitwardenServer.start(certificate=None) as server:
        bare.use(server, server.add_account(AccountSpec("plain@example.com", PASSWORD, kdf=CHEAP)))

        done = bare.run("--", "true")

    assert server.url.startswith("http://")
    assert (done.status, done.stderr) == (0, "")


def test_separate_services(ready: Surroundings, server: BitwardenServer) -> None:
    """With both services' URLs no base is needed; the session holds the two."""
    options = ("--identity-url", server.identity_url, "--api-url", f"{server.api_url}/")

    done = ready.run(*options, *SHOW, env={"BWRUN_SERVER": None})

    assert (done.status, done.stderr) == (0, "")
    assert json.loads(done.stdout)["global_environment_environment"] == {
        "region": "Self-hosted",
        "urls": {"base": None, "identity": server.identity_url, "api": server.api_url},
    }


def test_services_of_two_servers(ready: Surroundings, server: BitwardenServer) -> None:
    """A token is taken to the API that was named; one of another server refuses it, twice, and that is said."""
    with BitwardenServer.start(certificate=None) as other:
        done = fail(ready, "--api-url", other.api_url)
        asked = [request.path for request in other.requests() if "authorization" in request.headers]

    assert messages(done) == [
        f"error: {other.api_url}/sync?excludeDomains=true does not accept the access token (401) [auth.token-refused]",
        "hint: check that `--identity-url` and `--api-url` belong to the same server",
    ]
    assert asked == ["/api/sync"] * 2  # the second with the token of one more login


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--identity-url", "https://id.example.com"),
            "error: `--identity-url` is set without `--api-url` [config.server]",
        ),
        (
            ("--server", "http://vault.example.com"),
            (
                "error: `--server` uses http, which would send the API key to `vault.example.com` without encryption"
                " [config.insecure-server]"
            ),
        ),
        (
            ("--server", f"https://ada:{PASSWORD.split()[-1]}@vault.example.com"),
            "error: `--server` contains a user name, a query or a fragment [config.server]",
        ),
        (("--server", "https://exa mple.com"), "error: `--server` is not a URL [config.server]"),
    ],
    ids=["half", "http", "user", "no URL"],
)
def test_refused_addresses(ready: Surroundings, options: tuple[str, ...], expected: str) -> None:
    """An address that cannot be used is refused offline, and what may be secret in it is not shown."""
    done = fail(ready, *options, env={"BWRUN_SERVER": None})

    assert messages(done)[0] == expected
    assert PASSWORD.split()[-1] not in done.stderr


def test_wrong_path(ready: Surroundings, server: BitwardenServer) -> None:
    """An address where no Bitwarden server is says which address was asked, and that there is nothing."""
    done = fail(ready, "--server", f"{server.url}/wrong")

    assert messages(done) == [
        f"error: cannot log in: {server.url}/wrong/identity/connect/token does not exist (404) [server.not-found]",
        "hint: check `--server`, including the path of its URL",
    ]


@pytest.mark.parametrize("code", [302, 307])
def test_redirect_of_the_login_to_another_host(ready: Surroundings, server: BitwardenServer, code: int) -> None:
    """A login that is sent on to another host or port is not repeated there: no credential leaves the origin."""
    with BitwardenServer.start(certificate=None) as other:
        server.set_fault(Fault(TOKEN, Redirect(f"{other.identity_url}/connect/token?a=b", code)))

        done = fail(ready)
        asked = other.requests()

    assert messages(done) == [
        f"error: {server.url} redirects to {other.url} [server.redirect]",
        "hint: if that is your server, set `--server` to it; bwrun sends no credential to a redirect's address",
    ]
    assert asked == []


def test_redirect_of_the_sync_to_another_host(ready: Surroundings, server: BitwardenServer) -> None:
    """A sync that is sent on to another name of the same machine does not take the token there."""
    elsewhere = f"https://127.0.0.1:{port_of(server)}/api/elsewhere"
    server.set_fault(Fault(SYNC, Redirect(elsewhere)))

    done = fail(ready)

    assert done.codes == ["server.redirect"]
    assert "/api/elsewhere" not in [request.path for request in server.requests()]


def test_redirect_to_http(ready: Surroundings, server: BitwardenServer) -> None:
    """A downgrade from https to http of the same host is another origin: not followed."""
    server.set_fault(Fault(TOKEN, Redirect(f"http://localhost:{port_of(server)}/identity/connect/token", 307)))

    assert fail(ready).codes == ["server.redirect"]
    assert len([request for request in server.requests() if request.path.endswith(TOKEN)]) == 1


def test_redirects_within_the_server(ready: Surroundings, server: BitwardenServer) -> None:
    """A redirect to another path of the same origin is followed, the login's when it stays a POST."""
    server.set_fault(Fault(TOKEN, Redirect("/identity/connect/token", 307), count=1))
    server.set_fault(Fault(SYNC, Redirect(f"{server.api_url}/sync?excludeDomains=true", 302), count=1))

    done = ready.run("--", "true")

    assert (done.status, done.stderr) == (0, "")
    asked = [request for request in server.requests() if not request.path.endswith("/config")]
    assert [(request.method, request.status) for request in asked] == [
        ("POST", 307), ("POST", 200), ("GET", 302), ("GET", 200),
    ]  # fmt: skip


@pytest.mark.parametrize("code", [302, 308])
def test_redirect_that_does_not_end(ready: Surroundings, server: BitwardenServer, code: int) -> None:
    """A login that would become a GET, or that is sent on for ever, is an error after a few steps at most."""
    server.set_fault(Fault(TOKEN, Redirect("/identity/connect/token", code)))

    assert fail(ready).codes == ["server.redirect"]
    assert len(server.requests()) <= 6


@pytest.mark.parametrize("location", ["https://host:port/", "javascript:alert(1)"])
def test_redirect_to_no_address(ready: Surroundings, server: BitwardenServer, location: str) -> None:
    """A redirect to what is no address is an error that says so, at the first try."""
    server.set_fault(Fault(TOKEN, Status(307, "{}", headers={"Location": location})))

    done = fail(ready)

    assert done.codes == ["server.redirect"]
    assert len([request for request in server.requests() if request.path.endswith(TOKEN)]) == 1
