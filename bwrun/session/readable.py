"""
What of a vault the official CLI can take.

Its deserialiser is strict: one record that it does not expect makes every
`list` and `get` fail, of healthy items too.  So what it cannot read is left out
or emptied here: the single field, the record if there is no other way.  (Found
by experiment with @bitwarden/cli 2026.9.0.)
"""

from __future__ import annotations

import re

Record = dict[str, object]

# vault/models/enums/cipher-type.ts: which member holds an item's own fields.
TYPE_MEMBERS = {
    1: "login",
    2: "secureNote",
    3: "card",
    4: "identity",
    5: "sshKey",
    6: "bankAccount",
    7: "driversLicense",
    8: "passport",
}
ORGANIZATION_USER_TYPES = (0, 1, 2, 4)  # admin-console/enums/organization-user-type.enum.ts; 3 was a manager, once
USER = CONFIRMED = 2
POLICY_TYPES = range(23)
SSH_KEY_NEEDS = ("privateKey", "publicKey", "keyFingerprint")
FIDO2_NEEDS = ("credentialId", "keyType", "keyAlgorithm", "keyCurve", "keyValue", "rpId", "counter", "discoverable")
DATES = ("revisionDate", "creationDate", "deletedDate", "archivedDate")
LONG_AGO = "1970-01-01T00:00:00.000Z"
NUMBERS = frozenset(("type", "linkedId", "match", "autofillOnPageLoad"))  # numbers and booleans, not encrypted
PLAIN = frozenset(("passwordRevisionDate", "lastUsedDate", "creationDate"))  # texts that are not encrypted

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,9})?(Z|[+-]\d\d:\d\d)?"
)
_ENCRYPTED = re.compile(
    r"2\.[A-Za-z0-9+/]{22}==\|[A-Za-z0-9+/]+={0,2}\|[A-Za-z0-9+/]{43}="
    r"|0\.[A-Za-z0-9+/]{22}==\|[A-Za-z0-9+/]+={0,2}"
    r"|7\.[A-Za-z0-9+/]+={0,2}"
)


_encrypted = _ENCRYPTED.fullmatch


def is_date(value: object) -> bool:
    """Return whether `value` is a moment as servers write it; without one the CLI takes "now"."""
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def is_encrypted(value: object) -> bool:
    """Return whether `value` has the form of an EncString that an item may hold."""
    return isinstance(value, str) and _ENCRYPTED.fullmatch(value) is not None


def cipher(item: Record) -> Record | None:
    """Return the item as the CLI can read it, None if it cannot at all."""
    kind = item.get("type")
    member = TYPE_MEMBERS.get(kind) if isinstance(kind, int) else None
    key = item.get("key")
    owner = item.get("organizationId") or None
    if member is None or not is_id(item.get("id")) or (owner is not None and not is_id(owner)):
        return None
    if key is not None and not is_encrypted(key):
        return None
    edit = item.get("edit") is not False
    kept: Record = {
        "id": item["id"],
        "type": kind,
        "organizationId": owner,
        "folderId": _id(item.get("folderId")),
        "collectionIds": _ids(item.get("collectionIds")),
        "name": _text(item.get("name")),
        "notes": _text(item.get("notes")),
        "key": key,
        "favorite": bool(item.get("favorite")),
        "edit": edit,
        "viewPassword": item.get("viewPassword") is not False,
        "permissions": permissions(item.get("permissions"), edit=edit),
        "organizationUseTotp": bool(item.get("organizationUseTotp")),
        "reprompt": int(item.get("reprompt") in (1, True)),
    }
    blob = item.get("data")
    if isinstance(blob, str) and '"format_version"' in blob:
        kept["data"] = blob  # all of the item; otherwise the server only repeats it there
    else:
        own = kept[member] = _fields(item.get(member))
        if member == "sshKey" and any(own.get(name) is None for name in SSH_KEY_NEEDS):
            return None
    for name in DATES:
        date = item.get(name)
        if date is not None and is_date(date):
            kept[name] = date
    if item.get("deletedDate") and "deletedDate" not in kept:
        kept["deletedDate"] = LONG_AGO  # whenever it was, it is in the trash
    for name, clean in (("fields", _fields), ("attachments", _attachment), ("passwordHistory", _history)):
        entries = item.get(name)
        if isinstance(entries, list):
            kept[name] = [found for entry in entries if (found := clean(entry))]
    return kept


