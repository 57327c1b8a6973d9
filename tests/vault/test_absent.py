"""What counts as missing: the official CLI's rule, for references of every kind, whole items and `--item`."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from bwrun.base.errors import CryptoError, SecretNotFoundError
from bwrun.crypto.account_keys import open_account_keys
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.crypto.vault_key import parse_key
from bwrun.references.grammar import parse
from bwrun.vault.vault import Vault
from tests.server.accounts import make_account
from tests.server.json_types import Json
from tests.server.keys import encrypt_text
from tests.server.replies import sync_reply
from tests.server.specs import (
    AccountSpec,
    AttachmentSpec,
    Card,
    FieldSpec,
    ItemSpec,
    Login,
    PasswordHistorySpec,
    Pbkdf2,
    Uri,
)

# Each of these is "Not found." for `bw get password` of @bitwarden/cli 2026.9.0; those of ODD are not.
BLANK = ["", " ", "\t\r\n", "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH NO-BREAK SPACE}", "\N{LINE SEPARATOR}"]
ODD = ["\N{ZERO WIDTH SPACE}", "\x1c", "\x85", "x"]
FIELDS = ("password", "username", "totp", "notes", "uri", "f", "linked")
ACCOUNT = make_account(
    AccountSpec(
        "absent@example.com",
        "x",
        kdf=Pbkdf2(5000),
        items=(
            ItemSpec(
                "item",
                Login("a", "b", "JBSWY3DP", (Uri("https://a"),)),
                notes="n",
                fields=(FieldSpec("f", "v"), FieldSpec("linked", None, 3, 101), FieldSpec("box", None, 2)),
                password_history=(PasswordHistorySpec("old"),),
                attachments=(AttachmentSpec("a.txt", b"a"),),
            ),
            ItemSpec("card", Card(number="4111", code="123")),
        ),
    )
)
SYNC: Json = sync_reply(ACCOUNT, "https://localhost", (2026, 9, 0))
KEYS = open_account_keys(parse_key(ACCOUNT.user_key), WrappedAccountKeys())


def encrypted(text: str) -> str | None:
    """Return a text under the account's key."""
    return encrypt_text(text, ACCOUNT.key)


def vault_with(text: Any) -> Vault:  # noqa: ANN401  (JSON)
    """Return a vault in which this stands in the place of every value."""
    sync = copy.deepcopy(SYNC)
    item, card = sync["ciphers"]
    item["login"] |= {"password": text, "username": text, "totp": text, "uris": [{"uri": text}]}
    item |= {"notes": text, "data": None}
    item["fields"][0]["value"] = text
    item["fields"][2]["value"] = text
    card["card"]["number"] = text
    return Vault(sync, KEYS)


def get(vault: Vault, reference: str) -> str:
    """Return one value."""
    return vault.value(parse(f"bw://{reference}")).reveal().decode()


@pytest.mark.parametrize("text", [encrypted(blank) for blank in BLANK] + ["", None], ids=range(len(BLANK) + 2))
def test_missing(text: str | None) -> None:
    """An empty value, white space alone, an empty text that is not encrypted, and null are all missing."""
    vault = vault_with(text)

    for reference in (*(f"item/{field}" for field in FIELDS), "card/card.number"):
        with pytest.raises(SecretNotFoundError) as caught:
            get(vault, reference)
        assert caught.value.code == "reference.no-field"
        name = reference.partition("/")[2]
        assert not any(f"did you mean `{name}`" in hint or f"are `{name}`" in hint for hint in caught.value.hints)
    values = vault.custom_fields(parse("bw://item"), [])
    assert (values["f"], values["linked"]) == (None, None)


@pytest.mark.parametrize("text", ODD)
def test_there(text: str) -> None:
    """What JavaScript does not know as white space is a value."""
    vault = vault_with(encrypted(text))

    assert [get(vault, f"item/{field}") for field in FIELDS if field != "totp"] == [text] * 6
    assert get(vault, "card/card.number") == text


@pytest.mark.parametrize("text", ["hello", " ", 0, False, 5, [], {}])
def test_broken(text: object) -> None:
    """What is something else than an encrypted text is broken, and not missing."""
    for reference in (*(f"item/{field}" for field in FIELDS), "card/card.number"):
        with pytest.raises(CryptoError):
            get(vault_with(text), reference)


def test_an_empty_custom_field_is_told() -> None:
    """A custom field that is there and empty is told as that."""
    for text in (encrypted(""), encrypted(" "), ""):
        with pytest.raises(SecretNotFoundError) as caught:
            get(vault_with(text), "item/f")
        assert caught.value.message == "the custom field `f` of item `item` is empty"


def test_a_box_without_a_value_is_not_ticked() -> None:
    """A box that was never ticked has no value, and counts as not ticked."""
    assert get(vault_with(None), "item/box") == "false"


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("passwordHistory", [None]), ("passwordHistory", [{"password": None}, {"password": ""}, 5]),
        ("attachments", [None]), ("fields", [None]),
    ],
)  # fmt: skip
def test_nothing_in_a_list(name: str, entries: list[Any]) -> None:
    """A null in a list, or an entry without what it is for, does not keep the item from being printed."""
    sync = copy.deepcopy(SYNC)
    sync["ciphers"][0] |= {name: entries}
    whole = json.loads(get(Vault(sync, KEYS), "item/json"))

    assert whole["login"]["password"] == "b"
    assert whole[name] == ([{}] if name == "attachments" else [{"type": 0}] if name == "fields" else [])


@pytest.mark.parametrize("entry", [None, {}, {"credentialId": None}, 5])
def test_no_passkey(entry: Any) -> None:  # noqa: ANN401  (JSON)
    """What is no passkey is not printed as one."""
    sync = copy.deepcopy(SYNC)
    sync["ciphers"][0]["login"]["fido2Credentials"] = [entry]

    assert json.loads(get(Vault(sync, KEYS), "item/json"))["login"]["fido2Credentials"] == []


def test_an_empty_key_is_none() -> None:
    """An item whose key is an empty text has none."""
    sync = copy.deepcopy(SYNC)
    sync["ciphers"][0]["key"] = ""

    assert get(Vault(sync, KEYS), "item") == "b"
    assert "key" not in json.loads(get(Vault(sync, KEYS), "item/json"))
