"""A bwrun under a bwrun beside the official CLI: references see what that program has written into the session."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.official import Bw, Runner
from tests.official.test_sdk_accounts import FIELDS, ITEMS, SHARED
from tests.server import sdk
from tests.server.control import BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, ItemSpec, Login, Pbkdf2
from tests.support.program import BWRUN

pytestmark = pytest.mark.official_cli

SPEC = AccountSpec(
    "nested-cli@example.com", "correct horse", Pbkdf2(5_000), items=(ItemSpec("prod-db", Login("u", "first")),)
)


def resolve(bw: Bw, *references: str) -> Json:
    """Inside: run a nested bwrun that prints the values of these references, one on each line with its number."""
    options = [word for number, text in enumerate(references) for word in ("-e", f"VALUE_{number}={text}")]
    done = subprocess.run(
        [BWRUN, *options, "--", "env", "-0"], check=False, env=bw.environment, capture_output=True, encoding="utf-8"
    )
    found = dict(entry.partition("=")[::2] for entry in done.stdout.split("\0"))
    return {"values": [found.get(f"VALUE_{number}") for number in range(len(references))], "stderr": done.stderr}


def change_all(bw: Bw, identity: str) -> Json:
    """Inside: make an item, edit another one, then sync, lock and log out; after each, resolve."""
    bw.json("create", "item", send={"type": 1, "name": "made", "login": {"username": "u", "password": "m1"}})
    item = bw.json("get", "item", identity)
    item["login"]["password"] = "second"
    bw.json("edit", "item", identity, send=item)
    found = {"changed": resolve(bw, "bw://made", "bw://prod-db")}
    assert bw("sync", "--force")["status"] == 0
    found["synced"] = resolve(bw, "bw://made", "bw://prod-db")
    assert bw("lock")["status"] == 0
    found["locked"] = resolve(bw, "bw://made")
    assert bw("logout")["status"] == 0
    found["logged out"] = resolve(bw, "bw://made")
    return found


@pytest.mark.slow
def test_sees_what_the_official_cli_writes(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """Items that the CLI has made or edited are there for references; after its lock or logout, an error says so."""
    account = server.add_account(SPEC)
    server.clear_faults()
    runner = Runner.make(tmp_path, official_bw, server, account)

    found = runner.run(change_all, account.item_ids["prod-db"], options=("--session-api-key",)).value

    assert found["changed"] == {"values": ["m1", "second"], "stderr": ""}
    assert found["synced"] == {"values": ["m1", "second"], "stderr": ""}
    assert "[session.outer-locked]" in found["locked"]["stderr"]
    assert "[session.outer-logged-out]" in found["logged out"]["stderr"]


def write_and_resolve(bw: Bw, references: list[str]) -> Json:
    """Inside: resolve these references, then one to an item that the CLI has made."""
    found = {"before": resolve(bw, *references)}
    bw.json("create", "item", send={"type": 1, "name": "made", "login": {"username": "u", "password": "m1"}})
    return {**found, "after": resolve(bw, "bw://made", *references)}


@pytest.mark.parametrize("kind", ["ed25519", "ml-dsa-44"])
def test_accounts_of_the_sdk(server: BitwardenServer, official_bw: Path, tmp_path: Path, kind: sdk.Kind) -> None:
    """In the session of a V2 account, references read blob items, items of an organization, and what the CLI makes."""
    email = f"nested-{kind}@example.com"
    account = server.add_account(sdk.spec_of(sdk.make(kind, email, ITEMS, [SHARED]), email))
    server.clear_faults()
    runner = Runner.make(tmp_path, official_bw, server, account)
    values = list(FIELDS.values())

    found = runner.run(write_and_resolve, [f"bw://{text}" for text in FIELDS], env={"BW_PASSWORD": sdk.PASSWORD}).value

    assert found["before"] == {"values": values, "stderr": ""}
    assert found["after"] == {"values": ["m1", *values], "stderr": ""}
