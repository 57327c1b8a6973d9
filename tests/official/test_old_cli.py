"""
Official CLIs of two years, one of each half year.

The judge of each is that CLI itself: what it reads in a session of bwrun's is what it reads after a login of its own,
and what it writes there, it reads there.  Most questions go to one `bw serve`, for each start of `bw` takes seconds.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.official import VERSION, Bw, Runner, log_in, once
from tests.official.serving_on_port import Served
from tests.official.test_reading import totp
from tests.server.control import Account, BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import (
    AccountSpec,
    Argon2id,
    AttachmentSpec,
    Card,
    FieldSpec,
    Identity,
    ItemSpec,
    Login,
    OrganizationSpec,
    PasswordHistorySpec,
    Pbkdf2,
    SecureNote,
    SshKey,
    Uri,
)
from tests.support.needs import unavailable
from tests.support.terminal import wait_until

pytestmark = [pytest.mark.official_cli, pytest.mark.old_cli, pytest.mark.timeout(900)]

FOLDER = Path(__file__).parents[1] / "cli" / "old"
OLD = [name.removeprefix("bw-") for name in json.loads((FOLDER / "package.json").read_text())["dependencies"]]

OWN = (
    ItemSpec(
        "prod-db",
        Login("deploy", "p4ss wörd \N{KEY}", "JBSWY3DPEHPK3PXP", (Uri("https://db.example/", 3), Uri("ssh://db.example"))),
        notes="first line\nsecond line",
        folder="Prod",
        favorite=True,
        fields=(
            FieldSpec("text", "plain"),
            FieldSpec("token", "hidden", type=1),
            FieldSpec("tls", "true", type=2),
            FieldSpec("who", None, type=3, linked_id=100),
        ),
        password_history=(PasswordHistorySpec("former"),),
        attachments=(AttachmentSpec("old.txt", b"very old", own_key=False),),
    ),
    ItemSpec(
        "own-key",
        Login("ada", "0wn"),
        own_key=True,
        fields=(FieldSpec("f", "v", type=1),),
        attachments=(AttachmentSpec("kube.conf", b"\x00file\xff" * 1_000),),
    ),
    ItemSpec("bare", Login()),
    ItemSpec("memo", SecureNote(), notes="secure text", reprompt=True, folder="Prod/Nested"),
    ItemSpec("visa", Card("Ada", "Visa", "4111111111111111", "1", "2030", "123")),
    ItemSpec("me", Identity("Dr", "Ada", last_name="Lovelace", ssn="123-45"), own_key=True),
    ItemSpec("deploy-key", SshKey("-----BEGIN …", "ssh-ed25519 AAAA", "SHA256:abc"), own_key=True),
    ItemSpec("old", Login("x", "y"), trashed=True),
)  # fmt: skip
SHARED = (
    ItemSpec("shared", Login("team", "0rg"), organization="Acme", collections=("Deploy", "Ops"), folder="Prod"),
    ItemSpec(
        "shared-own",
        Login("team", "0rg0wn"),
        notes="note of many",
        organization="Acme",
        collections=("Deploy",),
        own_key=True,
        attachments=(AttachmentSpec("team.bin", b"team file"),),
    ),
    ItemSpec("seen", Login("team", "s"), organization="Beta", collections=("Ops",), edit=False, view_password=False),
)
ORGANIZATIONS = (
    OrganizationSpec("Acme", collections=("Deploy", "Ops")),
    OrganizationSpec("Beta", collections=("Ops",)),
    OrganizationSpec("Closed", enabled=False, collections=("Gone",)),
)
ALONE = AccountSpec("ada@example.com", "correct horse", Argon2id(3, 64, 4), reply_style="vaultwarden", items=OWN)
ORGANIZED = AccountSpec(
    "bo@example.com", "correct horse", Pbkdf2(5_000), organizations=ORGANIZATIONS, items=(*OWN, *SHARED)
)
SPECS = {
    "alone": ALONE,
    "organizations": ORGANIZED,
}
FILES = {"old.txt": b"very old", "kube.conf": b"\x00file\xff" * 1_000, "team.bin": b"team file"}
UPLOAD = b"\x00up\xff" * 2_000
NOTED = 60  # seconds in which a `bw serve` notes what it has changed: a moment, but for a busy machine


CASES = [f"{version} {kind}" for version in (*OLD, VERSION) for kind in SPECS]


def questions(account: Account) -> list[list[Any]]:
    """Return what is asked of a `bw serve`: a path, and a query."""
    asked: list[list[Any]] = [
        ["list/object/items", {}],
        ["list/object/items", {"trash": "true"}],
        ["list/object/items", {"search": "own"}],
        *([f"list/object/{kind}", {}] for kind in ("folders", "collections", "organizations")),
        ["object/item/prod-db", {}],
        ["object/fingerprint/me", {}],
        *([f"object/folder/{one}", {}] for one in account.folder_ids.values()),
        *([f"object/collection/{one}", {}] for one in account.collection_ids.values()),
    ]
    for one in account.organization_ids.values():
        asked += [[f"list/object/{kind}", {"organizationId": one}] for kind in ("items", "org-collections")]
        asked += [[f"object/organization/{one}", {}]]
    for one in account.item_ids.values():
        asked += [[f"object/{kind}/{one}", {}] for kind in ("item", "password", "username", "notes", "uri")]
    for item in (*OWN, *SHARED):
        for file in item.attachments:
            if item.name in account.item_ids:
                asked += [[f"object/attachment/{file.file_name}", {"itemid": account.item_ids[item.name]}]]
    return asked


def ask_all(served: Served, asked: list[list[Any]]) -> Json:
    """Return the answers, by path and query."""
    return {f"{path} {query}": served.get(*path.split("/"), **query) for path, query in asked}


def use_all(bw: Bw, asked: list[list[Any]], names: Json) -> Json:
    """Inside: ask, write, lock and unlock with one `bw serve`; then call `bw` with the key of that unlock."""
    with Served(bw) as served:
        answers = ask_all(served, asked)
        began = time.time()
        found: Json = {
            "answers": answers,
            "totp": served.get("object", "totp", "prod-db"),
            "status": served.get("status"),
            "sync": served.ask("POST", "sync"),
            "writes": write_all(served, names),
            "lock": served.ask("POST", "lock"),
            "locked": served.get("object", "password", "own-key"),
            "unlock": served.ask("POST", "unlock", send={"password": names["password"]}),
        }
        found["totps"] = [totp(began), totp(began + 30)]
    bw.environment["BW_SESSION"] = found["unlock"]["body"]["data"]["raw"]
    made = found["writes"]["create"]["body"]["data"]["id"]
    Path("up.bin").write_bytes(UPLOAD)
    return found | {
        "calls": {
            "password": bw("get", "password", made),
            "create folder": bw("create", "folder", send={"name": "New"}),  # with `bw serve` 2024.12 reports an error
            "attach": bw("create", "attachment", "--file", "up.bin", "--itemid", made),
            **({"sync": bw("sync")} if names["organization"] else {}),
            "items": bw("list", "items"),
        }
    }


def write_all(served: Served, names: Json) -> Json:
    """
    Inside: one change of each kind; each of another item, for a `bw serve` may not see what it has just changed.

    After each, wait until it does: the next change could otherwise be stored over the last one.
    """
    login = {"username": "u", "password": "m1", "uris": [{"uri": "a://b"}]}
    calls = {
        "create": create(served, {"type": 1, "name": "made", "login": login}),
        "edit": edit(served, names["prod-db"], {"username": "deploy", "password": "changed"}),
        "edit folder": served.ask("PUT", "object", "folder", names["folder"], send={"name": "Renamed"}),
        "delete": gone(served, names["memo"], served.ask("DELETE", "object", "item", names["memo"])),
        "restore": there(served, names["old"], served.ask("POST", "restore", "item", names["old"])),
        "delete for good": gone(
            served, names["bare"], served.ask("DELETE", "object", "item", names["bare"], permanent="true")
        ),
    }
    if names["organization"]:
        ours = {"type": 2, "name": "made ours", "notes": "both", "secureNote": {"type": 0}}
        ours |= {"organizationId": names["organization"], "collectionIds": [names["collection"]]}
        calls["create ours"] = create(served, ours)
        calls["edit ours"] = edit(served, names["shared"], {"username": "team", "password": "changed"})
    return calls


def edit(served: Served, identity: str, login: Json) -> Json:
    """Inside: change the login of an item."""
    item = served.get("object", "item", identity)["body"]["data"]
    done = served.ask("PUT", "object", "item", identity, send=item | {"login": item["login"] | login})
    wait_until(lambda: listed(served).get(identity, {}).get("login", {}).get("password") == login["password"], NOTED)
    return done


def create(served: Served, item: Json) -> Json:
    """Inside: create an item."""
    done = served.ask("POST", "object", "item", send=item)
    return there(served, done["body"]["data"]["id"], done)


def listed(served: Served) -> Json:
    """Inside: return the items that are not in the trash, by id."""
    return {one["id"]: one for one in served.get("list", "object", "items")["body"]["data"]["data"]}


def there(served: Served, identity: str, done: Json) -> Json:
    """Inside: wait until the item is listed; return `done`."""
    wait_until(lambda: identity in listed(served), NOTED)
    return done


def gone(served: Served, identity: str, done: Json) -> Json:
    """Inside: wait until the item is not listed any more; return `done`."""
    wait_until(lambda: identity not in listed(served), NOTED)
    return done


def program_of(version: str, official_bw: Path) -> Path:
    """Return that CLI; without Node its tests are skipped, CI must have it."""
    if version == VERSION:
        return official_bw
    program = FOLDER / "node_modules" / f"bw-{version}" / "build" / "bw.js"
    if not (program.exists() and shutil.which("node")):
        unavailable(f"the official CLI {version} is not installed (make test-old-cli, with Node and npm)")
    return program


@pytest.fixture
def case(
    request: pytest.FixtureRequest, server: BitwardenServer, official_bw: Path, tmp_path_factory: pytest.TempPathFactory
) -> Json:
    """Use one CLI after a login of its own and in a session; and look at what it wrote after the login of its own."""
    version, kind = request.param.split()
    program = program_of(version, official_bw)

    def make() -> Json:
        account = server.add_account(SPECS[kind])
        asked = questions(account)
        own = log_in(program, server, account, tmp_path_factory.mktemp("own"))
        with Served(own) as served:
            expected = ask_all(served, asked)
        options = ("--session-api-key",) if account.organization_ids else ()
        runner = Runner.make(tmp_path_factory.mktemp("session"), program, server, account)
        names = {name: account.item_ids.get(name) for name in ("prod-db", "memo", "old", "bare", "shared")}
        names |= {
            "organization": account.organization_ids.get("Acme"),
            "collection": account.collection_ids.get("Deploy"),
            "folder": account.folder_ids["Prod"],
            "password": account.master_password,
        }
        server.clear_requests()
        done = runner.run(use_all, asked, names, options=options)
        refused = [f"{one.method} {one.path}" for one in server.requests() if one.status >= 400]
        made = done.value["writes"]["create"]["body"]["data"]["id"]
        with Served(own) as served:
            written = {"sync": served.ask("POST", "sync")}
            written |= {name: served.get("list", "object", name) for name in ("items", "folders")}
            written["file"] = served.get("object", "attachment", "up.bin", itemid=made)
        return {
            "expected": expected, "found": done.value, "stderr": done.ended.stderr, "refused": refused,
            "written": written, "user": account.user_id,
        }  # fmt: skip

    found: Json = once(tmp_path_factory, f"{version}-{kind}", make)
    return found


every_case = pytest.mark.parametrize(
    "case", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in CASES], indirect=True
)


@every_case
def test_reads_what_it_reads_after_a_login_of_its_own(case: Json) -> None:
    """Each answer of `bw serve` in a session, errors too, is the one that it gives after a login of its own."""
    expected, found = case["expected"], case["found"]["answers"]

    assert {question: answer for question, answer in found.items() if answer != expected[question]} == {}
    assert [found[f"list/object/{kind} {{}}"]["status"] for kind in ("items", "folders")] == [200, 200]
    items = found["list/object/items {}"]["body"]["data"]["data"]
    assert {one["login"]["password"] for one in items if one["name"] == "prod-db"} == {"p4ss wörd \N{KEY}"}


@every_case
def test_is_unlocked(case: Json) -> None:
    """It says that it is unlocked, for the right account; codes are those of RFC 6238."""
    status = case["found"]["status"]["body"]["data"]["template"]

    assert (status["status"], status["userId"]) == ("unlocked", case["user"])
    assert case["found"]["totp"]["body"]["data"]["data"] in case["found"]["totps"]


@every_case
def test_syncs(case: Json) -> None:
    """`bw sync` is content with nothing new; with the API key in the session it fetches what has changed, too."""
    assert case["found"]["sync"]["status"] == 200
    assert case["found"]["calls"].get("sync", {"status": 0})["status"] == 0


@every_case
def test_writes(case: Json) -> None:
    """What it creates, edits, deletes and restores is on the server, and it reads the same after its own login."""
    found, written = case["found"], case["written"]
    items = without_dates(json.loads(found["calls"]["items"]["stdout"]))
    passwords = {one["name"]: one["login"]["password"] for one in items if one["type"] == 1}
    names = {one["name"] for one in items}

    assert {name: call for name, call in found["writes"].items() if call["status"] != 200} == {}
    assert items == without_dates(written["items"]["body"]["data"]["data"])
    assert (passwords["made"], passwords["prod-db"], passwords.get("shared", "changed")) == ("m1", "changed", "changed")
    assert names >= {"made", "old", "own-key"}
    assert not names & {"memo", "bare"}
    assert {"New", "Renamed"} <= {one["name"] for one in written["folders"]["body"]["data"]["data"]}
    assert bytes.fromhex(written["file"]["body"]) == UPLOAD
    assert case["refused"] == []


def without_dates(items: list[Json]) -> list[Json]:
    """Return items without their revision dates: an upload changes one on the server, and not in the session."""
    return [{name: value for name, value in one.items() if name != "revisionDate"} for one in items]


@every_case
def test_locks_and_unlocks(case: Json) -> None:
    """A lock locks, and an unlock makes a new key, with which other processes read and write the session."""
    found = case["found"]
    calls = found["calls"]

    assert (found["lock"]["status"], found["unlock"]["status"]) == (200, 200)
    assert found["locked"]["body"]["message"] == "Vault is locked."
    assert {name: (call["status"], call["stderr"]) for name, call in calls.items()} == dict.fromkeys(calls, (0, ""))
    assert calls["password"]["stdout"] == "m1"
    assert case["stderr"] == ""
