"""The vault: what is found, what is opened, and what is refused, each by its own message."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.base.errors import (
    AmbiguousReferenceError,
    BwrunError,
    CryptoError,
    IntegrityError,
    InvalidTotpError,
    ProtectedItemError,
    SecretError,
    SecretNotFoundError,
    UnavailableItemError,
)
from bwrun.base.sensitive import Sensitive
from bwrun.crypto.account_keys import V1, AccountKeys, open_account_keys
from bwrun.crypto.encstring import SymmetricKey
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.crypto.vault_key import MAX_TEXT, AesKey, parse_key
from bwrun.references import fields
from bwrun.references.grammar import parse
from bwrun.vault.decryption import decrypt_file
from bwrun.vault.items import Attachment
from bwrun.vault.vault import Requests, Vault
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
    OrganizationSpec,
    Passport,
    Pbkdf2,
    SecureNote,
    SshKey,
    Uri,
)
from tests.server.state import StoredAccount

NOW = 59.0  # with the seed of RFC 6238, appendix B
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
LOGIN = Login("deploy", "p4ss 🔑", SEED, (Uri("https://a"), Uri("https://b"), Uri("", checksum="none")))
CUSTOM = (
    FieldSpec("token", "t0ken", 1),
    FieldSpec("password", "of the field"),
    FieldSpec("tls", "true", 2),
    FieldSpec("off", None, 2),
    FieldSpec("empty", None),
    FieldSpec("who", None, 3, 100),
    FieldSpec("twice", "1"),
    FieldSpec("twice", "2"),
    FieldSpec(None, "nameless"),
)
FILES = (AttachmentSpec("id_rsa", b"\x00key\xff"), AttachmentSpec("old.txt", b"very old", own_key=False))
CHECKED = (Uri("https://bad", checksum="wrong"), Uri("https://none", checksum="none"), Uri("https://good"))
HIDDEN_FIELDS = (FieldSpec("plain", "p"), FieldSpec("secret", "s3cret", 1), FieldSpec("linked", None, 3, 101))
ITEMS = (
    ItemSpec("prod-db", LOGIN, notes="first\nsecond", fields=CUSTOM, attachments=FILES, folder="Prod"),
    ItemSpec("own-key", Login("ada", "0wn", uris=CHECKED), own_key=True, attachments=FILES[:1]),
    ItemSpec("memo", SecureNote(), notes="secure text"),
    ItemSpec("ssh", SshKey("PRIVATE", "ssh-ed25519 AAAA", "SHA256:x")),
    ItemSpec(
        "visa",
        Card("Ada", "Visa", "4111", "12", "2030", "123"),
        fields=tuple(FieldSpec(str(number), None, 3, number) for number in (*range(300, 306), 100, 999)),
    ),
    ItemSpec(
        "me",
        Identity(**{field.name: f"{field.name}!" for field in dataclasses.fields(Identity)}),
        fields=tuple(FieldSpec(str(number), None, 3, number) for number in range(400, 419)),
    ),
    ItemSpec("giro", BankAccount(**{field.name: f"{field.name}!" for field in dataclasses.fields(BankAccount)})),
    ItemSpec("car", DriversLicense(**{field.name: f"{field.name}!" for field in dataclasses.fields(DriversLicense)})),
    ItemSpec("travel", Passport(**{field.name: f"{field.name}!" for field in dataclasses.fields(Passport)})),
    ItemSpec("double", Login("a", "in Prod"), folder="Prod"),
    ItemSpec("double", Login("b", "in Test"), folder="Test"),
    ItemSpec("double", Login("c", "of Acme"), organization="Acme", collections=("Ops",), own_key=True),
    ItemSpec("moved", Login("a", "archived"), archived=True),
    ItemSpec("moved", Login("b", "there"), id="aaaaaaaa-0000-4000-8000-000000000001"),
    ItemSpec("moved", Login("c", "gone"), trashed=True),
    ItemSpec("gone", Login("a", "b"), trashed=True),
    ItemSpec("closed", Login("a", "b"), organization="Closed"),
    ItemSpec("no key", Login("a", "b"), organization="Locked", id="bbbbbbbb-0000-4000-8000-000000000001"),
    ItemSpec("asked again", Login("a", "b"), reprompt=True),
    ItemSpec("hidden", Login("a", "b", "JBSWY3DPEHPK3PXP", (Uri("https://a"),)), "of hidden", HIDDEN_FIELDS,
             organization="Acme", collections=("Ops",), view_password=False),
    ItemSpec("hidden key", SshKey("PRIVATE", "PUBLIC", "SHA256:x"), organization="Acme", view_password=False),
    ItemSpec("nothing", Login(password="")),
    ItemSpec("tampered", Login("fine", "b"), tamper=("login.password",)),
    ItemSpec("bad key", Login("a", "b"), own_key=True, tamper=("key",), id="cccccccc-0000-4000-8000-000000000001"),
    ItemSpec("bad totp", Login(totp="otpauth://totp/x")),
)  # fmt: skip
ORGANIZATIONS = (
    OrganizationSpec("Acme", collections=("Ops", "Deploy")),
    OrganizationSpec("Closed", enabled=False),
    OrganizationSpec("Locked", key_usable=False),
)
SPEC = AccountSpec("a@example.com", "x", kdf=Pbkdf2(5000), organizations=ORGANIZATIONS, items=ITEMS)
UUIDS = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
ACCOUNT = make_account(SPEC)


def keys_of(account: StoredAccount) -> AccountKeys:
    """Return the account's keys, as the product has them."""
    return open_account_keys(parse_key(account.user_key), WrappedAccountKeys(account.private_key))


