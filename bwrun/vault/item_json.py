"""
A whole item as `bw get item ID` of the official CLI prints it.

Facts: the CLI's apps/cli/src/vault/models/{cipher,attachment,password-history}.response.ts and login.response.ts over
libs/common/src/models/export/*.export.ts; compared with @bitwarden/cli 2026.9.0.  The CLI leaves out what has no value;
only passwordRevisionDate, and what the organization hides from the user, are null.  Dates have milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date

from bwrun.references import fields
from bwrun.vault.dates import read_date, write_date
from bwrun.vault.decryption import Record, as_text
from bwrun.vault.items import CustomField, Item

PASSKEY_VALUES = ("counter", "discoverable")
PASSKEY_TEXTS = tuple(name for name in fields.PASSKEY_NEEDS if name not in PASSKEY_VALUES)
PASSKEY_MAY_HAVE = ("userHandle", "userName", "rpName", "userDisplayName")
SSH_KEY_TEXTS = fields.TEXTS[fields.SSH_KEY]
DAYS = ("dateOfBirth", "issueDate", "expirationDate")


def item_json(item: Item) -> str:
    """Return the item in one line of JSON. Raises CryptoError: a part of it cannot be decrypted."""
    return json.dumps(whole_item(item), ensure_ascii=False, separators=(",", ":"))


def whole_item(item: Item) -> Record:
    """
    Return the item as the CLI prints it.

    If the organization hides the password from the user, so are the authenticator key, hidden custom fields and former
    passwords, as in the CLI.

    Raises CryptoError.
    """
    record = item.record
    hidden = item.hides_password
    whole: Record = {
        "object": "item",
        "id": item.id,
        "organizationId": _text(record.get("organizationId")),
        "folderId": _text(record.get("folderId")),
        "type": item.kind or None,
        "reprompt": int(record.get("reprompt") in (1, True)),
        "name": item.name(),
        "notes": item.notes(),
        "key": record.get("key") or None,
        "favorite": bool(record.get("favorite")),
        "fields": [_field(item, one, hidden=hidden) for one in item.custom_fields()],
        "passwordHistory": None if hidden else [_former(item, entry) for entry in item.password_history()],
        "collectionIds": _ids(record.get("collectionIds")),
        "attachments": [_attachment(item, entry) for entry in item.attachments()],
    }
    if item.kind:
        whole[fields.MEMBERS[item.kind]] = _own(item, hidden=hidden)
    dates = {
        f"{name}Date": _date(record.get(f"{name}Date")) for name in ("creation", "revision", "deleted", "archived")
    }
    return _present(whole | dates)


def _own(item: Item, *, hidden: bool) -> Record:
    """Return the object that only items of this type have."""
    if item.kind == fields.LOGIN:
        return _login(item, hidden=hidden)
    if item.kind == fields.SECURE_NOTE:
        return {"type": 0}
    texts = {name: item.own_text(name) for name in fields.TEXTS[item.kind]}
    if item.kind == fields.SSH_KEY:
        is_there = texts["privateKey"] is not None
        return {name: (texts[name] or "") if is_there else "" for name in SSH_KEY_TEXTS}
    if item.kind in (fields.DRIVERS_LICENSE, fields.PASSPORT):
        texts |= {name: _day(texts[name]) for name in DAYS if name in texts}
    return _present(texts)


def _login(item: Item, *, hidden: bool) -> Record:
    login = _present(
        {
            "uris": [_present({"uri": uri, "match": match}) for uri, match in item.uris()],
            "username": item.own_text("username"),
            "password": item.own_text("password"),
            "totp": item.own_text("totp"),
            "fido2Credentials": [_passkey(item, entry) for entry in item.passkeys()],
        }
    )
    login["passwordRevisionDate"] = _date(item.member().get("passwordRevisionDate"))
    return login | ({"password": None, "totp": None} if hidden else {})


def _passkey(item: Item, entry: Record) -> Record:
    def text(name: str) -> str | None:
        value = entry.get(name)
        if name in PASSKEY_VALUES and isinstance(value, int):  # so in a blob; in other items they are encrypted texts
            return str(value).lower()
        return item.text(value, "a passkey")

    counter = (text("counter") or "").strip()
    return _present(
        {name: text(name) or "" for name in PASSKEY_TEXTS}
        | {name: text(name) for name in PASSKEY_MAY_HAVE}
        | {
            "counter": str(int(counter)) if counter.isascii() and counter.isdecimal() and len(counter) < 20 else "NaN",
            "discoverable": "true" if (text("discoverable") or "").lower() == "true" else "false",
            "creationDate": _date(entry.get("creationDate")),
        }
    )


def _field(item: Item, one: CustomField, *, hidden: bool) -> Record:
    value = item.text(one.value, f"the custom field `{one.name}`")
    shown = _present({"name": one.name, "value": value, "type": one.kind, "linkedId": one.linked_id})
    return shown | ({"value": None} if hidden and one.kind == fields.HIDDEN else {})


def _former(item: Item, entry: Record) -> Record:
    password = item.text(entry.get("password"), "a former password") or ""
    return _present({"lastUsedDate": _date(entry.get("lastUsedDate")), "password": password})


def _attachment(item: Item, entry: Record) -> Record:
    size = entry.get("size")
    return _present(
        {name: _text(entry.get(name)) for name in ("id", "sizeName", "url")}
        | {"fileName": item.file_name(entry), "size": str(size) if type(size) is int else _text(size)}
    )


def _present(record: Mapping[str, object]) -> Record:
    """Return the members that have a value, because JSON.stringify leaves out the others."""
    return {name: value for name, value in record.items() if value is not None}


def _text(value: object) -> str | None:
    return as_text(value) or None


def _ids(value: object) -> list[str]:
    return [text for one in value if (text := _text(one))] if isinstance(value, list) else []


def _day(text: str | None) -> str | None:
    """Return a day as the SDK writes it, None for what it does not read as one (…/cipher/drivers_license.rs)."""
    try:
        year, month, day = map(int, (text or "").strip().split("-"))
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _date(value: object) -> str | None:
    """Return a moment as JavaScript writes it, None for what is none."""
    moment = None if value is None else read_date(value)
    return None if moment is None else write_date(moment)
