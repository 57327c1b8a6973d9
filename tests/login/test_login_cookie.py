"""Servers behind a load balancer that wants the cookie of a login in a browser: a named error with what to do."""

from __future__ import annotations

import json

import pytest

from tests.login.test_login_failures import SYNC, TOKEN, messages
from tests.server.control import BitwardenServer
from tests.server.faults import Action, Fault, NotJson, Redirect, Status
from tests.support.program import Surroundings

CONFIG = "/api/config"
IDP = "https://idp.example/login"
BOOTSTRAP = {"type": "ssoCookieVendor", "idpLoginUrl": IDP, "cookieName": "AUTH_SESSION", "cookieDomain": "example"}
HINTS = [
    "hint: put the cookie of such a login into the file of `--header-file`, as `Cookie: AUTH_SESSION=…`",
    "hint: or set `--identity-url` and `--api-url` to addresses that bypass the load balancer",
]


def config_with(bootstrap: object) -> Status:
    """Return a server's configuration."""
    return Status(200, json.dumps({"version": "2026.8.0", "communication": {"bootstrap": bootstrap}}))


@pytest.mark.parametrize("path", [TOKEN, SYNC])
@pytest.mark.parametrize(
    "action",
    [Redirect(IDP, 302), NotJson(), Status(403, "<html>login</html>", "text/html")],
    ids=["redirect", "page", "403"],
)
def test_told_by_name(ready: Surroundings, server: BitwardenServer, path: str, action: Action) -> None:
    """Whatever the load balancer answers, the error says that it is one, which cookie it wants, and what to do."""
    server.set_fault(Fault(path, action))
    server.set_fault(Fault(CONFIG, config_with(BOOTSTRAP)))

    done = ready.run("--", "true")

    assert done.status == 125
    assert messages(done) == [
        (
            f"error: {server.url} is behind a load balancer that requires a login in a browser (cookie `AUTH_SESSION`)"
            " [server.login-cookie]"
        ),
        *HINTS,
    ]


@pytest.mark.parametrize(
    "bootstrap", [None, {"type": "direct"}, {"type": 5}, [], "ssoCookieVendor", {**BOOTSTRAP, "cookieName": 5}]
)
def test_other_configurations(ready: Surroundings, server: BitwardenServer, bootstrap: object) -> None:
    """A configuration without such a cookie, or of another form, changes nothing about the error."""
    server.set_fault(Fault(TOKEN, Redirect(IDP, 302)))
    server.set_fault(Fault(CONFIG, config_with(bootstrap)))

    assert ready.run("--", "true").codes == ["server.redirect"]


def test_no_configuration(ready: Surroundings, server: BitwardenServer) -> None:
    """A load balancer that does not pass the configuration on either changes nothing about the error."""
    server.set_fault(Fault("", Redirect(IDP, 302)))

    assert ready.run("--", "true").codes == ["server.redirect"]


def test_harmless_if_requests_pass(ready: Surroundings, server: BitwardenServer) -> None:
    """As long as requests are answered, such a configuration is no error."""
    server.set_fault(Fault(CONFIG, config_with(BOOTSTRAP)))

    assert ready.run("-e", "A=bw://prod-db", "--", "sh", "-c", 'printf "$A"').stdout == "p4ss"