KEYS = keys_of(ACCOUNT)
KEY = KEYS.user_key
WITHOUT_PRIVATE_KEY = open_account_keys(KEY, WrappedAccountKeys())
SYNC: dict[str, Any] = sync_reply(ACCOUNT, "https://localhost", (2026, 9, 0))


def vault(sync: dict[str, Any] = SYNC, *, keys: AccountKeys = KEYS, allowed: bool = False) -> Vault:
    """Open the vault of a sync."""
    bodies = lambda attachment: ACCOUNT.files.get(attachment.id, b"")  # noqa: E731
    return Vault(sync, keys, allow_protected=allowed, requests=Requests(bodies), now=lambda: NOW)


def get(reference: str, **how: Any) -> str:  # noqa: ANN401  (what `vault` takes)
    """Return one value, as text."""
    return vault(**how).value(parse(f"bw://{reference}")).reveal().decode()


def failure(reference: str, kind: type[BwrunError], **how: Any) -> BwrunError:  # noqa: ANN401
    """Return what a reference fails with."""
    with pytest.raises(kind) as caught:
        get(reference, **how)
    return caught.value


def changed(name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    """Return the sync with members of one item replaced."""
    sync = copy.deepcopy(SYNC)
    next(one for one in sync["ciphers"] if one["id"] == ACCOUNT.item_ids[name]).update(changes)
    return sync


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("prod-db", "p4ss 🔑"),
        ("prod-db/username", "deploy"),
        ("prod-db/totp", "287082"),
        ("prod-db/uri", "https://a"),
        ("prod-db/uri.2", "https://b"),
        ("prod-db/notes", "first\nsecond"),
        ("prod-db/name", "prod-db"),
        ("prod-db/id", ACCOUNT.item_ids["prod-db"]),
        ("prod-db/token", "t0ken"),
        ("prod-db/password", "p4ss 🔑"),
        ("prod-db/field/password", "of the field"),
        ("prod-db/tls", "true"),
        ("prod-db/off", "false"),
        ("prod-db/who", "deploy"),
        ("own-key", "0wn"),
        ("own-key/uri", "https://good"),
        ("memo", "secure text"),
        ("ssh", "PRIVATE"),
        ("ssh/ssh.public_key", "ssh-ed25519 AAAA"),
        ("ssh/ssh.fingerprint", "SHA256:x"),
        ("double?folder=Prod", "in Prod"),
        ("double?folder=Test", "in Test"),
        ("double?organization=Acme", "of Acme"),
        ("double?collection=Ops", "of Acme"),
        (f"double?folder={ACCOUNT.folder_ids['Test'].upper()}", "in Test"),
        (f"{ACCOUNT.item_ids['prod-db'].upper()}/username", "deploy"),
        ("moved", "there"),
        ("asked%20again/name", "asked again"),
        ("tampered/username", "fine"),
    ],
    ids=lambda value: UUIDS.sub("UUID", value),  # made anew each time; the test processes must agree on names
)
def test_finds_and_opens(reference: str, value: str) -> None:
    """Each field of each item is found by what a reference may say."""
    assert get(reference) == value


