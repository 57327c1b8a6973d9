"""What the official CLI reads inside `bwrun --` is what it reads after a login of its own."""

from __future__ import annotations

import hmac
import json
import time
from pathlib import Path

import pytest

from tests.official import VERSION, Bw, Runner, finish, log_in, once, paths, token_and_sync
from tests.official.serving import serve
from tests.server import crypto
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.json_types import Json, JsonValue
from tests.server.specs import (
    AccountSpec,
    Argon2id,
    AttachmentSpec,
    BankAccount,
    Card,
    DriversLicense,
    FieldSpec,
    Identity,
    ItemSpec,
    Login,
    OrganizationSpec,
    Passport,
    PasswordHistorySpec,
    Pbkdf2,
    SecureNote,
    SshKey,
    Uri,
)

pytestmark = pytest.mark.official_cli

TOTP_SECRET = b"Hello!\xde\xad\xbe\xef"  # JBSWY3DPEHPK3PXP
ITEMS = (
    ItemSpec(
        "prod-db",
        Login(
            "deploy",
            "p4ss wörd \N{KEY}",
            uris=(Uri("https://db.example/", 3), Uri("ssh://db.example", checksum="none"), Uri("androidapp://a.b")),
        ),
        notes="first line\nsecond line",
        folder="Prod",
        favorite=True,
        fields=(
            FieldSpec("text", "plain"),
            FieldSpec("token", "hidden", type=1),
            FieldSpec("tls", "true", type=2),
            FieldSpec("who", None, type=3, linked_id=100),
            FieldSpec(None, None),
        ),
        password_history=(PasswordHistorySpec("former"), PasswordHistorySpec("older", "2024-01-02T03:04:05.000Z")),
        attachments=(AttachmentSpec("old.txt", b"very old", own_key=False),),
    ),
    ItemSpec(
        "own-key",
        Login("ada", "0wn", totp="JBSWY3DPEHPK3PXP", uris=(Uri("https://own.example/"),)),
        notes="own note",
        own_key=True,
        fields=(FieldSpec("f", "v", type=1),),
        attachments=(AttachmentSpec("kube.conf", b"\x00file\xff" * 1_000), AttachmentSpec("empty", b"")),
    ),
    ItemSpec("bare", Login()),
    ItemSpec("memo", SecureNote(), notes="secure text", reprompt=True, folder="Prod/Nested"),
    ItemSpec("visa", Card("Ada", "Visa", "4111111111111111", "1", "2030", "123"), fields=(FieldSpec("pin", "1"),)),
    ItemSpec(
        "me",
        Identity(
            *("Dr", "Ada", "King", "Lovelace", "1 High St", "Flat 2", "c/o", "London", "Greater London", "W1", "GB"),
            *("Engines Ltd", "ada@engine.example", "+44", "123-45", "ada", "P-1", "L-1"),
        ),
        own_key=True,
    ),
    ItemSpec("deploy-key", SshKey("-----BEGIN …", "ssh-ed25519 AAAA", "SHA256:abc"), own_key=True),
    ItemSpec("giro", BankAccount("Bank", "Ada", "checking", "1", "2", "3", "4", "SWIFT", "DE00", "+49")),
    ItemSpec(
        "driving", DriversLicense("Ada", "K", "Lovelace", "1990-01-01", "D-1", "GB", "LDN", *("2020",) * 2, "DVLA")
    ),
    ItemSpec("travel", Passport("Lovelace", "Ada", "1990-01-01", "f", "London", "British", "GB", "P-1")),
    ItemSpec("old", Login("x", "y"), trashed=True),
    ItemSpec("put away", Login("x", "y"), archived=True),
    ItemSpec("shared", Login("team", "0rg"), organization="Acme", collections=("Deploy", "Ops"), folder="Prod"),
    ItemSpec(
        "shared-own",
        Login("team", "0rg0wn", totp="JBSWY3DPEHPK3PXP"),
        notes="note of many",
        organization="Acme",
        collections=("Deploy",),
        own_key=True,
        attachments=(AttachmentSpec("team.bin", b"team file"),),
    ),
    ItemSpec("seen", Login("team", "s"), organization="Beta", collections=("Ops",), edit=False, view_password=False),
    ItemSpec("old-shared", SshKey("a", "b", "c"), organization="Acme", collections=("Ops",), trashed=True),
)
RICH = AccountSpec(
    "Ada@Example.com",
    "correct horse",
    folders=("Empty",),
    organizations=(
        OrganizationSpec("Acme", collections=("Deploy", "Ops")),
        OrganizationSpec("Beta", collections=("Ops",)),
        OrganizationSpec("Closed", enabled=False, collections=("Gone",)),
    ),
    items=ITEMS,
)
LISTS: dict[str, tuple[str, ...]] = {
    "items": ("list", "items"),
    "trash": ("list", "items", "--trash"),
    "archive": ("list", "items", "--archived"),
    "folders": ("list", "folders"),
    "collections": ("list", "collections"),
    "organizations": ("list", "organizations"),
}
GETS: dict[str, tuple[str, ...]] = {
    "item": ("get", "item", "shared-own"),
    "notes": ("get", "notes", "own-key"),
    "folder": ("get", "folder", "Empty"),
}
BY_THE_COMMAND_LINE: dict[str, tuple[str, ...]] = {
    "status": ("status",),
    "items": LISTS["items"],
    "password": ("get", "password", "prod-db"),
}
ATTACHMENTS = {
    "old.txt": ("prod-db", b"very old"),
    "kube.conf": ("own-key", b"\x00file\xff" * 1_000),
    "team.bin": ("shared-own", b"team file"),
}


