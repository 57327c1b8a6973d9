"""
The typed fields of an item (`name`, `login` and so on), wherever the server sends them.

The official server will stop sending typed fields.  Their content is also in `data`, as JSON in a text
(bitwarden/server:src/Api/Vault/Models/Response/CipherResponseModel.cs).  Of a leased item, it sends only the name and
the addresses, in `partialData` (…/src/Core/Vault/Models/Data/PartialCipherData.cs).  With a lease, the reply to a
request for that item alone contains the rest.
"""

from __future__ import annotations

import json

from bwrun.references import fields
from bwrun.vault.decryption import Record
from bwrun.vault.sync import camel_case

OF_ALL_TYPES = ("name", "notes", "fields", "passwordHistory")
BLOB_MARK = '"format_version"'  # is part of `data` in blob items only


def with_typed_fields(record: Record) -> Record:
    """
    Return an item with its typed fields. If it lacks them, they are taken from `data` or `partialData`.

    An item without a type becomes a login, as in the official CLI.
    """
    if "type" not in record:
        record = {**record, "type": fields.LOGIN}
    kind = record["type"]
    member = fields.MEMBERS.get(kind) if type(kind) is int else None
    if record.get("name") is not None and (member is None or record.get(member) is not None):
        return record
    found = _read(record.get("data"))
    if found is None:
        found = _read(record.get("partialData"))
    if found is None:
        return record
    taken: Record = {name: found.pop(name, None) for name in OF_ALL_TYPES}
    if member is not None:
        taken[member] = found
    return record | {name: value for name, value in taken.items() if record.get(name) is None}


def is_leased(record: Record) -> bool:
    """Return whether the server sent an item without its secrets, because they can only be read with a lease."""
    return record.get("partialData") is not None


def has_blob(record: Record) -> bool:
    """Return whether an item is a blob item, whose content is encrypted as a whole."""
    data = record.get("data")
    if not isinstance(data, str) or BLOB_MARK not in data:
        return False
    found = _parse(data)
    return isinstance(found, dict) and "format_version" in found


def _read(data: object) -> Record | None:
    """Return the typed fields in `data`, None if there are none. Old servers send an object instead of a text."""
    if isinstance(data, str):
        data = None if BLOB_MARK in data else _parse(data)
    if not isinstance(data, dict):
        return None
    named = camel_case(data)
    return named if isinstance(named, dict) else None


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
