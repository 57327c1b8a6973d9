"""A session that a user key opened, of V1 and V2 accounts: the official CLI takes it as one that a password opened."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.official import Bw, Runner, paths
from tests.server import sdk
from tests.server.control import Account, BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, ItemSpec, Login, OrganizationSpec
from tests.support.user_keys import with_user_key

pytestmark = pytest.mark.official_cli

MINE: Json = {"name": "prod-db", "type": 1, "login": {"username": "deploy", "password": "p4ss"}}
SHARED: Json = {"name": "shared", "type": 1, "login": {"username": "team", "password": "0rg"}}
V1 = AccountSpec(
    "v1-by-key@example.com",
    sdk.PASSWORD,
    kdf=CHEAP,
    organizations=(OrganizationSpec("Acme", collections=("Deploy",)),),
    items=(
        ItemSpec("prod-db", Login("deploy", "p4ss"), own_key=True),
        ItemSpec("shared", Login("team", "0rg"), organization="Acme", collections=("Deploy",)),
    ),
)
KINDS: dict[str, sdk.Kind | None] = {"V1": None, "V2": "ml-dsa-44", "Key Connector and V2": "key-connector"}


def make(server: BitwardenServer, kind: str) -> Account:
    """Make the account: of V1 by the test server, of V2 by Bitwarden's own SDK."""
    of_sdk = KINDS[kind]
    if of_sdk is None:
        return server.add_account(V1)
    email = f"{of_sdk}-by-key@example.com"
    return server.add_account(sdk.spec_of(sdk.make(of_sdk, email, [MINE], [SHARED]), email))


def use(bw: Bw) -> Json:
    """Inside: read, make an item, and lock; unlock again with the master password, which the session does not know."""
    calls = bw.all(
        {
            "status": ("status",),
            "mine": ("get", "password", "prod-db"),
            "shared": ("get", "password", "shared"),
        }
    )
    calls["created"] = bw("create", "item", send={"type": 1, "name": "made", "login": {"password": "m1"}})
    calls["unlock"] = bw("unlock", "--raw", "--passwordenv", "TEST_PASSWORD", env={"TEST_PASSWORD": sdk.PASSWORD})
    calls["with the new session"] = bw("get", "password", "prod-db", "--session", calls["unlock"]["stdout"])
    calls["lock"] = bw("lock")
    own = [name for name in os.environ if name.startswith("BWRUN_")]
    return {"calls": calls, "own": own, "value": os.environ["VALUE"]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_session(server: BitwardenServer, official_bw: Path, tmp_path: Path, kind: str) -> None:
    """
    The CLI reads, writes and unlocks in the session; what it has written, the same user key reads in the next run.

    Of a Key Connector's account it knows neither unlocking nor locking, as in any session of such an account.
    """
    account = make(server, kind)
    server.clear_faults()
    server.clear_requests()
    runner = Runner.make(tmp_path, official_bw, server, account)

    found = runner.run(use, options=("-e", "VALUE=bw://shared"), env=with_user_key(account)).value

    calls = found["calls"]
    statuses = {name: call["status"] for name, call in calls.items()}
    failed = {name for name, status in statuses.items() if status}
    assert failed == ({"unlock", "lock", "with the new session"} if "Key Connector" in kind else set()), calls
    assert json.loads(calls["status"]["stdout"])["status"] == "unlocked"
    assert (calls["mine"]["stdout"], calls["shared"]["stdout"], found["value"]) == ("p4ss", "0rg", "0rg")
    assert found["own"] == []
    if "Key Connector" not in kind:
        assert calls["with the new session"]["stdout"] == "p4ss"
    assert [path for path in paths(server) if "key-connector" in path] == []
    done = runner.surroundings.run("-e", "A=bw://made", "--", "sh", "-c", 'printf "$A"', env=with_user_key(account))
    assert (done.status, done.stdout, done.stderr) == (0, "m1", "")
