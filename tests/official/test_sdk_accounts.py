"""Accounts of Bitwarden's own SDK: what it makes opens here, and both clients say the same of it."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from bwrun.base.sensitive import Sensitive
from bwrun.crypto import parameters as product
from bwrun.crypto.account_keys import open_account_keys, open_user_key, read_key_connector_key
from bwrun.crypto.blob import find_blob
from bwrun.crypto.keys import derive_master_key
from tests.official import Bw, Runner
from tests.official.serving import serve
from tests.server import sdk
from tests.server.control import BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import Argon2id

pytestmark = pytest.mark.official_cli

EMAIL = "ada@example.com"
TEXTS = ["", "x" * 31, "x" * 32, "grüße"]
ITEM = {"name": "prod-db", "type": 1, "notes": "n", "login": {"username": "deploy", "password": "p4ss"}}
ALGORITHMS: dict[sdk.Kind, str] = {"ed25519": "ed25519", "ml-dsa-44": "mlDsa44", "key-connector": "mlDsa44"}


@pytest.mark.parametrize("kind", ALGORITHMS)
@pytest.mark.usefixtures("official_bw")
def test_opens_what_the_sdk_makes(kind: sdk.Kind) -> None:
    """Each key, signature, text, file and item that the SDK makes opens, to what the SDK says it is."""
    made = sdk.make(kind, EMAIL, [ITEM], [ITEM], TEXTS)
    if kind == "key-connector":
        master_key = read_key_connector_key(made["keyConnectorKey"])
    else:
        kdf = sdk.kdf_of(made["kdf"])
        costs: product.Kdf = (
            product.Argon2id(kdf.iterations, kdf.memory_mib, kdf.parallelism)
            if isinstance(kdf, Argon2id)
            else product.Pbkdf2(kdf.iterations)
        )
        master_key = derive_master_key(Sensitive(sdk.PASSWORD.encode()), made["salt"], costs)
    key = open_user_key(made["wrappedUserKey"], master_key)
    clear, state = made["clear"], made["state"]
    names = ("private_key", "signing_key", "signed_public_key", "security_state")
    keys = open_account_keys(key, product.WrappedAccountKeys(*(state[name] for name in names)), sdk.user_id(EMAIL))

    assert made["signatureAlgorithm"] == ALGORITHMS[kind]
    assert (base64.b64encode(key.encode()).decode(), key.key_id.hex()) == (clear["userKey"], clear["userKeyId"])
    assert keys.security_version == 2
    assert [key.decrypt_text(text) for text in made["texts"]] == TEXTS
    assert [key.decrypt_buffer(base64.b64decode(file)).decode() for file in made["files"]] == TEXTS
    assert key.decrypt_text(made["folders"][0]["name"]) == "Prod"
    aes = keys.unwrap_organization_key(made["wrappedOrganizationKey"])
    assert (base64.b64encode(aes.encode()).decode(), aes.key_id.hex()) == (clear["aesKey"], clear["aesKeyId"])
    assert key.unwrap_key(made["wrappedAesKey"]).encode() == aes.encode()
    xchacha = key.unwrap_key(made["wrappedXchachaKey"])
    assert aes.unwrap_key(made["xchachaUnderAes"]).encode() == xchacha.encode()
    assert [xchacha.decrypt_text(text) for text in made["xchachaTexts"]] == TEXTS
    (cipher,) = made["ciphers"]
    blob = find_blob(cipher["data"])
    assert blob is not None
    content = blob.open(key.unwrap_key(cipher["key"]))
    assert (content["name"], content["notes"]) == ("prod-db", "n")
    assert aes.decrypt_text(made["organizationCiphers"][0]["login"]["password"]) == "p4ss"


DATE = "2026-01-01T00:00:00Z"
PASSKEY = {
    **dict.fromkeys(("credentialId", "keyValue", "userHandle"), "AAAA"),
    **dict.fromkeys(("rpId", "rpName", "userName", "userDisplayName"), "db.example"),
    "keyType": "public-key", "keyAlgorithm": "ECDSA", "keyCurve": "P-256", "counter": "3", "discoverable": "true",
    "creationDate": DATE,
}  # fmt: skip
ITEMS: list[Json] = [
    {
        "name": "prod-db", "type": 1, "notes": "first\nsecond", "favorite": True,
        "login": {
            "username": "deploy", "password": "p4ss \N{KEY}", "totp": "JBSWY3DPEHPK3PXP", "passwordRevisionDate": DATE,
            "uris": [{"uri": "https://db.example", "match": 3}, {"uri": "ssh://db.example"}],
            "fido2Credentials": [PASSKEY],
        },
        "fields": [
            {"name": "token", "value": "t0ken", "type": 1}, {"name": "tls", "value": "true", "type": 2},
            {"name": "who", "type": 3, "linkedId": 100}, {"type": 0},
        ],
        "passwordHistory": [{"password": "former", "lastUsedDate": DATE}],
    },
    {"name": "memo", "type": 2, "notes": "secure text", "secureNote": {"type": 0}},
    {"name": "visa", "type": 3, "card": {"cardholderName": "Ada", "number": "4111", "expMonth": "1", "code": "123"}},
    {"name": "me", "type": 4, "identity": {"firstName": "Ada", "lastName": "King", "ssn": "123-45"}},
    {"name": "ssh", "type": 5, "sshKey": {"privateKey": "PRIVATE", "publicKey": "PUBLIC", "fingerprint": "SHA256:x"}},
    {"name": "giro", "type": 6, "bankAccount": {"bankName": "Bank", "iban": "DE00"}},
    {"name": "car", "type": 7, "driversLicense": {"licenseNumber": "D-1", "expirationDate": "2030-01-01"}},
    {"name": "travel", "type": 8, "passport": {"passportNumber": "P-1", "dateOfBirth": "1990-01-01"}},
]  # fmt: skip
SHARED: Json = {"name": "shared", "type": 1, "login": {"username": "team", "password": "0rg"}}
FIELDS = {
    "prod-db": "p4ss \N{KEY}", "prod-db/token": "t0ken", "prod-db/who": "deploy", "prod-db/uri.2": "ssh://db.example",
    "prod-db/notes": "first\nsecond", "memo": "secure text", "visa/card.number": "4111", "me/identity.ssn": "123-45",
    "ssh": "PRIVATE", "ssh/ssh.fingerprint": "SHA256:x", "giro/bankAccount.iban": "DE00", "shared": "0rg",
    "car/driversLicense.expirationDate": "2030-01-01", "travel/passport.passportNumber": "P-1",
}  # fmt: skip


READS = {
    "status": ("status",),
    "items": ("list", "items"),
    "item": ("get", "item", "prod-db"),
    "password": ("get", "password", "prod-db"),
    "shared": ("get", "password", "shared"),
    "folders": ("list", "folders"),
    "organizations": ("list", "organizations"),
}


def use_all(bw: Bw) -> Json:
    """Inside: read, write, and what needs a master password or the API key."""
    new = {"type": 1, "name": "made", "login": {"username": "u", "password": "m1"}}
    file = Path("up.bin")
    file.write_bytes(b"\x00up\xff" * 2_000)
    with serve(bw) as served:
        calls = served.all(READS)
        made = served.json("create", "item", send=new)
        made["login"]["password"] = "m2"
        calls["edited"] = served("edit", "item", made["id"], send=made)
        calls["attached"] = served.attach(file, made["id"])
        same = served.file("up.bin", made["id"]) == file.read_bytes()
    calls["new password"] = bw("get", "password", made["id"])
    calls["deleted"] = bw("delete", "item", made["id"])
    calls["sync"] = bw("sync")
    calls["unlock"] = bw("unlock", "--raw", "--passwordenv", "TEST_PASSWORD", env={"TEST_PASSWORD": sdk.PASSWORD})
    calls["lock"] = bw("lock")
    calls["status at the end"] = bw("status")
    values = {name: value for name, value in os.environ.items() if name.startswith(("JSON_", "VALUE_"))}
    return {"calls": calls, "values": values, "same file": same}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALGORITHMS)
def test_both_clients_read_and_write_it(
    server: BitwardenServer, official_bw: Path, tmp_path: Path, kind: sdk.Kind
) -> None:
    """
    In a session of such an account the official CLI reads, writes and fetches; references say what it says.

    Of a Key Connector's account it knows neither unlocking nor locking: a lock is a logout there.
    """
    email = f"{kind}@example.com"
    made = sdk.make(kind, email, ITEMS, [SHARED])
    account = server.add_account(sdk.spec_of(made, email))
    server.clear_faults()
    runner = Runner.make(tmp_path, official_bw, server, account)
    numbers = dict(enumerate(account.item_ids.values()))
    references = {f"JSON_{number}": f"bw://{identity}/json" for number, identity in numbers.items()}
    references |= {f"VALUE_{number}": f"bw://{text}" for number, text in enumerate(FIELDS)}
    options = [word for name, text in references.items() for word in ("-e", f"{name}={text}")]
    if kind == "key-connector":
        options += ["--key-connector-url", f"{server.url}/key-connector"]
    password = None if kind == "key-connector" else sdk.PASSWORD
    with_api_key = ("--session-api-key",)

    done = runner.run(use_all, options=(*options, *with_api_key), env={"BW_PASSWORD": password})

    found = done.value
    calls = found["calls"]
    statuses = {name: call["status"] for name, call in calls.items()}
    refused = {"unlock", "lock"} if kind == "key-connector" else set()
    assert {name for name, status in statuses.items() if status} == refused, calls
    assert json.loads(calls["status"]["stdout"])["status"] == "unlocked"
    assert [found["values"][f"VALUE_{number}"] for number in range(len(FIELDS))] == list(FIELDS.values())
    listed = {item["id"]: item for item in json.loads(calls["items"]["stdout"])}
    assert listed.keys() == set(numbers.values())
    for number, identity in numbers.items():
        assert json.loads(found["values"][f"JSON_{number}"]) == listed[identity]
    assert (calls["password"]["stdout"], calls["shared"]["stdout"]) == ("p4ss \N{KEY}", "0rg")
    assert json.loads(calls["item"]["stdout"]) == listed[account.item_ids["prod-db"]]
    assert [folder["name"] for folder in json.loads(calls["folders"]["stdout"])] == ["Prod", "No Folder"]
    assert (calls["new password"]["stdout"], found["same file"]) == ("m2", True)
    if kind == "key-connector":
        assert "Master password unlock data is required" in calls["unlock"]["stderr"]
        assert "you have been logged out" in calls["lock"]["stderr"]
        assert json.loads(calls["status at the end"]["stdout"])["status"] == "unauthenticated"
    else:
        assert json.loads(calls["status at the end"]["stdout"])["status"] == "locked"


def read_created(bw: Bw) -> Json:
    """Inside: the list of the items."""
    items: Json = {item["name"]: item for item in bw.json("list", "items")}
    return {"items": items, "json": json.loads(os.environ["MADE_JSON"]), "file": os.environ["MADE_FILE"]}


def create_one(bw: Bw) -> str:
    """Inside: make an item with a file; return its id."""
    file = Path("note.txt")
    file.write_text("a file's body")
    with serve(bw) as served:
        new = {"type": 1, "name": "made", "login": {"username": "u", "password": "m1"}}
        identity: str = served.json("create", "item", send=new)["id"]
        assert served.attach(file, identity)["status"] == 0
    return identity


@pytest.mark.slow
def test_what_the_official_cli_writes(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """What the official CLI makes in one run, references of the next read: the item, and its file."""
    email = "written@example.com"
    account = server.add_account(sdk.spec_of(sdk.make("ed25519", email, ITEMS[:1]), email))
    runner = Runner.make(tmp_path, official_bw, server, account)
    identity = runner.run(create_one).value

    options = ("-e", f"MADE_JSON=bw://{identity}/json", "-e", "MADE_FILE=bw://made/attachment/note.txt")
    found = runner.run(read_created, options=options).value

    assert set(found["items"]) == {"prod-db", "made"}
    assert without_urls(found["json"]) == without_urls(found["items"]["made"])
    assert found["file"] == "a file's body"


def without_urls(item: Json) -> Json:
    """Return an item without the addresses of its files: each reply has new ones."""
    files = [{name: value for name, value in one.items() if name != "url"} for one in item["attachments"]]
    return {**item, "attachments": files}
