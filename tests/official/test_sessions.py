"""What a session keeps, how long it is good, and what opens nothing: with the official CLI as the judge."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.official import Bw, Runner, finish, paths, session_bytes, session_state, token_and_sync
from tests.official.serving import serve
from tests.server.control import BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, ItemSpec, Login, OrganizationSpec, Pbkdf2

pytestmark = pytest.mark.official_cli

SPEC = AccountSpec(
    "session@example.com",
    "correct horse canary",
    Pbkdf2(5_000),
    organizations=(OrganizationSpec("Acme", collections=("Deploy",)),),
    items=(
        ItemSpec("prod-db", Login("u", "p4ss canary", totp="JBSWY3DPEHPK3PXP"), own_key=True),
        ItemSpec("ours", Login("team", "0rg"), organization="Acme", collections=("Deploy",)),
    ),
)
READS = (
    ("status",),
    ("list", "items"),
    ("list", "collections"),
    ("get", "password", "ours"),
    ("get", "totp", "prod-db"),
)


def read_bytes(bw: Bw) -> Json:
    """Inside: all that the session has on disk, after `bw` has written to it, too."""
    before = session_bytes()
    bw.json("status")
    return {"files": base64.b64encode(before + b"\0" + session_bytes()).decode(), "state": session_state()}


def test_no_secret_is_on_disk(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """No file of the session holds the API key, the master password, a refresh token, a password or the user key."""
    account = server.add_account(replace(SPEC, email="disk@example.com"))
    token, _ = token_and_sync(server, account)
    token["refresh_token"] = "refresh-canary"
    server.set_fault(Fault("/connect/token", Status(200, json.dumps(token))))
    runner = Runner.make(tmp_path, official_bw, server, account)
    try:
        found = runner.run(read_bytes).value
    finally:
        server.clear_faults()
    files = base64.b64decode(found["files"])
    key = bytes.fromhex(account.user_key_hex)
    secrets = {
        "client secret": account.client_secret.encode(),
        "passwords": b"canary",
        "user key": key,
        "user key in base64": base64.b64encode(key)[:-4],
        "user key in hex": account.user_key_hex.encode(),
    }

    assert token["access_token"].encode() in files  # it is the right place to look
    assert [name for name, secret in secrets.items() if secret in files] == []
    assert account.client_id not in json.dumps(found["state"])  # a nested bwrun finds it in the session's mark


def read_expired(bw: Bw, reads: Sequence[Sequence[str]]) -> Json:
    """Inside: wait until the access token has expired, then read."""
    token = next(value for name, value in session_state().items() if name.endswith("_token_accessToken"))
    payload = token.split(".")[1]
    expiry = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
    while time.time() <= expiry:
        time.sleep(0.1)
    with serve(bw) as served:
        calls = {" ".join(words): served(*words) for words in reads}
    return calls | {"command line": bw("get", "password", "ours")}


def test_reads_go_on_when_the_token_has_expired(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """With an expired access token all reads succeed, in silence and without asking the server for anything."""
    account = server.add_account(replace(SPEC, email="expired@example.com", token_lifetime=4))
    runner = Runner.make(tmp_path, official_bw, server, account)
    server.clear_requests()
    calls = runner.run(read_expired, READS).value

    assert {name: (done["status"], done["stderr"]) for name, done in calls.items()} == dict.fromkeys(calls, (0, ""))
    assert json.loads(calls["status"]["stdout"])["status"] == "unlocked"
    assert {item["name"] for item in json.loads(calls["list items"]["stdout"])} == {"prod-db", "ours"}
    assert calls["get password ours"]["stdout"] == calls["command line"]["stdout"] == "0rg"
    assert calls["get totp prod-db"]["stdout"].isdigit()
    # What an organization wants to know of accesses, `bw` tells it by itself, and bears it if that is not heard.
    asked = [request for request in paths(server) if request != "POST /events/collect"]
    assert sorted(asked) == ["GET /api/config", "GET /api/sync", "POST /identity/connect/token"]


def lock_and_unlock(bw: Bw) -> Json:
    """Inside: lock, look, unlock, look."""
    no_questions = {"BW_NOINTERACTION": "true"}
    calls = {"lock": bw("lock"), "status": bw("status"), "locked": bw("get", "password", "ours", env=no_questions)}
    calls["unlock"] = bw("unlock", "--passwordenv", "MASTER_PASSWORD", "--raw")
    new = {"BW_SESSION": calls["unlock"]["stdout"]}
    calls["new"] = bw("get", "password", "ours", env=new)
    calls["old"] = bw("get", "password", "ours", env=no_questions)
    return calls


@pytest.mark.slow
def test_lock_and_unlock(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """`bw lock` locks the session; `bw unlock` opens it under a new key, on a server that knows no user key ids too."""
    spec = replace(SPEC, email="lock@example.com", reply_style="vaultwarden", user_key_id_endpoint=False)
    account = server.add_account(spec)
    runner = Runner.make(tmp_path, official_bw, server, account)
    calls = runner.run(lock_and_unlock, env={"MASTER_PASSWORD": account.master_password}).value

    assert (calls["lock"]["status"], calls["unlock"]["status"]) == (0, 0)
    assert json.loads(calls["status"]["stdout"])["status"] == "locked"
    assert (calls["locked"]["status"], calls["locked"]["stdout"]) == (1, "")
    assert (calls["new"]["status"], calls["new"]["stdout"]) == (0, "0rg")
    assert (calls["old"]["status"], calls["old"]["stdout"]) == (1, "")


def own_session(bw: Bw) -> Json:
    """Inside: the session's two variables, after a look that it is good."""
    return {
        "variables": {name: os.environ[name] for name in ("BW_SESSION", "BITWARDENCLI_APPDATA_DIR")},
        "password": bw("get", "password", "ours"),
    }