@pytest.mark.parametrize(
    ("item", "prefix"), [("me", "identity"), ("giro", "bankAccount"), ("car", "driversLicense"), ("travel", "passport")]
)
def test_opens_every_field_of_a_type(item: str, prefix: str) -> None:
    """Each member of the types that are all texts has a name in references, which is the wire's."""
    names = fields.TEXTS[fields.PREFIXES[prefix]]
    snake = ["".join(f"_{char.lower()}" if char.isupper() else char for char in name) for name in names]

    assert [get(f"{item}/{prefix}.{name}") for name in names] == [f"{name}!" for name in snake]


def test_opens_linked_fields() -> None:
    """A linked field has the value of the field it is linked to, by the official clients' numbers."""
    card = [get(f"visa/{number}") for number in range(300, 306)]
    identity = [get(f"me/{number}").rstrip("!") for number in range(400, 418)]

    assert card == ["Ada", "12", "2030", "123", "Visa", "4111"]
    assert identity == [
        "title", "middle_name", "address1", "address2", "address3", "city", "state", "postal_code", "country",
        "company", "email", "phone", "ssn", "username", "passport_number", "license_number", "first_name", "last_name",
    ]  # fmt: skip
    assert get("me/418") == "title! first_name! middle_name! last_name!"


@pytest.mark.parametrize("number", [100, 999])
def test_a_link_to_nothing_is_missing(number: int) -> None:
    """A link to what this type does not have, or to a number nobody knows, is no value."""
    assert failure(f"visa/{number}", SecretNotFoundError).code == "reference.no-field"


@pytest.mark.parametrize(
    ("reference", "kind", "code", "message"),
    [
        ("prod-bd", SecretNotFoundError, "not-found", "no item is called `prod-bd`"),
        ("prod-db?folder=Test", SecretNotFoundError, "not-found", "no item is called `prod-db` in folder `Test`"),
        ("x?folder=Tset", SecretNotFoundError, "not-found", "no folder is called `Tset`"),
        ("x?organization=x", SecretNotFoundError, "not-found", "no organization is called `x`"),
        (f"{'0' * 8}-0000-0000-0000-{'0' * 12}", SecretNotFoundError, "not-found", "no item has the id 00000000-0000-"),
        ("double", AmbiguousReferenceError, "ambiguous", "3 items are called `double`"),
        ("gone", UnavailableItemError, "in-trash", "item `gone` is in the trash"),
        ("closed", UnavailableItemError, "organization-disabled", "item `closed` belongs to organization `Closed`"),
        (ITEMS[17].id, UnavailableItemError, "organization-key", f"item `{ITEMS[17].id}`: cannot decrypt the key of"),
        ("asked%20again", ProtectedItemError, "protected", "item `asked again` asks for the master password"),
        *((f"hidden{field}", ProtectedItemError, "protected", "item `hidden` hides its password")
          for field in ("", "/password", "/totp", "/secret", "/linked")),
        ("prod-db/nope", SecretNotFoundError, "no-field", "item `prod-db` (login) has no field `nope`"),
        ("prod-db/uri.3", SecretNotFoundError, "no-field", "item `prod-db` (login) has no field `uri.3`"),
        ("prod-db/card.code", SecretNotFoundError, "no-field", "item `prod-db` (login) has no field `card.code`"),
        ("nothing", SecretNotFoundError, "no-field", "field `password` of item `nothing` is empty"),
        ("prod-db/empty", SecretNotFoundError, "no-field", "the custom field `empty` of item `prod-db` is empty"),
        ("visa", SecretNotFoundError, "no-field", "item `visa` (card) has no default field: name one in the reference"),
        ("prod-db/twice", AmbiguousReferenceError, "ambiguous", "2 custom fields of item `prod-db` are called `twice`"),
        ("prod-db/attachment/x", SecretNotFoundError, "no-field", "item `prod-db` (login) has no field `attachment/x`"),
        ("tampered", IntegrityError, "integrity", "`password` of item `tampered` fails its integrity check"),
        (ITEMS[-2].id, IntegrityError, "integrity", f"the key of item `{ITEMS[-2].id}` fails its integrity check"),
    ],
)  # fmt: skip
def test_refuses_by_name(reference: str, kind: type[BwrunError], code: str, message: str) -> None:
    """Each reason why there is no value has a message and a code of its own."""
    error = failure(reference, kind)

    assert error.message.startswith(message)
    assert error.code.partition(".")[2] == code
    assert error.code.partition(".")[0] == ("reference" if isinstance(error, SecretError) else "crypto")


