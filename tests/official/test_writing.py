"""What the official CLI changes inside `bwrun --` is changed on the server; what it fetches needs the API key."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.official import Bw, Runner, once, paths, session_bytes, session_state
from tests.official.serving import serve
from tests.server.control import BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login, OrganizationSpec, Pbkdf2
from tests.support.terminal import wait_until

pytestmark = pytest.mark.official_cli

CHEAP = Pbkdf2(5_000)
ITEMS = (
    ItemSpec("mine", Login("u", "first"), notes="n", own_key=True, attachments=(AttachmentSpec("a.txt", b"kept"),)),
    ItemSpec("binned", Login("u", "p")),
    ItemSpec("doomed", Login("u", "p")),
    ItemSpec("ours", Login("team", "0rg"), organization="Acme", collections=("Deploy",)),
)
SPEC = AccountSpec(
    "writer@example.com",
    "correct horse",
    CHEAP,
    folders=("Old",),
    organizations=(OrganizationSpec("Acme", collections=("Deploy", "Ops")),),
    items=ITEMS,
)
STORED = 60  # seconds: `bw serve` writes its state a while after it has answered
UPLOAD = b"\x00up\xff" * 2_000


def write_online(bw: Bw, mine: str) -> Json:
    """Inside: one call that needs no server, and two that do."""
    write = bw("create", "folder", send={"name": "New"})
    return {"read": bw("get", "password", mine), "write": write, "sync": bw("sync")}


def is_stored(item: Json) -> bool:
    """Inside: return whether the session's file has this version of an item, which the next `bw` reads."""
    try:
        state = json.loads(Path(os.environ["BITWARDENCLI_APPDATA_DIR"], "data.json").read_bytes())
    except ValueError:
        return False  # it is being written
    user = state["global_account_activeAccountId"]
    stored, wanted = state[f"user_{user}_ciphers_ciphers"][item["id"]]["revisionDate"], item["revisionDate"]
    return abs(datetime.fromisoformat(stored) - datetime.fromisoformat(wanted)) < timedelta(milliseconds=2)


def write_all(bw: Bw, ids: dict[str, str], folder: str, organization: str, collections: dict[str, str]) -> Json:
    """Inside: one of each change, then the syncs."""
    made = bw.json("create", "item", send={"type": 1, "name": "made", "login": {"username": "u", "password": "m1"}})
    shared = {"type": 2, "name": "made ours", "notes": "both", "secureNote": {"type": 0}}
    shared |= {"organizationId": organization, "collectionIds": [collections["Deploy"]]}
    with serve(bw) as served:
        made_ours = served.json("create", "item", send=shared)
        new_folder = served.json("create", "folder", send={"name": "New"})
        served.json("edit", "folder", folder, send={"name": "Renamed"})
        moved = served.json("edit", "item-collections", ids["ours"], send=[collections["Ops"]])
        calls = {
            "delete": served("delete", "item", ids["binned"]),
            "delete mine": served("delete", "item", ids["mine"]),
            "restore mine": served("restore", "item", ids["mine"]),
        }
        mine = served.json("get", "item", ids["mine"])
        wait_until(lambda: is_stored(mine), STORED)
    mine["login"]["password"] = "second"
    mine["folderId"] = new_folder["id"]
    edited = bw.json("edit", "item", ids["mine"], send=mine)
    Path("up.bin").write_bytes(UPLOAD)
    attached = bw.json("create", "attachment", "--file", "up.bin", "--itemid", made["id"])
    calls["delete for good"] = bw("delete", "item", ids["doomed"], "--permanent")
    calls["sync"] = bw("sync")
    calls["password"] = bw("get", "password", ids["mine"])
    results = {"made": made, "made ours": made_ours, "edited": edited, "moved": moved, "attached": attached}
    return {"results": results, "calls": calls}


def look(bw: Bw, made: str) -> Json:
    """Inside another session: what the server has now."""
    with serve(bw) as served:
        lists = {kind: served.json("list", kind) for kind in ("items", "folders")}
        return lists | {"file": served.file("up.bin", made).hex()}


