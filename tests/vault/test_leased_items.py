"""Leased items: their names are in the sync, their values only in the reply to a request for the item alone."""

from __future__ import annotations

import json

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login, OrganizationSpec, SecureNote, Uri
from tests.support.program import Ended, Surroundings

LOGIN = Login("deploy", "p4ss", uris=(Uri("https://db.example"),))
SPEC = AccountSpec(
    "lease@example.com",
    "correct horse",
    kdf=CHEAP,
    organizations=(OrganizationSpec("Acme", collections=("Ops",)),),
    items=(
        ItemSpec("gated", LOGIN, organization="Acme", collections=("Ops",), own_key=True, leased="yes"),
        ItemSpec("granted", LOGIN, organization="Acme", collections=("Ops",), own_key=True, leased="granted"),
        ItemSpec("gated note", SecureNote(), notes="n", organization="Acme", collections=("Ops",), leased="yes"),
        ItemSpec("free", Login("a", "fr33")),
    ),
)
PRINT = ("--", "sh", "-c", 'printf "%s|" "$A" "$B"')


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with leased items."""
    return server.add_account(SPEC)


def refused(done: Ended, *names: str) -> None:
    """Assert that the run failed for the want of leases for these items."""
    assert (done.status, done.stdout) == (125, "")
    assert done.codes == ["reference.leased"] * len(names)
    for name in names:
        assert f"item `{name}` can only be read with a lease, and this account has none for it" in done.stderr
    assert "request access to the item in the web vault" in done.stderr


def test_listed_by_name(run_in: Surroundings, vault: Account) -> None:
    """A leased item is listed by its name, with what it needs."""
    done = run_in.run("--list", "--json", "gated")

    assert (done.status, done.stderr) == (0, "")
    assert [(one["name"], one["problem"], one["id"]) for one in json.loads(done.stdout)] == [
        (name, "it can only be read with a lease", vault.item_ids[name]) for name in ("gated", "gated note")
    ]


@pytest.mark.parametrize("options", [(), ("--no-session",), ("--check",)], ids=str)
@pytest.mark.parametrize("by", ["name", "id"])
def test_refused_without_a_lease(run_in: Surroundings, vault: Account, options: tuple[str, ...], by: str) -> None:
    """Without a lease, the values of an item cannot be had, with a code of its own; what is not secret can."""
    item = "gated" if by == "name" else vault.item_ids["gated"]

    refused(run_in.run(*options, "-e", f"A=bw://{item}/password", *PRINT), item)
    if options == ("--no-session",):
        done = run_in.run(*options, "-e", f"A=bw://{item}/name", "-e", f"B=bw://{item}/id", *PRINT)
        assert (done.stdout, done.stderr) == (f"gated|{vault.item_ids['gated']}|", "")


def test_all_that_want_a_lease_are_told(run_in: Surroundings, vault: Account) -> None:
    """Each leased item is told in one run; an optional reference is no way round it."""
    words = ("-e", "A=bw://gated", "-e", "B=bw://gated%20note", "--optional", "A")

    refused(run_in.run(*words, *PRINT), "gated", "gated note")


@pytest.mark.parametrize("by", ["name", "id"])
@pytest.mark.parametrize("options", [(), ("--no-session",)], ids=["session", "no session"])
def test_with_a_lease(
    run_in: Surroundings, server: BitwardenServer, vault: Account, options: tuple[str, ...], by: str
) -> None:
    """With a lease, the item is fetched alone, once, for a sync does not have its contents in any case."""
    identity = vault.item_ids["granted"]
    item = "granted" if by == "name" else identity

    done = run_in.run(*options, "-e", f"A=bw://{item}/password", "-e", f"B=bw://{item}/uri", *PRINT)

    assert (done.stdout, done.stderr) == ("p4ss|https://db.example|", "")
    asked = [request.path for request in server.requests() if "/ciphers/" in request.path]
    assert asked == [f"/api/ciphers/{identity}/details"]


def test_free_items_ask_for_nothing_more(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """Beside leased items, the values of others are had from the sync alone."""
    done = run_in.run("-e", "A=bw://free", *PRINT)

    assert (done.stdout, done.stderr) == ("fr33||", "")
    assert not [request.path for request in server.requests() if "/ciphers/" in request.path]