def test_hints_what_is_near() -> None:
    """A slip in a name is answered with the name, and with which items could not be looked at."""
    hints = failure("prod-bd", SecretNotFoundError).hints

    assert hints[0] == "did you mean `prod-db`?"
    assert hints[1] == f"bwrun cannot decrypt the names of 2 items: {ITEMS[17].id}, {ITEMS[-2].id}"
    assert failure("x?folder=prod", SecretNotFoundError).hints == ("did you mean `Prod`?",)


def test_hints_where_a_name_is() -> None:
    """Of an ambiguous name each item is listed with its place; so is an item of the name that is elsewhere."""
    hint, places = failure("double", AmbiguousReferenceError).hints
    elsewhere = failure("prod-db?folder=Test", SecretNotFoundError).hints[0]

    assert re.sub("bw://[-0-9a-f]{36}", "ID", hint) == (
        "use the id: ID (folder Prod), ID (folder Test), ID (organization Acme, collection Ops)"
    )
    assert places == "or add the place to the reference: `?folder=Prod`, `?folder=Test`, `?organization=Acme`"
    assert elsewhere == f"there are items of this name elsewhere: bw://{ACCOUNT.item_ids['prod-db']} (folder Prod)"


def test_each_offered_place_finds_its_item() -> None:
    """Each place that a hint offers chooses one of the items; a place that two of them share is not offered."""
    places = failure("double", AmbiguousReferenceError).hints[1].partition(": ")[2]
    assert {get(f"double{place.strip('`')}") for place in places.split(", ")} == {"in Prod", "in Test", "of Acme"}

    twins = (
        ItemSpec("twin", Login("a", "1"), organization="Acme", collections=("Ops", "Deploy")),
        ItemSpec("twin", Login("a", "2"), organization="Acme", collections=("Ops",)),
        ItemSpec("twin", Login("a", "3")),
    )
    hints = failure_in(twins, "twin", AmbiguousReferenceError).hints
    assert hints[1:] == ("or add the place to the reference: `?collection=Deploy`",)


def failure_in(items: tuple[ItemSpec, ...], reference: str, kind: type[BwrunError]) -> BwrunError:
    """Return what a reference to one of these items fails with."""
    with pytest.raises(kind) as caught:
        vault_of(items).value(parse(f"bw://{reference}"))
    return caught.value


def vault_of(items: tuple[ItemSpec, ...]) -> Vault:
    """Open the vault of an account of its own."""
    account = make_account(dataclasses.replace(SPEC, items=items))
    return vault(sync_reply(account, "https://localhost", (2026, 9, 0)), keys=keys_of(account))


def test_items_in_the_trash_are_not_proposed() -> None:
    """Neither a name that resembles the wanted one, nor an item elsewhere, is offered if it is in the trash."""
    items = (
        ItemSpec("prod-db-old", Login("a", "b"), trashed=True),
        ItemSpec("mail", Login("a", "b"), trashed=True),
        ItemSpec("mail-2", Login("a", "b")),
        ItemSpec("there", Login("a", "b"), folder="Prod"),
    )

    assert failure_in(items, "prod-db-ol", SecretNotFoundError).hints == ()
    assert failure_in(items, "mail?folder=Prod", SecretNotFoundError).hints == ("did you mean `mail-2`?",)


NFC, NFD = "B\u00fcro", "Bu\u0308ro"


