"""
A whole item, as `bw get item` prints it.

What is expected here was printed by @bitwarden/cli 2026.9.0 for the same items (tests/official compares the two anew).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from bwrun.crypto.account_keys import open_account_keys
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.crypto.vault_key import parse_key
from bwrun.references.grammar import Field, Reference
from bwrun.vault.vault import Vault
from tests.server import crypto as other
from tests.server.accounts import make_account
from tests.server.replies import sync_reply
from tests.server.specs import (
    AccountSpec,
    AttachmentSpec,
    BankAccount,
    Card,
    DriversLicense,
    FieldSpec,
    Identity,
    ItemSpec,
    Login,
    PasswordHistorySpec,
    Pbkdf2,
    SecureNote,
    SshKey,
    Uri,
)

DATE = "2025-04-05T07:48:23.041Z"
FIELDS = (
    FieldSpec(None, "x", 7),
    FieldSpec("linked", None, 3, 100),
    FieldSpec("bad link", None, 3, 999),
    FieldSpec("empty", ""),
    FieldSpec("hidden", "h", 1),
)
URIS = (
    Uri("", checksum="none"),
    Uri("https://a", match=3),
    Uri("https://b", match=9, checksum="wrong"),
    Uri("https://c", checksum="none"),
)
PASSKEY = {
    **dict.fromkeys(("credentialId", "keyType", "keyAlgorithm", "keyCurve", "keyValue", "rpId"), "x"),
    "userName": "ada",
    "counter": "07",
    "discoverable": "True",
}
SHOWN_PASSKEY = PASSKEY | {"counter": "7", "discoverable": "true", "creationDate": DATE}


def shown(content: Any, *, kind: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    """Return what the CLI prints of an item that has nothing but its type's own part, and `more`."""
    member = ["login", "secureNote", "card", "identity", "sshKey", "bankAccount", "driversLicense"][kind - 1]
    common = {"object": "item", "type": kind, "name": "x", "reprompt": 0, "favorite": False}
    lists: dict[str, Any] = {"fields": [], "passwordHistory": [], "collectionIds": [], "attachments": []}
    return {**common, **lists, "creationDate": DATE, "revisionDate": DATE, member: content, **more}


def printed(item: ItemSpec, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    """Return the JSON of an item with members replaced, but for its id and keys."""
    account = make_account(AccountSpec("a@example.com", "x", kdf=Pbkdf2(5000), items=(item,)))
    sync = sync_reply(account, "https://localhost", (2026, 9, 0))
    record = sync["ciphers"][0]
    record.update({"creationDate": "2025-04-05T07:48:23.041683Z", "revisionDate": "2025-04-05T09:48:23.0417+02:00"})
    record.update(changes)
    if login := record.get("login"):
        encrypted = {name: other.encrypt_text(text, account.user_key) for name, text in PASSKEY.items()}
        login["fido2Credentials"] = [encrypted | {"creationDate": DATE}] if item.favorite else None
    keys = open_account_keys(parse_key(account.user_key), WrappedAccountKeys())
    vault = Vault(sync, keys, allow_protected=True)
    whole: dict[str, Any] = json.loads(vault.value(Reference(record["id"], Field("built-in", "json"))).reveal())

    assert whole.pop("id") == record["id"]
    assert whole.pop("key", None) == record["key"]
    return whole


BARE_LOGIN: dict[str, Any] = {"uris": [], "fido2Credentials": [], "passwordRevisionDate": None}


@pytest.mark.parametrize(
    ("content", "kind", "own"),
    [
        (Login(), 1, BARE_LOGIN),
        (Login("", "", "", URIS[:1]), 1, BARE_LOGIN | {"username": "", "password": "", "totp": ""}),
        (SecureNote(), 2, {"type": 0}),
        (Card(brand="Visa"), 3, {"brand": "Visa"}),
        (Identity(first_name="A"), 4, {"firstName": "A"}),
        (SshKey("a", "b", "c"), 5, {"privateKey": "a", "publicKey": "b", "keyFingerprint": "c"}),
        (BankAccount(), 6, {}),
        (DriversLicense(date_of_birth="1990-1-02", issue_date="2020"), 7, {"dateOfBirth": "1990-01-02"}),
    ],
)
def test_prints_each_type(content: Any, kind: int, own: dict[str, Any]) -> None:  # noqa: ANN401
    """What has no value is left out, a day that is none too."""
    assert printed(ItemSpec("x", content)) == shown(own, kind=kind)


def test_prints_a_full_item() -> None:
    """Fields, addresses, passkeys, former passwords and dates are as the CLI has them."""
    item = ItemSpec(
        "x", Login("u", "p", uris=URIS), "n", FIELDS, favorite=True, reprompt=True,
        password_history=(PasswordHistorySpec("old"),),
    )  # fmt: skip

    whole = printed(item, archivedDate=DATE, collectionIds=None)

    fields = [
        {"type": 0, "value": "x"},
        {"type": 3, "name": "linked", "linkedId": 100},
        {"type": 3, "name": "bad link"},
        {"type": 0, "name": "empty", "value": ""},
        {"type": 1, "name": "hidden", "value": "h"},
    ]
    uris = [{"uri": "https://a", "match": 3}, {"uri": "https://b"}, {"uri": "https://c"}]
    login = BARE_LOGIN | {"username": "u", "password": "p", "uris": uris, "fido2Credentials": [SHOWN_PASSKEY]}
    former = [{"lastUsedDate": "2025-01-02T03:04:05.000Z", "password": "old"}]
    more = {"notes": "n", "fields": fields, "passwordHistory": former, "archivedDate": DATE}
    assert whole == shown(login, kind=1, favorite=True, reprompt=1, **more)


def test_prints_attachments() -> None:
    """A file is printed with its name and its size; its address only if the server gave one."""
    whole = printed(ItemSpec("x", SecureNote(), attachments=(AttachmentSpec("f", b"1234"),), own_key=True))

    (file,) = whole["attachments"]
    assert len(file.pop("id")) == 32
    assert file == {"fileName": "f", "size": "65", "sizeName": "65 Bytes"}


def test_drops_addresses_without_a_checksum() -> None:
    """In an item with a key of its own an address counts only with its checksum."""
    assert printed(ItemSpec("x", Login(uris=URIS), own_key=True))["login"]["uris"] == [{"uri": "https://a", "match": 3}]


def test_hides_what_the_user_may_not_see() -> None:
    """With viewPassword false password, authenticator key, hidden fields and former passwords are not printed."""
    history = (PasswordHistorySpec("old"),)
    item = ItemSpec("x", Login("u", "p", "JBSWY3DP"), fields=FIELDS[3:], view_password=False, password_history=history)

    whole = printed(item)

    fields = [{"type": 0, "name": "empty", "value": ""}, {"type": 1, "name": "hidden", "value": None}]
    expected = shown(BARE_LOGIN | {"username": "u", "password": None, "totp": None}, kind=1, fields=fields)
    del expected["passwordHistory"]
    assert whole == expected


@pytest.mark.parametrize("junk", ["", "yesterday", "0001-01-01T00:00:00+23:00", None, "\ud800", 10**30, [], {}])
def test_leaves_out_a_date_that_is_none(junk: object) -> None:
    """A date that cannot be read is left out."""
    assert "revisionDate" not in printed(ItemSpec("x"), revisionDate=junk)