def is_id(value: object) -> bool:
    """Return whether `value` is a UUID, as every id is."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _id(value: object) -> object:
    return value if is_id(value) else None


def _ids(value: object) -> list[object]:
    return [entry for entry in value if is_id(entry)] if isinstance(value, list) else []


def permissions(value: object, *, edit: bool) -> Record:
    """Return both permissions, without which `bw delete` and `bw restore` are refused; old servers send none."""
    if not isinstance(value, dict):
        return {"delete": edit, "restore": edit}
    return {"delete": bool(value.get("delete")), "restore": bool(value.get("restore"))}


def _text(value: object) -> object:
    return value if is_encrypted(value) else None


def _fields(value: object) -> Record:
    """Return an object with each text that is not encrypted, and should be, emptied."""
    if not isinstance(value, dict):
        return {}
    cleaned: Record = {}
    for name, inner in value.items():
        if inner is None:
            cleaned[name] = None
        elif isinstance(inner, str):
            kept = is_date(inner) if name in PLAIN else _encrypted(inner)
            cleaned[name] = inner if kept else None
        elif name == "uris" and isinstance(inner, list):
            cleaned[name] = [_fields(entry) for entry in inner]
        elif name == "fido2Credentials" and isinstance(inner, list):
            found = [_fields(entry) for entry in inner]
            cleaned[name] = [one for one in found if is_passkey(one)]
        elif name in NUMBERS and isinstance(inner, int):
            cleaned[name] = inner
    return cleaned


def is_passkey(value: object) -> bool:
    """Return whether all is there that the CLI needs of a passkey."""
    return isinstance(value, dict) and all(value.get(need) is not None for need in FIDO2_NEEDS)


def _attachment(value: object) -> Record | None:
    if not isinstance(value, dict) or not is_encrypted(value.get("fileName")):
        return None
    record = {name: value[name] if isinstance(value.get(name), str) else None for name in ("id", "url", "sizeName")}
    if record["id"] is None:
        return None
    size = value.get("size")
    return record | {
        "fileName": value["fileName"],
        "key": _text(value.get("key")),
        "size": str(size) if isinstance(size, (int, str)) and str(size).isdigit() else "0",
    }


def _history(value: object) -> Record | None:
    if not isinstance(value, dict) or not is_encrypted(value.get("password")):
        return None
    used = value.get("lastUsedDate")
    return {"password": value["password"], "lastUsedDate": used if is_date(used) else LONG_AGO}


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


def policy(one: Record) -> Record | None:
    """Return a policy's record, None if the CLI cannot read it."""
    if not isinstance(one.get("type"), int) or one["type"] not in POLICY_TYPES:
        return None
    if not is_id(one.get("id")) or not is_id(one.get("organizationId")):
        return None
    record = {name: one.get(name) for name in ("id", "organizationId", "type", "data")}
    date = one.get("revisionDate")
    return record | {"enabled": bool(one.get("enabled")), "revisionDate": date if is_date(date) else None}


def collection(one: Record) -> Record | None:
    """Return a collection's record, None if it has no name that can be opened."""
    if not is_encrypted(one.get("name")) or not is_id(one.get("organizationId")):
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


def folder(one: Record) -> Record | None:
    """Return a folder's record, None if it has no name that can be opened."""
    if not is_encrypted(one.get("name")):
        return None
    return {name: one.get(name) for name in ("id", "name", "revisionDate")}
