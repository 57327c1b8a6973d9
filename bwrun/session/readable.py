"""
What the official CLI can read of a vault.

The CLI is strict: a single record that it does not expect makes each `bw list` fail, and a single field that has
another form than it expects makes the whole record such a one.  This module removes what the CLI cannot read, and
nothing else: the field if that is enough, or else the record.  What it removes, it tells its caller.

Found by experiment: tests/official compares, for many damaged items, what @bitwarden/cli 2026.9.0 reads in a session
with what it reads after a login of its own.  Where the CLI ends with an error, what is said here is what the session
has instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bwrun.references.fields import MEMBERS, PASSKEY_NEEDS, SSH_KEY
from bwrun.vault.dates import is_usual_date, read_date, write_date
from bwrun.vault.typed_fields import has_blob

Record = dict[str, Any]
Removed = list[str]  # names of the fields that were removed, e.g. `login.uris.0.uri`

ORGANIZATION_USER_TYPES = (0, 1, 2, 4)  # admin-console/enums/organization-user-type.enum.ts; 3 was a manager, once
USER = CONFIRMED = 2
POLICY_TYPES = range(23)
DATES = ("revisionDate", "creationDate", "deletedDate", "archivedDate")
LONG_AGO = "1970-01-01T00:00:00.000Z"
STATES = ("deletedDate", "archivedDate")  # an item with one is in the trash, or archived
NUMBERS = frozenset(("type", "linkedId", "match"))
PLAIN_DATES = frozenset(("passwordRevisionDate", "creationDate"))  # dates among encrypted texts
UNUSED = frozenset(("uri", "object"))  # the CLI does not read these of a login: its addresses are in `uris`

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BASE64 = "[A-Za-z0-9+/]"
_ENCSTRING = re.compile(
    rf"2\.{_BASE64}{{22}}=*\|({_BASE64}*)=*\|{_BASE64}{{43}}=*"
    rf"|(?:0\.)?{_BASE64}{{22}}=*\|({_BASE64}*)=*"
    rf"|7\.({_BASE64}*)=*"
)


def is_id(value: object) -> bool:
    """Return whether `value` is a UUID, as every id is."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def is_encrypted(value: object) -> bool:
    """
    Return whether the CLI reads `value` as an EncString: one of type 0, 2 or 7, whatever is in it.

    (bitwarden/sdk-internal:crates/bitwarden-crypto/src/enc_string/symmetric.rs, crates/bitwarden-encoding/src/b64.rs:
    without a type in front it is one of type 0, and the padding may be missing.)
    """
    found = _ENCSTRING.fullmatch(value) if isinstance(value, str) else None
    return found is not None and len(found[found.lastindex or 0]) % 4 != 1


def cipher(item: Record, removed: Removed) -> Record | None:
    """Return an item as the CLI can read it, None if it cannot; add to `removed` what it cannot read."""
    kind = item.get("type")
    member = MEMBERS.get(kind) if type(kind) is int else None
    key, owner = item.get("key") or None, item.get("organizationId") or None
    needed = {
        "id": is_id(item.get("id")),
        "type": member is not None,
        "organizationId": owner is None or is_id(owner),
        "key": key is None or is_encrypted(key),
    }
    if not _has(needed, removed):
        return None
    edit = item.get("edit") is not False
    kept: Record = {
        "id": item["id"],
        "type": kind,
        "organizationId": owner,
        "folderId": _id(item.get("folderId"), "folderId", removed),
        "collectionIds": _ids(item.get("collectionIds"), removed),
        "name": _text(item.get("name"), "name", removed),
        "notes": _text(item.get("notes"), "notes", removed),
        "key": key,
        "favorite": bool(item.get("favorite")),
        "edit": edit,
        "viewPassword": item.get("viewPassword") in (None, True),
        "permissions": permissions(item.get("permissions"), edit=edit),
        "organizationUseTotp": bool(item.get("organizationUseTotp")),
        "reprompt": int(item.get("reprompt") in (1, True)),
    }
    if has_blob(item):
        kept["data"] = item["data"]  # all of the item's fields, sealed
    elif member is not None and item.get(member) is not None:
        kept[member] = _own(item[member], member, removed)
    for name in DATES:
        date = _date(item.get(name), name, removed)
        if date is None and name in STATES and item.get(name) is not None:
            date = LONG_AGO  # it is in the trash or archived, since whenever that is
        if date is not None:
            kept[name] = date
    for name, read in (("fields", _contents), ("attachments", _attachment), ("passwordHistory", _former_password)):
        if item.get(name) is not None:
            kept[name] = _entries(item[name], name, read, removed)
    return kept


def _has(needed: Mapping[str, bool], removed: Removed) -> bool:
    """Return whether a record has what the CLI needs; the first field that it has not is added to `removed`."""
    lacking = [name for name, fits in needed.items() if not fits]
    removed += lacking[:1]
    return not lacking


def permissions(value: object, *, edit: bool) -> Record:
    """Return both permissions, without which `bw delete` and `bw restore` are refused; old servers send none."""
    if not isinstance(value, dict):
        return {"delete": edit, "restore": edit}
    return {"delete": bool(value.get("delete")), "restore": bool(value.get("restore"))}


def _own(value: object, member: str, removed: Removed) -> Record | None:
    """Return what only items of one type have."""
    used = {name: inner for name, inner in value.items() if name not in UNUSED} if isinstance(value, dict) else value
    own = _contents(used, member, removed)
    if member != MEMBERS[SSH_KEY] or own.get("privateKey") is not None:
        return own
    if f"{member}.privateKey" not in removed:
        removed.append(member)  # the CLI reads no SSH key without a private key
    return None


