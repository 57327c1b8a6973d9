"""Items of V2 accounts, blobs and fields of type 7: what references bring of them, and what they refuse."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.base.errors import BwrunError, CryptoError, SecretNotFoundError
from bwrun.base.sensitive import Sensitive
from bwrun.crypto.account_keys import open_account_keys
from bwrun.crypto.parameters import Pbkdf2 as ProductPbkdf2
from bwrun.crypto.parameters import UnlockData, WrappedAccountKeys
from bwrun.crypto.vault_key import parse_key
from bwrun.login.token import Login as LoginReply
from bwrun.login.token import find_account_keys
from bwrun.references.grammar import parse
from bwrun.vault.vault import Requests, Vault
from tests.server import cose, crypto, keys
from tests.server.accounts import make_account
from tests.server.replies import sync_reply
from tests.server.specs import AccountSpec, ItemSpec, Login, OrganizationSpec, Pbkdf2, SshKey
from tests.vault.test_vault import CUSTOM, FILES, ITEMS, NOW, ORGANIZATIONS

PERSONAL = tuple(item for item in ITEMS if item.organization is None and not item.tamper)
OTHERS = tuple(item for item in ITEMS if item.organization is not None)
BLOBS = tuple(dataclasses.replace(item, blob=True, id=None, attachments=item.attachments[:1]) for item in PERSONAL)
V1 = make_account(AccountSpec("a@example.com", "x", kdf=Pbkdf2(5000), organizations=ORGANIZATIONS, items=ITEMS))
V2_SPEC = AccountSpec("a@example.com", "x", kdf=Pbkdf2(5000), v2=True, organizations=ORGANIZATIONS)
V2 = make_account(dataclasses.replace(V2_SPEC, items=(*PERSONAL, *OTHERS)))
V2_BLOBS = make_account(dataclasses.replace(V2_SPEC, items=(*BLOBS, *OTHERS)))
V2_CIPHER_KEY = cose.Key()

DIFFERENT = {item.name: item for item in PERSONAL if not item.trashed}

# References to each kind of field; items are named, so that names are opened too.
REFERENCES = (
    "prod-db", "prod-db/username", "prod-db/totp", "prod-db/notes", "prod-db/name", "prod-db/uri", "prod-db/uri.2",
    "prod-db/token", "prod-db/tls", "prod-db/off", "prod-db/who", "prod-db/field/password",
    "prod-db/attachment/id_rsa", "own-key", "own-key/username", "memo", "ssh",
    "ssh/ssh.public_key", "ssh/ssh.fingerprint", "visa/card.number", "visa/card.code", "visa/300", "me/identity.ssn",
    "me/identity.lastName", "me/418", "giro/bankAccount.iban", "car/driversLicense.licenseClass",
    "travel/passport.surname", "double?folder=Prod", "double?organization=Acme",
)  # fmt: skip


def open_vault(account: Any, sync: dict[str, Any] | None = None) -> Vault:  # noqa: ANN401
    """Open an account's vault from a sync alone."""
    reply = sync_reply(account, "https://localhost", (2026, 9, 0)) if sync is None else sync
    login = LoginReply(
        Sensitive(b"t"), 1, account.user_id, None, UnlockData(ProductPbkdf2(5000), "s", "2."), WrappedAccountKeys(),
        force_password_reset=False,
    )  # fmt: skip
    wrapped, user_id = find_account_keys(login, reply)
    opened = open_account_keys(parse_key(account.user_key), wrapped, user_id)
    return Vault(
        reply, opened, allow_protected=True, requests=Requests(lambda one: account.files[one.id]), now=lambda: NOW
    )  # fmt: skip


