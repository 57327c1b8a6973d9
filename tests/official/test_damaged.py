"""A vault with something in it that the official CLI cannot take: what is healthy is read all the same."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.official import Bw, Runner, token_and_sync
from tests.official.serving import serve
from tests.server import crypto
from tests.server.control import BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.json_types import Json, JsonValue
from tests.server.specs import (
    AccountSpec,
    AttachmentSpec,
    FieldSpec,
    ItemSpec,
    Login,
    OrganizationSpec,
    PasswordHistorySpec,
    Pbkdf2,
    SecureNote,
    SshKey,
    Uri,
)

pytestmark = pytest.mark.official_cli

Damage = Callable[[Json], None]  # what it does to a sync
HEALTHY = {"healthy", "healthy note", "healthy key", "ours"}
SICK = ItemSpec(
    "sick",
    Login("u", "p", totp="JBSWY3DPEHPK3PXP", uris=(Uri("https://a.example"),)),
    notes="n",
    fields=(FieldSpec("f", "v"),),
    password_history=(PasswordHistorySpec("former"),),
    attachments=(AttachmentSpec("a.txt", b"a"),),
)
SPEC = AccountSpec(
    "damaged@example.com",
    "correct horse",
    Pbkdf2(5_000),
    folders=("Prod",),
    organizations=(OrganizationSpec("Acme", collections=("Deploy",)), OrganizationSpec("Sick", collections=("Lost",))),
    items=(
        ItemSpec("healthy", Login("u", "h34lthy"), folder="Prod"),
        ItemSpec("healthy note", SecureNote(), notes="n"),
        ItemSpec("healthy key", SshKey("a", "b", "c"), own_key=True),
        ItemSpec("ours", Login("team", "0rg"), organization="Acme", collections=("Deploy",)),
        ItemSpec("lost", Login("team", "p"), organization="Sick", collections=("Lost",)),
        ItemSpec("lost own", Login("team", "p"), organization="Sick", collections=("Lost",), own_key=True),
        SICK,
        replace(SICK, name="sick too", own_key=True),
    ),
)
# Some member of each item, organization and policy that a server has been seen, or could be imagined, to leave null.
NULLABLE_IN_ITEM = (
    *("notes", "favorite", "reprompt", "edit", "viewPassword", "permissions", "organizationUseTotp", "collectionIds"),
    *("fields", "attachments", "passwordHistory", "login", "creationDate", "revisionDate", "folderId", "name"),
)
CONTENTS = {
    1: ("login", ("username", "password", "totp", "uris", "uri", "fido2Credentials")),
    2: ("secureNote", ("type",)),
    3: ("card", ("cardholderName", "brand", "number", "expMonth", "expYear", "code")),
    4: ("identity", ("title", "firstName", "lastName", "ssn", "licenseNumber")),
    5: ("sshKey", ("privateKey", "publicKey", "keyFingerprint")),
    6: ("bankAccount", ("bankName", "accountNumber", "iban", "pin")),
    7: ("driversLicense", ("firstName", "licenseNumber", "issueDate")),
    8: ("passport", ("surname", "passportNumber", "expirationDate")),
}


def copies(sync: Json) -> tuple[Json, Json]:
    """Return two new items to be damaged; the second has its own key."""
    first, second = ({**copy.deepcopy(one), "id": str(uuid.uuid4())} for one in sync["ciphers"][6:8])
    sync["ciphers"] += [first, second]
    return first, second


def organization(sync: Json) -> Json:
    """Return a new organization to be damaged; it has an item and a collection."""
    listed = sync["profile"]["organizations"]
    one: Json = {**listed[1], "id": str(uuid.uuid4())}
    listed.append(one)
    for kind, at in (("ciphers", 4), ("ciphers", 5), ("collections", 1)):
        sync[kind].append({**sync[kind][at], "id": str(uuid.uuid4()), "organizationId": one["id"]})
    return one


def organization_without_key(sync: Json) -> None:
    """Its key is null, or not there at all."""
    organization(sync)["key"] = None
    del organization(sync)["key"]


def organization_with_a_foreign_key(sync: Json) -> None:
    """Its key is for another key pair, or no key at all."""
    organization(sync)["key"] = "4." + crypto.random_base64(256)
    organization(sync)["key"] = "hello"


def organization_with_nulls(sync: Json) -> None:
    """All its members are null but the id, the name and the key."""
    one = organization(sync)
    one |= dict.fromkeys(one.keys() - {"id", "key", "name"})


def organization_of_a_former_manager(sync: Json) -> None:
    """The membership is of a kind that is no more, or that is not yet."""
    organization(sync)["type"] = 3
    organization(sync)["type"] = 77


def items_of_a_type_to_come(sync: Json) -> None:
    """Items of types that the CLI does not know."""
    first, second = copies(sync)
    first["type"], second["type"] = 99, 0


def items_with_nulls(sync: Json) -> None:
    """An item for each member that is null, and one for all."""
    for names in [*((name,) for name in NULLABLE_IN_ITEM), NULLABLE_IN_ITEM]:
        for one in copies(sync):
            one.update(dict.fromkeys(names))


def items_with_null_entries(sync: Json) -> None:
    """Nulls inside the lists and objects of items."""
    first, second = copies(sync)
    first["login"] = dict.fromkeys(first["login"])
    first["fields"] = [dict.fromkeys(first["fields"][0])]
    first["permissions"] = {"delete": None, "restore": None}
    second["login"]["uris"] = [dict.fromkeys(second["login"]["uris"][0])]
    second["login"]["fido2Credentials"] = [{"credentialId": None, "counter": None, "creationDate": None}]
    second["passwordHistory"] = [{"password": None, "lastUsedDate": None}]
    second["attachments"] = [dict.fromkeys(second["attachments"][0])]


def items_with_empty_contents(sync: Json) -> None:
    """For each type of item: its contents are null, empty, not there, all null, or no EncStrings."""
    first, _ = copies(sync)
    for kind, (name, members) in CONTENTS.items():
        bare = {**first, "type": kind, "login": None}
        for contents in (None, {}, dict.fromkeys(members), dict.fromkeys(members, "hello")):
            sync["ciphers"].append({**bare, name: contents, "id": str(uuid.uuid4())})
        sync["ciphers"].append({**bare, "id": str(uuid.uuid4())})


def items_with_broken_texts(sync: Json) -> None:
    """Texts that are not EncStrings, or are of a sort that is none; of items, folders and collections."""
    for text in ("hello", "", "2.", "2.abc|def|ghi", "99.AAAA", "2.AAAA|AAAA"):
        one, other = copies(sync)
        one["login"] |= {"password": text, "uris": [{"uri": text, "uriChecksum": text, "match": 9}]}
        one["fields"] = [{"type": 9, "name": text, "value": text, "linkedId": 999}]
        one["passwordHistory"] = [{"password": text, "lastUsedDate": "2025-01-01T00:00:00Z"}]
        one["attachments"] = [{"id": "a", "url": None, "fileName": text, "key": text, "size": 12, "sizeName": None}]
        one |= {"name": text, "notes": text}
        other["key"] = text
    for kind in ("folders", "collections"):
        for name in ("hello", None):
            sync[kind].append({**sync[kind][0], "id": str(uuid.uuid4()), "name": name})


def dates_that_are_none(sync: Json) -> None:
    """Texts for dates that are none, in items and in a policy."""
    for one, text in zip(copies(sync), ("yesterday", ""), strict=True):
        one |= {"revisionDate": text, "creationDate": text}
        one["login"]["passwordRevisionDate"] = text
        one["passwordHistory"][0]["lastUsedDate"] = text
    policy(sync)["revisionDate"] = "yesterday"
    sync["folders"].append({**sync["folders"][0], "id": str(uuid.uuid4()), "revisionDate": "yesterday"})


def ids_that_are_none(sync: Json) -> None:
    """Texts for ids that are no UUIDs."""
    first, second = copies(sync)
    first["id"], second["folderId"] = "abc", "abc"
    for one, ids in zip(copies(sync), (["abc"], [None]), strict=True):
        one["collectionIds"] = ids
    organization(sync)["id"] = "abc"
    policy(sync)["id"] = "abc"
    policy(sync)["organizationId"] = "abc"
    sync["folders"].append({**sync["folders"][0], "id": "abc"})


def values_of_other_types(sync: Json) -> None:
    """Numbers for texts, texts for numbers."""
    first, second = copies(sync)
    first["login"] |= {"password": 5, "autofillOnPageLoad": "yes", "passwordRevisionDate": 5}
    first["reprompt"], first["collectionIds"] = "1", "abc"
    second |= {"type": 3, "login": None, "card": {"expMonth": 1}, "name": 5, "revisionDate": 1_700_000_000}
    third, fourth = copies(sync)
    third["attachments"][0] |= {"id": None, "url": 5, "sizeName": 5}
    third["login"]["uris"] = [None, {"uri": None, "uriChecksum": None, "match": "1"}]
    fourth["fields"] = [None, {"type": "0", "name": 5, "value": 5, "linkedId": "100"}]
    fourth["type"] = "1"


def policy(sync: Json) -> Json:
    """Return a new policy to be damaged."""
    one: Json = {"id": str(uuid.uuid4()), "organizationId": sync["profile"]["organizations"][0]["id"], "type": 1}
    one |= {"data": {"minLength": "x"}, "enabled": True, "revisionDate": "2025-02-03T04:05:06.000Z"}
    sync["policies"].append(one)
    return one


def policies_with_nulls(sync: Json) -> None:
    """Policies as Vaultwarden sends them, without a date; with nulls; of a type to come."""
    del policy(sync)["revisionDate"]
    policy(sync).update(enabled=None, revisionDate=None, data=None)
    policy(sync)["type"] = 77
    policy(sync)["type"] = None
    policy(sync)["organizationId"] = None
    one = policy(sync)
    one |= dict.fromkeys(one)


def lists_that_are_null(sync: Json) -> None:
    """Whole lists are null or not there."""
    sync |= {"policies": sync["policies"] or None, "domains": None}
    sync.pop("sends")
    sync["profile"] |= {"providers": None, "providerOrganizations": None}


DAMAGES: tuple[Damage, ...] = (
    organization_without_key,
    organization_with_a_foreign_key,
    organization_with_nulls,
    organization_of_a_former_manager,
    items_of_a_type_to_come,
    items_with_nulls,
    items_with_null_entries,
    items_with_empty_contents,
    items_with_broken_texts,
    dates_that_are_none,
    ids_that_are_none,
    values_of_other_types,
    policies_with_nulls,
    lists_that_are_null,
)


def list_items(bw: Bw) -> Json:
    """Inside: the list that any damage could break."""
    return bw("list", "items")


def read_much(bw: Bw) -> Json:
    """Inside: what else reads the damaged parts."""
    calls = (("list", "items"), ("list", "folders"), ("list", "collections"), ("list", "organizations"))
    with serve(bw, quiet=False) as served:  # the CLI names each text that fails its integrity check
        return {" ".join(words): served(*words) for words in (*calls, ("get", "password", "healthy"))}


def read_damaged(
    server: BitwardenServer, program: Path, root: Path, damages: Sequence[Damage], function: Callable[[Bw], Json]
) -> JsonValue:
    """What `function` returns in a session of an account whose sync has these damages."""
    name = damages[0].__name__ if len(damages) == 1 else "all"
    account = server.add_account(replace(SPEC, email=f"{name}@example.com"))
    _, sync = token_and_sync(server, account)
    for damage in damages:
        damage(sync)
    server.set_fault(Fault("/api/sync", Status(200, json.dumps(sync))))
    try:
        return Runner.make(root, program, server, account).run(function).value
    finally:
        server.clear_faults()


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_healthy_items_are_listed(server: BitwardenServer, official_bw: Path, tmp_path: Path, damage: Damage) -> None:
    """One damage in the vault does not keep the healthy items from `bw list items`, nor makes it print more errors."""
    done = read_damaged(server, official_bw, tmp_path, (damage,), list_items)

    # The CLI names each text that fails its integrity check, after a login of its own too.
    own_errors = damage is items_with_broken_texts
    assert done["status"] == 0
    assert own_errors or done["stderr"] == ""
    assert {item["name"] for item in json.loads(done["stdout"])} >= HEALTHY


def test_all_damages_at_once(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """With all damages at once, every list and a get of a healthy item still work."""
    calls = read_damaged(server, official_bw, tmp_path, DAMAGES, read_much)

    assert {name: done["status"] for name, done in calls.items()} == dict.fromkeys(calls, 0)
    assert {item["name"] for item in json.loads(calls["list items"]["stdout"])} >= HEALTHY
    assert {item["name"] for item in json.loads(calls["list folders"]["stdout"])} >= {"Prod"}
    assert {item["name"] for item in json.loads(calls["list collections"]["stdout"])} >= {"Deploy"}
    assert {item["name"] for item in json.loads(calls["list organizations"]["stdout"])} >= {"Acme"}
    assert calls["get password healthy"]["stdout"] == "h34lthy"


def write_a_note(bw: Bw) -> Json:
    """Inside: make an item and find it."""
    note = {"type": 2, "name": "made", "notes": "text", "secureNote": {"type": 0}}
    with serve(bw) as served:
        made = served.json("create", "item", send=note)
    with serve(bw) as served:
        return {"items": served("list", "items"), "notes": served("get", "notes", made["id"])}


def test_account_without_key_pair(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """An account that has no key pair, as very old ones, is read and written."""
    missing = ("PrivateKey", "AccountKeys")
    spec = AccountSpec("pairless@example.com", "pw", Pbkdf2(5_000), items=SPEC.items[:2], drop_fields=missing)
    account = server.add_account(spec)
    calls = Runner.make(tmp_path, official_bw, server, account).run(write_a_note).value

    assert (calls["items"]["status"], calls["items"]["stderr"]) == (0, "")
    names = {item["name"] for item in json.loads(calls["items"]["stdout"])}
    assert names == {*(item.name for item in spec.items), "made"}
    assert calls["notes"]["stdout"] == "text"