def test_a_name_in_another_unicode_form() -> None:
    """A name is found in whichever form it is stored; the form that was asked for wins if both are there."""
    items = (
        ItemSpec(NFD, Login("u", "p"), fields=(FieldSpec(NFD, "custom"),), folder=f"{NFD}/x"),
        ItemSpec(f"{NFC} 2", Login("u", "nfc")),
        ItemSpec(f"{NFD} 2", Login("u", "nfd")),
    )
    opened = vault_of(items)

    for reference, value in {
        f"{NFC}/password": "p", f"{NFD}/password": "p", f"{NFC}/{NFC}": "custom", f"{NFC}?folder={NFC}/x": "p",
        f"{NFC} 2": "nfc", f"{NFD} 2": "nfd",
    }.items():  # fmt: skip
        assert opened.value(parse(f"bw://{reference}")).reveal().decode() == value


def test_two_names_in_other_unicode_forms() -> None:
    """Two items whose names only look the same are ambiguous, and the hint says in which forms they are stored."""
    mixed = f"{NFD} {NFC}"
    items = (ItemSpec(f"{NFD} {NFD}", Login("u", "1")), ItemSpec(mixed, Login("u", "2")))
    hints = failure_in(items, f"{NFC} {NFC}", AmbiguousReferenceError).hints

    assert hints[-1] == (
        "the names look the same, but their accents are stored in different Unicode forms: NFD and a mixed form"
    )


def test_a_nested_folder() -> None:
    """A folder inside another is named as the clients show it; its last part alone is answered with the whole."""
    items = (ItemSpec("db", Login("u", "p"), folder="work/servers"),)
    opened = vault_of(items)

    for folder in ("work/servers", "work%2Fservers"):
        assert opened.value(parse(f"bw://db?folder={folder}")).reveal() == b"p"
    assert failure_in(items, "db?folder=servers", SecretNotFoundError).hints == ("did you mean `work/servers`?",)


def test_hints_which_fields_there_are() -> None:
    """A field that is missing is answered with those that are there, by name alone."""
    hints = failure("prod-db/tokne", SecretNotFoundError).hints

    assert hints[0] == "did you mean `token`?"
    assert hints[1].startswith(
        "its fields are `username`, `password`, `totp`, `uri`, `notes`, `token`, `field/password`, `tls`"
    )
    assert not any("t0ken" in hint for hint in hints)


def test_warns_of_tampering() -> None:
    """A MAC that does not match is answered with what that may mean."""
    assert "may have been tampered with" in failure("tampered", IntegrityError).hints[0]


def test_an_authenticator_key_that_is_none() -> None:
    """An authenticator key that is an address without a secret fails as one of its item."""
    assert failure("bad%20totp/totp", InvalidTotpError).message.startswith("`totp` of item `bad totp`: ")


def test_allows_protected_items() -> None:
    """What is protected opens when that is asked for."""
    assert [get("asked%20again", allowed=True), get("hidden", allowed=True)] == ["b", "b"]
    assert [get("hidden/secret", allowed=True), get("hidden/linked", allowed=True)] == ["s3cret", "b"]


def test_shows_what_is_not_hidden() -> None:
    """Of an item whose password is hidden, the fields are there that the official CLI shows."""
    shown = {"username": "a", "notes": "of hidden", "plain": "p", "uri": "https://a", "name": "hidden"}

    assert {field: get(f"hidden/{field}") for field in shown} == shown
    assert get("hidden%20key") == "PRIVATE"
    whole = json.loads(get("hidden/json"))
    assert (whole["login"]["username"], whole["login"]["password"], whole["login"]["totp"]) == ("a", None, None)
    assert [one.get("value") for one in whole["fields"]] == ["p", None, None]


def test_without_a_private_key_the_account_still_opens() -> None:
    """Without the private key organizations' items do not open, and say so; the account's own do."""
    shared = next(one["id"] for one in SYNC["ciphers"] if one["viewPassword"] is False)

    error = failure(shared, UnavailableItemError, keys=WITHOUT_PRIVATE_KEY, allowed=True)

    assert get("prod-db", keys=WITHOUT_PRIVATE_KEY) == "p4ss 🔑"
    assert "the account's private key" in error.message


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.file_name)
def test_opens_attachments(file: AttachmentSpec) -> None:
    """A file is downloaded and opened under its own key, or under the account's if it has none."""
    reference = parse(f"bw://prod-db/attachment/{file.file_name}")

    attachment = vault().attachment(reference)

    assert (attachment.item_id, attachment.size) == (ACCOUNT.item_ids["prod-db"], len(ACCOUNT.files[attachment.id]))
    assert vault().value(reference) == Sensitive(file.content)
    assert vault().value(parse("bw://own-key/attachment/id_rsa")) == Sensitive(FILES[0].content)