def _id(value: object, place: str, removed: Removed) -> object:
    if not value or is_id(value):
        return value or None
    removed.append(place)
    return None


def _ids(value: object, removed: Removed) -> list[object]:
    entries = value if isinstance(value, list) else []
    found = [entry for entry in entries if is_id(entry)]
    if len(found) < len(entries) or (value and not entries):
        removed.append("collectionIds")
    return found


def _text(value: object, place: str, removed: Removed) -> object:
    if value is None or is_encrypted(value):
        return value
    if value != "":  # with an empty text, which the CLI cannot read either, nothing is lost
        removed.append(place)
    return None


def _date(value: object, place: str, removed: Removed) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and is_usual_date(value):
        return value
    moment = read_date(value)
    if moment is None:
        removed.append(place)
    return None if moment is None else write_date(moment)


def _entries(value: object, place: str, read: Reader, removed: Removed) -> list[Record]:
    """Return what `read` makes of each entry of a list."""
    if not isinstance(value, list):
        removed.append(place)
        return []
    found = (read(entry, f"{place}.{number}", removed) for number, entry in enumerate(value))
    return [entry for entry in found if entry is not None]


def _contents(value: object, place: str, removed: Removed) -> Record:
    """Return an object of encrypted texts; what is no object is to the CLI one without any."""
    kept: Record = {}
    for name, inner in value.items() if isinstance(value, dict) else ():
        if inner is None:
            kept[name] = None
        elif name in NUMBERS:
            if type(inner) is int:  # the CLI takes any other value as none
                kept[name] = inner
        elif name in PLAIN_DATES:
            kept[name] = _date(inner, f"{place}.{name}", removed)
        elif name in LISTS:
            kept[name] = _entries(inner, f"{place}.{name}", LISTS[name], removed)
        elif name == "autofillOnPageLoad":
            kept[name] = inner if isinstance(inner, bool) else None
        elif name != "object":
            kept[name] = _text(inner, f"{place}.{name}", removed)
    return kept


def _passkey(value: object, place: str, removed: Removed) -> Record | None:
    kept = {"creationDate": None} | _contents(value, place, removed)
    if all(kept.get(need) is not None for need in PASSKEY_NEEDS):
        return kept
    removed.append(place)
    return None


def _attachment(value: object, place: str, removed: Removed) -> Record:
    found = value if isinstance(value, dict) else {}
    kept: Record = {name: _text(found.get(name), f"{place}.{name}", removed) for name in ("fileName", "key")}
    for name in ("id", "url", "size", "sizeName"):  # in clear
        text = found.get(name)
        if type(text) is int:
            text = str(text)
        if text is not None and not isinstance(text, str):
            removed.append(f"{place}.{name}")
            text = None
        kept[name] = text
    return kept


def _former_password(value: object, place: str, removed: Removed) -> Record | None:
    found = value if isinstance(value, dict) else {}
    if not is_encrypted(found.get("password")):
        removed.append(place)
        return None
    date = _date(found.get("lastUsedDate"), f"{place}.lastUsedDate", removed)
    return {"password": found["password"], "lastUsedDate": LONG_AGO if date is None else date}


Reader = Callable[[object, str, Removed], Record | None]
LISTS: dict[str, Reader] = {"uris": _contents, "fido2Credentials": _passkey}


def organization(one: Record, *, events: bool) -> Record:
    """Return an organization's record; `events`: whether the CLI may report accesses to it."""
    record = {name: value for name, value in one.items() if name not in ("key", "object", "privateKey")}
    kind = one.get("type")
    return record | {
        "status": one["status"] if isinstance(one.get("status"), int) else CONFIRMED,
        "type": kind if isinstance(kind, int) and kind in ORGANIZATION_USER_TYPES else USER,
        "enabled": one.get("enabled") is not False,
        "usePolicies": bool(one.get("usePolicies")),
        "useEvents": bool(one.get("useEvents")) and events,
        "useAccessIntelligence": bool(one.get("useRiskInsights")),
        "isMember": True,
        "isProviderUser": False,
    }


def policy(one: Record, removed: Removed) -> Record | None:
    """Return a policy's record, None if the CLI cannot read it."""
    kind = one.get("type")
    needed = {
        "id": is_id(one.get("id")),
        "organizationId": is_id(one.get("organizationId")),
        "type": type(kind) is int and kind in POLICY_TYPES,
    }
    if not _has(needed, removed):
        return None
    record = {name: one.get(name) for name in ("id", "organizationId", "type", "data")}
    return record | {
        "enabled": bool(one.get("enabled")),
        "revisionDate": _date(one.get("revisionDate"), "revisionDate", removed),
    }


def collection(one: Record, removed: Removed) -> Record | None:
    """Return a collection's record, None if it has no name that can be opened."""
    needed = {
        "id": is_id(one.get("id")),
        "organizationId": is_id(one.get("organizationId")),
        "name": is_encrypted(one.get("name")),
    }
    if not _has(needed, removed):
        return None
    texts = ("externalId", "defaultUserCollectionEmail")
    return {
        **{name: one.get(name) for name in ("id", "organizationId", "name")},
        **{name: one[name] if isinstance(one.get(name), str) else None for name in texts},
        "readOnly": bool(one.get("readOnly")),
        "manage": bool(one.get("manage")),
        "hidePasswords": bool(one.get("hidePasswords")),
        "type": 1 if one.get("type") == 1 else 0,
    }


def folder(one: Record, removed: Removed) -> Record | None:
    """Return a folder's record, None if it has no name that can be opened."""
    needed = {"id": is_id(one.get("id")), "name": is_encrypted(one.get("name"))}
    if not _has(needed, removed):
        return None
    return {name: one.get(name) for name in ("id", "name", "revisionDate")}