@pytest.mark.slow
def test_the_session_is_dead_afterwards(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """When the command has ended, its BW_SESSION opens nothing: not in its directory, not in another session's."""
    account = server.add_account(replace(SPEC, email="dead@example.com"))
    runner = Runner.make(tmp_path, official_bw, server, account)
    found = runner.run(own_session).value
    directory = Path(found["variables"]["BITWARDENCLI_APPDATA_DIR"])
    gone = not directory.exists()
    bw = Bw(str(official_bw), runner.surroundings.environment | found["variables"] | {"BW_NOINTERACTION": "true"})
    status = bw.json("status")
    password = bw("get", "password", "ours")
    shutil.rmtree(directory, ignore_errors=True)  # `bw` itself made it again
    elsewhere = runner.run(read_with_foreign_key, found["variables"]["BW_SESSION"]).value

    assert found["password"]["stdout"] == "0rg"
    assert gone
    assert status["status"] == "unauthenticated"
    assert (password["status"], password["stdout"]) == (1, "")
    assert (elsewhere["status"], elsewhere["stdout"]) == (1, "")


def read_with_foreign_key(bw: Bw, key: str) -> Json:
    """Inside another session of the same account: read with the former one's key."""
    return bw("get", "password", "ours", env={"BW_SESSION": key, "BW_NOINTERACTION": "true"})


def who_am_i(bw: Bw) -> Json:
    """Inside: the account and its items."""
    with serve(bw) as served:
        return {"email": served.json("status")["userEmail"], "password": served("get", "password", "ours")["stdout"]}


def test_parallel_runs_do_not_meet(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """Two runs at once in one home, of two accounts, each have a session of their own; one's end leaves the other."""
    accounts = [
        server.add_account(
            AccountSpec(f"{name}@example.com", name, Pbkdf2(5_000), items=(ItemSpec("ours", Login("u", name)),))
        )
        for name in ("one", "two")
    ]
    first = Runner.make(tmp_path, official_bw, server, accounts[0])
    second = Runner(replace(first.surroundings, environment=dict(first.surroundings.environment)), official_bw)
    second.surroundings.use(server, accounts[1])
    waiting = first.start(wait_for_other, str(tmp_path / "done"))
    try:
        found_second = finish(second.start(who_am_i)).value
        left = first.surroundings.left()
    finally:
        (tmp_path / "done").touch()
        found_first = finish(waiting).value

    assert found_first == {"email": "one@example.com", "password": "one"}
    assert found_second == {"email": "two@example.com", "password": "two"}
    assert len(left) == 1
    assert first.surroundings.left() == []


def wait_for_other(bw: Bw, done: str) -> Json:
    """Inside: look, and again when the other run is over."""
    before = who_am_i(bw)
    while not Path(done).exists():
        time.sleep(0.05)
    after = who_am_i(bw)

    assert before == after
    return after