def test_refuses_a_changed_attachment() -> None:
    """A file of which one bit was changed is not opened."""
    attachment = vault().attachment(parse("bw://prod-db/attachment/id_rsa"))
    body = bytearray(ACCOUNT.files[attachment.id])
    body[20] ^= 1

    with pytest.raises(IntegrityError, match="the file `id_rsa`"):
        attachment.decrypt(bytes(body))


@given(st.binary(max_size=200) | st.binary(max_size=200).map(b"\x02".__add__))
def test_no_other_body_is_opened(body: bytes) -> None:
    """Any bytes that are not an encrypted file are refused with an error of ours."""
    with pytest.raises(CryptoError):
        decrypt_file(body, KEY)


def test_needs_a_way_to_download() -> None:
    """Without a way to download a file it is refused by name."""
    with pytest.raises(UnavailableItemError, match="cannot be downloaded"):
        Vault(SYNC, KEYS).value(parse("bw://prod-db/attachment/id_rsa"))


def test_gives_all_custom_fields() -> None:
    """All custom fields of an item come by their names; two of one name are refused."""
    failures: list[BwrunError] = []
    values = vault().custom_fields(parse("bw://me"), failures)

    assert values["411"] == Sensitive(b"phone!")
    assert len(values) == 19
    assert failures == []
    vault().custom_fields(parse("bw://prod-db"), failures)
    assert [type(failure) for failure in failures] == [AmbiguousReferenceError]
    assert "`twice`" in failures[0].message


def test_lists_items() -> None:
    """All items but those in the trash are listed, each with a reference that means it."""
    listed = {one.id: one for one in vault().list_items()}
    prod = listed[ACCOUNT.item_ids["prod-db"]]
    opened = [one for one in listed.values() if one.problem is None]

    assert len(listed) == len(ITEMS) - 2
    assert (prod.name, prod.type, prod.folder, prod.organization) == ("prod-db", "login", "Prod", None)
    assert (prod.reference, prod.protected) == ("bw://prod-db", False)
    assert all(get(f"{one.reference.removeprefix('bw://')}/id") == one.id for one in opened)
    assert [one.name for one in listed.values() if one.reference.endswith(one.id)].count("double") == 3
    assert {one.name for one in listed.values() if one.protected} == {"asked again", "hidden"}
    assert {one.problem is None for one in listed.values() if one.name in (None, "closed")} == {False}


class Counting(SymmetricKey):
    """A key that counts what it opens."""

    opened = 0

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401
        """Count each look at the half for the MAC: one for each value opened."""
        if name == "mac_key":
            Counting.opened += 1
        return super().__getattribute__(name)


def test_opens_nothing_that_is_not_asked_for() -> None:
    """By id, the values alone are decrypted; by name, all names too, once."""
    account = make_account(dataclasses.replace(SPEC, items=tuple(ItemSpec(f"n{i}", LOGIN) for i in range(300))))
    key = Counting(account.user_key[:32], account.user_key[32:])
    keys = AccountKeys(AesKey(key), lambda: None, V1)
    opened = Vault(sync_reply(account, "https://localhost", (2026, 9, 0)), keys)
    counts = []
    for asked in ([account.item_ids[f"n{i}"] for i in range(5)], [f"n{i}" for i in range(5)], ["n7", "n8"]):
        Counting.opened = 0
        for one in asked:
            opened.value(parse(f"bw://{one}"))
        counts.append(Counting.opened)

    assert counts == [5, 300 + 5, 2]


LONG = "2." + "A" * (MAX_TEXT + 1)
JUNK: Sequence[object] = (
    42,
    True,
    [],
    {},
    [1],
    "x",
    "2.a|b|c",
    "7.AAAA",
    "0.AAAA|AAAA",
    "\ud800",
    "9" * 50,
    -1,
    LONG,
)


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:10])
def test_a_value_that_is_none_is_refused(junk: object) -> None:
    """Where a text should be and something else is, there is an error of ours, with the item's name."""
    sync = changed("prod-db", login={"password": junk})

    assert "`password` of item `prod-db`" in failure("prod-db", CryptoError, sync=sync).message