@pytest.fixture(scope="session")
def writing(server: BitwardenServer, official_bw: Path, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Change a vault in one session and look at it in another."""

    def make() -> Json:
        account = server.add_account(SPEC)
        runner = Runner.make(tmp_path_factory.mktemp("writing"), official_bw, server, account)
        acme = account.organization_ids["Acme"]
        ids = [dict(account.item_ids), account.folder_ids["Old"], acme, dict(account.collection_ids)]
        server.clear_requests()
        done = runner.run(write_all, *ids)
        refused = [request.path for request in server.requests() if request.status >= 400]
        seen = runner.run(look, done.value["results"]["made"]["id"]).value
        return {"done": done.value, "seen": seen, "ids": ids, "refused": refused, "stderr": done.ended.stderr}

    found: Json = once(tmp_path_factory, "writing", make)
    return found


def item(writing: Json, name: str) -> Json:
    """An item as the other session sees it."""
    found: Json = next(one for one in writing["seen"]["items"] if one["name"] == name)
    return found


def test_creates_items(writing: Json) -> None:
    """`bw create item` puts an item into the vault, and into an organization's collections."""
    _, _, acme, collections = writing["ids"]
    ours = item(writing, "made ours")

    assert item(writing, "made")["login"]["password"] == "m1"
    assert (ours["organizationId"], ours["collectionIds"], ours["notes"]) == (acme, [collections["Deploy"]], "both")


def test_edits_an_item(writing: Json) -> None:
    """`bw edit item` changes it, moves it to a folder and keeps the rest: notes, attachments, password history."""
    mine = item(writing, "mine")
    folder = next(one["id"] for one in writing["seen"]["folders"] if one["name"] == "New")

    assert (mine["login"]["password"], mine["notes"], mine["folderId"]) == ("second", "n", folder)
    assert [file["fileName"] for file in mine["attachments"]] == ["a.txt"]
    assert [old["password"] for old in mine["passwordHistory"]] == ["first"]


def test_moves_between_collections(writing: Json) -> None:
    """`bw edit item-collections` puts an organization's item into another collection."""
    assert item(writing, "ours")["collectionIds"] == [writing["ids"][3]["Ops"]]


def test_creates_and_edits_folders(writing: Json) -> None:
    """`bw create folder` and `bw edit folder` change the folders."""
    assert {one["name"] for one in writing["seen"]["folders"] if one["id"]} == {"New", "Renamed"}


def test_creates_an_attachment(writing: Json) -> None:
    """`bw create attachment` uploads a file that another session reads again."""
    assert [file["fileName"] for file in item(writing, "made")["attachments"]] == ["up.bin"]
    assert bytes.fromhex(writing["seen"]["file"]) == UPLOAD


def test_deletes_and_restores(writing: Json) -> None:
    """`bw delete item` and `bw restore item` succeed; what is deleted is gone, what is restored is there."""
    calls = writing["done"]["calls"]

    assert [calls[name]["status"] for name in ("delete", "delete mine", "restore mine", "delete for good")] == [0] * 4
    assert {one["name"] for one in writing["seen"]["items"]} == {"made", "made ours", "mine", "ours"}


def test_the_session_sees_its_own_changes(writing: Json) -> None:
    """What a `bw` changed, the next one in the same session reads; the server refused nothing of it."""
    assert writing["done"]["calls"]["password"]["stdout"] == "second"
    assert writing["refused"] == []
    assert writing["stderr"] == ""


def test_sync_after_a_change_wants_the_api_key(writing: Json) -> None:
    """After a change, `bw sync` without the API key fails and says so; reading goes on."""
    calls = writing["done"]["calls"]

    assert calls["sync"]["status"] == 1
    assert "Syncing failed: Error: Refresh Access token error" in calls["sync"]["stderr"]
    assert calls["password"]["status"] == 0


def write_and_sync(bw: Bw) -> Json:
    """Inside a session with the API key: change, sync, sync anew."""
    made = bw.json("create", "item", send={"type": 1, "name": "made", "login": {"password": "m"}})
    state = session_state()
    return {
        "sync": bw("sync"),
        "sync -f": bw("sync", "-f"),
        "password": bw("get", "password", made["id"]),
        "keys": {name: value for name, value in state.items() if "apiKey" in name or "refreshToken" in name},
        "files": base64.b64encode(session_bytes()).decode(),
    }


@pytest.mark.slow
def test_a_server_without_tls(official_bw: Path, tmp_path: Path) -> None:
    """Over plain http, which bwrun allows on the loopback, the CLI reads the session and refuses every request."""
    with BitwardenServer.start(certificate=None) as server:
        account = server.add_account(SPEC)
        inside = Runner.make(tmp_path, official_bw, server, account).run(write_online, account.item_ids["mine"])
    calls = inside.value

    assert (calls["read"]["status"], calls["read"]["stdout"]) == (0, "first")
    assert calls["write"]["status"] == calls["sync"]["status"] == 1
    assert "Insecure URL not allowed" in calls["write"]["stderr"]
    assert "Insecure URL not allowed" in calls["sync"]["stderr"]


@pytest.mark.slow
def test_session_api_key(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """With --session-api-key a sync fetches, forced or after a change; no master password comes to disk."""
    account = server.add_account(replace(SPEC, email="key@example.com", token_lifetime=60))
    runner = Runner.make(tmp_path, official_bw, server, account)
    server.clear_requests()
    found = runner.run(write_and_sync, options=("--session-api-key",)).value
    files = base64.b64decode(found["files"])
    logins = [request.form for request in server.requests() if request.path.endswith("/connect/token")]

    assert found["sync"] == found["sync -f"] == {"status": 0, "stdout": "Syncing complete.", "stderr": ""}
    assert found["password"] == {"status": 0, "stdout": "m", "stderr": ""}
    assert paths(server).count("GET /api/sync") == 3
    assert len({form["deviceIdentifier"] for form in logins}) == 1
    assert sorted(found["keys"].values()) == sorted([account.client_id, account.client_secret])
    assert account.master_password.encode() not in files