def totp(seconds: float) -> str:
    """RFC 6238: six digits of HMAC-SHA1, one code each 30 seconds."""
    digest = hmac.digest(TOTP_SECRET, int(seconds // 30).to_bytes(8), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4]) & 0x7FFF_FFFF) % 1_000_000:06}"


def read_all(bw: Bw, item_ids: dict[str, str]) -> Json:
    """Inside: everything that can be read."""
    began = time.time()
    results: Json = {"totp": bw("get", "totp", "shared-own")}
    ended = time.time()
    with serve(bw) as served:
        results |= served.all(LISTS | GETS)
        files = {name: served.file(name, item_ids[item]).hex() for name, (item, _) in ATTACHMENTS.items()}
    results |= bw.all(BY_THE_COMMAND_LINE)
    results["output"] = bw("get", "attachment", "kube.conf", "--itemid", item_ids["own-key"], "--output", "file")
    files["output"] = Path("file").read_bytes().hex()
    return {"calls": results, "files": files, "sync": bw("sync"), "totps": [totp(began), totp(ended)]}


def enriched(account: Account, sync: Json) -> Json:
    """Return a sync with what newer clients write and the specs do not know: passkeys, policies, unknown members."""
    key = bytes.fromhex(account.user_key_hex)
    login = next(c["login"] for c in sync["ciphers"] if c["id"] == account.item_ids["prod-db"])
    texts = {
        **dict.fromkeys(("credentialId", "keyValue", "userHandle"), "AAAA"),
        **dict.fromkeys(("rpId", "rpName", "userName", "userDisplayName"), "db.example"),
        "keyType": "public-key",
        "keyAlgorithm": "ECDSA",
        "keyCurve": "P-256",
        "counter": "0",
        "discoverable": "true",
    }
    passkey: Json = {name: crypto.encrypt_text(text, key) for name, text in texts.items()}
    login["fido2Credentials"] = [passkey | {"creationDate": "2025-02-03T04:05:06.000Z"}]
    login["passwordRevisionDate"] = "2025-02-03T04:05:06.789Z"
    login["autofillOnPageLoad"] = True
    for cipher in sync["ciphers"]:
        cipher["fromTheFuture"] = {"answer": 42}
    policy = {"organizationId": account.organization_ids["Acme"], "enabled": True, "object": "policy"}
    policy["revisionDate"] = "2025-02-03T04:05:06.000Z"
    for number in (0, 2, 9, 15):  # two-step login, password generator, session timeout, restricted item types
        entry = policy | {"id": f"00000000-0000-4000-8000-0000000000{number:02}", "type": number}
        sync["policies"].append(entry | {"data": {"minutes": 5, "action": "logOut"} if number == 9 else None})
    return sync


@pytest.fixture(scope="session")
def reading(server: BitwardenServer, official_bw: Path, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Read a rich account twice: after an official login, and inside `bwrun --`."""

    def make() -> Json:
        account = server.add_account(RICH)
        _, sync = token_and_sync(server, account)
        server.set_fault(Fault("/api/sync", Status(200, json.dumps(enriched(account, sync)))))
        official = log_in(official_bw, server, account, tmp_path_factory.mktemp("official"))
        server.clear_requests()
        runner = Runner.make(tmp_path_factory.mktemp("rich"), official_bw, server, account)
        running = runner.start(read_all, dict(account.item_ids))
        try:
            with serve(official) as served:
                reference = served.all(LISTS)
        finally:
            done = finish(running)
        server.clear_faults()
        return {
            "reference": reference,
            "inside": done.value,
            "stderr": done.ended.stderr,
            "requests": paths(server),
            "url": server.url,
            "user_id": account.user_id,
        }

    found: Json = once(tmp_path_factory, "reading", make)
    return found


def names(reading: Json, kind: str) -> set[str]:
    """The names in a list that was read inside."""
    return {entry["name"] for entry in json.loads(reading["inside"]["calls"][kind]["stdout"])}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_are_the_official_ones(reading: Json, kind: str) -> None:
    """Each `bw list …` prints the same JSON as after an official login."""
    expected, found = reading["reference"][kind], reading["inside"]["calls"][kind]

    assert (expected["status"], found["status"]) == (0, 0)
    assert json.loads(expected["stdout"]) == json.loads(found["stdout"])


def test_no_item_is_missing(reading: Json) -> None:
    """The lists have every item of the account: organizations', own-key ones, all types, the trash."""
    live = {item.name for item in ITEMS if not item.trashed and not item.archived}

    assert names(reading, "items") == live - {"visa"}  # the policy "restricted item types" hides cards
    assert names(reading, "trash") == {"old", "old-shared"}
    assert names(reading, "archive") == {"put away"}
    assert names(reading, "folders") >= {"Prod", "Prod/Nested", "Empty"}
    assert names(reading, "collections") == {"Deploy", "Ops"}
    assert names(reading, "organizations") == {"Acme", "Beta", "Closed"}


def test_status(reading: Json) -> None:
    """`bw status` is unlocked, for the right server and the right account."""
    status = json.loads(reading["inside"]["calls"]["status"]["stdout"])

    assert status.pop("lastSync") is not None
    assert status == {
        "serverUrl": reading["url"],
        "userEmail": "Ada@Example.com",
        "userId": reading["user_id"],
        "status": "unlocked",
    }


def test_gets_single_values(reading: Json) -> None:
    """`bw get` gives a password, notes and an organization's item as they were put in."""
    calls = reading["inside"]["calls"]
    item = json.loads(calls["item"]["stdout"])

    assert calls["password"]["stdout"] == "p4ss wörd \N{KEY}"
    assert calls["notes"]["stdout"] == "own note"
    assert (item["login"]["username"], item["login"]["password"], item["notes"]) == ("team", "0rg0wn", "note of many")
    assert json.loads(calls["folder"]["stdout"])["name"] == "Empty"


def test_gets_a_totp(reading: Json) -> None:
    """`bw get totp` gives the code of this half minute."""
    assert reading["inside"]["calls"]["totp"]["stdout"] in reading["inside"]["totps"]


@pytest.mark.parametrize("name", ATTACHMENTS)
def test_gets_attachments(reading: Json, name: str) -> None:
    """`bw get attachment` gets the file, whether its key is its own, its item's or its organization's."""
    assert bytes.fromhex(reading["inside"]["files"][name]) == ATTACHMENTS[name][1]


def test_writes_an_attachment(reading: Json) -> None:
    """`bw get attachment --output` writes the file."""
    done = reading["inside"]["calls"]["output"]

    assert (done["status"], done["stderr"]) == (0, "")
    assert bytes.fromhex(reading["inside"]["files"]["output"]) == ATTACHMENTS["kube.conf"][1]


def test_reads_in_silence(reading: Json) -> None:
    """Nothing is printed on stderr, neither by bwrun nor by any `bw`."""
    spoken = {name: done["stderr"] for name, done in reading["inside"]["calls"].items() if done["stderr"]}

    assert (spoken, reading["stderr"]) == ({}, "")


def test_sync_with_nothing_new(reading: Json) -> None:
    """`bw sync` with nothing new is content."""
    done = reading["inside"]["sync"]

    assert (done["status"], done["stdout"].strip(), done["stderr"]) == (0, "Syncing complete.", "")


def test_reading_asks_nothing_of_the_server(reading: Json) -> None:
    """But for attachments and `bw sync`, all is read from the session: the requests are bwrun's own three."""
    expected = ["GET /api/accounts/revision-date", "GET /api/config", "GET /api/sync", "POST /identity/connect/token"]
    # `bw` itself tells organizations that want to know which of their items were looked at.
    asked = [one for one in reading["requests"] if "/attachment" not in one and one != "POST /events/collect"]

    assert sorted(asked) == expected


def list_items(bw: Bw) -> Json:
    """Inside: all items, and which `bw` that is."""
    return {"items": bw("list", "items"), "version": bw("--version")}


@pytest.mark.slow
def test_argon2id(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """An Argon2id account on Vaultwarden reads as after an official login, too."""
    spec = AccountSpec("bo@example.com", "pässwörd", Argon2id(3, 64, 4), reply_style="vaultwarden", items=ITEMS[:2])
    account = server.add_account(spec)
    (tmp_path / "official").mkdir()
    (tmp_path / "own").mkdir()
    expected: JsonValue = log_in(official_bw, server, account, tmp_path / "official").json("list", "items")
    found = Runner.make(tmp_path / "own", official_bw, server, account).run(list_items).value

    assert found["version"]["stdout"].strip() == VERSION
    assert json.loads(found["items"]["stdout"]) == expected
    assert len(expected) == 2


STYLES = ("official", "vaultwarden", "vaultwarden-1.35", "pascal", "camel")


def read_little(bw: Bw) -> Json:
    """Inside: an item of one's own and one of an organization."""
    with serve(bw) as served:
        return {"own": served("get", "password", "own-key"), "items": served("list", "items")}


@pytest.mark.parametrize("style", STYLES)
def test_replies_of_old_and_new_servers(server: BitwardenServer, official_bw: Path, tmp_path: Path, style: str) -> None:
    """Whatever the server's age and letter case, the session has all items."""
    few = tuple(item for item in ITEMS if item.name in {"own-key", "shared-own", "deploy-key", "memo"})
    organizations = (OrganizationSpec("Acme", collections=("Deploy",)),)
    spec = AccountSpec(f"{style}@example.com", "pw", Pbkdf2(5_000), organizations=organizations, items=few)
    account = server.add_account(spec)
    server.change_spec(account, reply_style=style)
    done = Runner.make(tmp_path, official_bw, server, account).run(read_little)
    items = {item["name"]: item for item in json.loads(done.value["items"]["stdout"])}

    assert (done.value["own"]["stdout"], done.value["own"]["stderr"], done.ended.stderr) == ("0wn", "", "")
    assert items.keys() == {item.name for item in few}
    assert items["shared-own"]["login"]["password"] == "0rg0wn"
    assert items["shared-own"]["attachments"][0]["fileName"] == "team.bin"
    assert items["deploy-key"]["sshKey"]["privateKey"] == "-----BEGIN …"
    assert done.value["items"]["stderr"] == ""