@pytest.mark.parametrize("plain", [b"\xff\xfe", b"\xed\xa0\x80"])
def test_a_text_that_is_no_utf8_is_refused(plain: bytes) -> None:
    """What opens and is no text is refused."""
    sync = changed("prod-db", login={"password": other.encrypt(plain, ACCOUNT.user_key)})

    assert failure("prod-db", CryptoError, sync=sync).code == "crypto.malformed"


@pytest.mark.parametrize(
    ("wire", "looked_at_by"),
    [
        ("login", "password uri json"),
        ("fields", "token json"),
        ("attachments", "attachment/x json"),
        ("passwordHistory", "json"),
    ],
)
@pytest.mark.parametrize("junk", [42, "x", {"a": 1}])
def test_a_part_that_is_none_is_refused(wire: str, looked_at_by: str, junk: object) -> None:
    """Where an object or a list should be and something else is, what looks there fails, and nothing else."""
    sync = changed("prod-db", **{wire: junk})
    failed = []
    for field in ("password", "uri", "token", "json", "notes", "attachment/x"):
        try:
            get(f"prod-db/{field}", sync=sync)
        except SecretError as error:
            assert error.code == "reference.no-field"  # noqa: PT017
            failed += [field] if field in looked_at_by.split() else []
        except CryptoError:
            failed.append(field)

    assert sorted(failed) == sorted(looked_at_by.split()) or (wire, junk) == ("login", {"a": 1})


def test_an_item_of_an_unknown_type() -> None:
    """An item of a type that nobody knows yet has its name and its notes."""
    sync = changed("prod-db", type=99)

    assert [get(f"prod-db/{name}", sync=sync) for name in ("name", "notes", "token")] == [
        "prod-db",
        "first\nsecond",
        "t0ken",
    ]
    assert "of an unknown type" in failure("prod-db", SecretNotFoundError, sync=sync).message


def test_a_sealed_item_of_a_later_format_says_that_it_is_too_new() -> None:
    """A blob in a format that came later is refused by name; what only repeats the item's fields is no blob."""
    sync = changed("prod-db", data='{"format_version":2,"envelope":""}')
    legacy = changed("prod-db", data='{"Name":"2.x"}')

    assert "newer format" in failure(f"{ACCOUNT.item_ids['prod-db']}/password", CryptoError, sync=sync).message
    assert get("prod-db", sync=legacy) == "p4ss 🔑"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["\ud800", "2.AA==|AA==|AA=="]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "name", "key"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401  (JSON)
    """Return the way to each part of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, one in inner for place in places_of(one, (*path, name)))]


SMALL: dict[str, Any] = SYNC | {"ciphers": [SYNC["ciphers"][0], SYNC["ciphers"][1], SYNC["ciphers"][11]]}
PLACES = places_of(SMALL)[1:]


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.tuples(st.sampled_from(PLACES), json_values), min_size=1, max_size=3))
def test_a_hostile_sync_raises_only_errors_of_ours(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    """Whatever stands in whatever place of a sync: a value or a BwrunError, and a list of items."""
    sync = copy.deepcopy(SMALL)
    for path, junk in changes:
        place: Any = sync
        for name in path[:-1]:
            try:
                place = place[name]
            except (KeyError, IndexError, TypeError):
                break
        else:
            if isinstance(place, dict):
                place[path[-1]] = junk

    opened = vault(sync, allowed=True)
    for item in ("prod-db", "own-key", "double", "double?collection=Ops", ACCOUNT.item_ids["prod-db"]):
        base, mark, query = item.partition("?")
        for field in ("password", "totp", "uri.2", "notes", "json", "token", "who", "id", "attachment/old.txt"):
            try:
                opened.value(parse(f"bw://{base}/{field}{mark}{query}")).reveal()
            except BwrunError as error:
                assert error.message.encode(errors="surrogatepass")  # noqa: PT017
    for one in opened.list_items():
        assert f"{one}".encode()


def test_nothing_shows_a_value() -> None:
    """Neither an attachment nor a vault shows a key or a value when it is printed."""
    attachment = vault().attachment(parse("bw://prod-db/attachment/id_rsa"))

    assert isinstance(attachment, Attachment)
    assert "enc_key" not in repr(attachment)
    assert "enc_key" not in repr(vault())