def blob_account(content: Any = None, **changes: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
    """Return an account with one blob item, and its sync with the item's content or other members replaced."""
    account = make_account(dataclasses.replace(V2_SPEC, items=(ItemSpec("x", Login("deploy", "p4ss"), blob=True),)))
    sync = copy.deepcopy(sync_reply(account, "https://localhost", (2026, 9, 0)))
    if content is not None:
        own = crypto.make_symmetric_key()
        sync["ciphers"][0] |= {"key": keys.wrap(own, account.key), "data": keys.seal(content, own)}
    sync["ciphers"][0] |= changes
    return account, sync


def get(vault: Vault, reference: str) -> bytes:
    """Return one value."""
    return vault.value(parse(f"bw://{reference}")).reveal()


@pytest.mark.parametrize("account", [V2, V2_BLOBS], ids=["fields", "blobs"])
def test_brings_what_a_v1_account_brings(account: Any) -> None:  # noqa: ANN401
    """Each field of each type has the value that the same item has in a V1 account."""
    old, new = open_vault(V1), open_vault(account)

    assert [get(new, one) for one in REFERENCES] == [get(old, one) for one in REFERENCES]
    assert get(new, "prod-db") == "p4ss \N{KEY}".encode()


@pytest.mark.parametrize("item", DIFFERENT.values(), ids=DIFFERENT)
def test_a_blob_is_the_same_json(item: ItemSpec) -> None:
    """A blob item's JSON is that of an item with fields, but for ids, dates, keys and addresses without a checksum."""
    item = dataclasses.replace(item, folder=None, id="aaaaaaaa-0000-4000-8000-000000000009", attachments=FILES[:1])
    if isinstance(item.content, Login):
        right = tuple(dataclasses.replace(uri, checksum="good") for uri in item.content.uris)
        item = dataclasses.replace(item, content=dataclasses.replace(item.content, uris=right))
    shown = []
    for one in (item, dataclasses.replace(item, blob=True)):
        account = make_account(dataclasses.replace(V2_SPEC, organizations=(), items=(one,)))
        whole = json.loads(get(open_vault(account), f"{item.id}/json"))
        for changing in ("key", "creationDate", "revisionDate", "archivedDate"):
            whole.pop(changing, None)
        for entry in whole["attachments"]:
            entry.pop("id")
        shown.append(whole)

    assert shown[0] == shown[1]


def test_blobs_hold_passkeys_in_types_of_their_own() -> None:
    """A passkey's counter is a number in a blob, and what says that it is found by itself is a truth value."""
    passkey = {
        **dict.fromkeys(("credentialId", "keyType", "keyAlgorithm", "keyCurve", "keyValue", "rpId"), "x"),
        "userHandle": None, "counter": 7, "discoverable": True, "creationDate": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    typed = {"type": "login", "uris": [], "fido2Credentials": [passkey], "passwordRevisionDate": "2026-01-01T00:00:00Z"}
    account, sync = blob_account({"name": "x", "typeData": typed})
    login = json.loads(get(open_vault(account, sync), "x/json"))["login"]

    assert login["passwordRevisionDate"] == "2026-01-01T00:00:00.000Z"
    assert (login["fido2Credentials"][0]["counter"], login["fido2Credentials"][0]["discoverable"]) == ("7", "true")


def test_a_cipher_key_may_be_a_cose_key() -> None:
    """A blob's and a field's cipher key may be of either kind."""
    account, sync = blob_account()
    own = V2_CIPHER_KEY
    content = {"name": "x", "typeData": {"type": "login", "password": "other"}}
    sync["ciphers"][0] |= {"key": keys.wrap(own, account.key), "data": keys.seal(content, own)}

    assert get(open_vault(account, sync), "x") == b"other"
    sync["ciphers"][0] |= {"data": None, "name": own.encrypt_text("x"), "login": {"password": own.encrypt_text("f")}}
    assert get(open_vault(account, sync), "x") == b"f"


def test_an_organization_is_v1_still() -> None:
    """Items of organizations have fields of type 2, in V2 accounts too."""
    spec = AccountSpec(
        "a@example.com", "x", Pbkdf2(5000), v2=True, organizations=(OrganizationSpec("Acme", collections=("Ops",)),),
        items=(ItemSpec("shared", Login("u", "p"), fields=CUSTOM[:1], organization="Acme", collections=("Ops",)),),
    )  # fmt: skip
    vault = open_vault(make_account(spec))

    assert (get(vault, "shared"), get(vault, "shared/token")) == (b"p", b"t0ken")
    assert get(vault, "shared?collection=Ops") == b"p"


def taken_down(text: str) -> dict[str, Any]:
    """Return the members of an item whose blob is gone, with `text` in the places of its contents."""
    return {"data": None, "key": None, "name": text, "login": {"password": text}}


DAMAGES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "fields of type 2": lambda _: taken_down(crypto.encrypt(b"x", bytes(64))),
    "fields without a MAC": lambda _: taken_down(crypto.encrypt_without_mac(b"x", bytes(32))),
    "a key of type 2": lambda _: {"key": crypto.encrypt(bytes(64), bytes(64))},
    "another's key": lambda _: {"key": keys.wrap(crypto.make_symmetric_key(), cose.Key())},
    "no key": lambda _: {"key": None},
    "another key": lambda account: {"key": keys.wrap(crypto.make_symmetric_key(), account.key)},
    "a later format": lambda _: {"data": '{"format_version": 2}'},
    "no envelope": lambda _: {"data": '{"format_version": 1, "wrapped_cek": "2.AA==|AA==|AA=="}'},
    "another type": lambda _: {"type": 3},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_and_downgraded_items(damage: str) -> None:
    """An item that was changed on the way, or taken down to V1, is not opened."""
    account, sync = blob_account()
    sync["ciphers"][0] |= DAMAGES[damage](account)
    with pytest.raises(CryptoError) as caught:
        get(open_vault(account, sync), f"{sync['ciphers'][0]['id']}/password")

    assert "deploy" not in caught.value.message


def test_a_spoilt_blob_fails_its_integrity_check() -> None:
    """One bit of the envelope is enough; the item is named, and others open."""
    good, bad = ItemSpec("good", Login("u", "p"), blob=True), ItemSpec("bad", Login("u", "q"), blob=True)
    account = make_account(dataclasses.replace(V2_SPEC, items=(good, dataclasses.replace(bad, tamper=("data",)))))
    vault = open_vault(account)

    assert get(vault, "good") == b"p"
    with pytest.raises(SecretNotFoundError) as missing:
        get(vault, "bad")
    assert account.item_ids["bad"] in " ".join(missing.value.hints)
    with pytest.raises(CryptoError) as caught:
        get(vault, account.item_ids["bad"])
    assert caught.value.code == "crypto.integrity"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner),
    max_leaves=4,
)
PLACES = (
    ("name",), ("notes",), ("typeData",), ("typeData", "password"), ("typeData", "uris"), ("typeData", "totp"),
    ("typeData", "fido2Credentials"), ("typeData", "passwordRevisionDate"), ("fields",), ("passwordHistory",),
    ("typeData", "uris", 0, "uri"), ("typeData", "uris", 0, "match"), ("typeData", "fido2Credentials", 0, "counter"),
    ("typeData", "fido2Credentials", 0, "discoverable"), ("fields", 0, "name"), ("fields", 0, "value"),
    ("fields", 0, "type"), ("fields", 0, "linkedId"), ("passwordHistory", 0, "lastUsedDate"),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_any_content_is_shown_or_refused(place: tuple[str | int, ...], value: Any) -> None:  # noqa: ANN401
    """Whatever a sealed item holds in place of what it should, only errors of ours come of it."""
    content: Any = {
        "name": "x", "notes": "n",
        "typeData": {
            "type": "login", "username": "u", "password": "p", "uris": [{"uri": "https://a", "match": 1}],
            "fido2Credentials": [{"counter": 1, "discoverable": False}],
        },
        "fields": [{"name": "f", "value": "v", "type": 0, "linkedId": None}],
        "passwordHistory": [{"password": "o", "lastUsedDate": "2026-01-01T00:00:00Z"}],
    }  # fmt: skip
    inner = content
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    account, sync = blob_account(content)
    item = sync["ciphers"][0]["id"]
    vault = open_vault(account, sync)
    for reference in (item, f"{item}/json", f"{item}/f", f"{item}/uri", f"{item}/totp", f"{item}/notes", "x/name"):
        try:
            get(vault, reference)
        except BwrunError as error:
            assert error.code.partition(".")[0] in ("crypto", "reference")  # noqa: PT017


def test_files_of_blob_items() -> None:
    """A file's name and key are under the blob's cipher key, and its body under a key of its own."""
    item = ItemSpec("ssh", SshKey("PRIVATE", "PUBLIC", "SHA256:x"), blob=True, attachments=FILES[:1])
    vault = open_vault(make_account(dataclasses.replace(V2_SPEC, items=(item,))))

    assert get(vault, "ssh/attachment/id_rsa") == FILES[0].content
    assert get(vault, "ssh") == b"PRIVATE"
