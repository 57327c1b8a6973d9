"""
The items of a large vault as the official CLI can take them, in a third of the time: the usual ones.

`sane.cipher` looks at each character of each text, and copies each object.  An item here is taken for a usual one,
whose parts need not change and are not copied, and all that is assumed of its texts is noted; then the texts of many
items are looked at together: with every digit made the same one they are among a few patterns.  Whatever is not as
assumed goes to `sane.cipher`, so the outcome is its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any

from bwrun.session import sane
from bwrun.session.sane import Record

CHUNK = 200  # items whose texts are looked at together: one that is odd makes these slow, not all

BASE64 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", b"A" * 64)
DECIMAL = bytes.maketrans(b"0123456789", b"0" * 10)
HEXADECIMAL = bytes.maketrans(b"0123456789abcdefABCDEF", b"0" * 22)
DATE = re.compile(rb"0000-00-00T00:00:00(\.0{1,9})?(Z|[+-]00:00)?")
ID = b"00000000-0000-0000-0000-000000000000"
SIXTY = frozenset(f"{number:02}" for number in range(60))
# Where in a date its numbers are, and which they can be.
RANGES = (
    (itemgetter(slice(5, 10)), frozenset(f"{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 32))),
    (itemgetter(slice(11, 13)), frozenset(f"{hour:02}" for hour in range(24))),
    (itemgetter(slice(14, 16)), SIXTY),
    (itemgetter(slice(17, 19)), SIXTY),
)
PERMISSIONS: Record = {"delete": True, "restore": True}  # one for all items: nobody changes it


def ciphers(items: Sequence[Record]) -> list[Record]:
    """Return the items that the CLI can read, each as `sane.cipher` gives it."""
    found: list[Record | None] = []
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        assumed = Assumed()
        kept = [assumed.keep(item) for item in chunk]
        if not assumed.holds():
            kept = [None] * len(chunk)
        found += [sane.cipher(item) if one is None else one for item, one in zip(chunk, kept, strict=True)]
    return [item for item in found if item is not None]


class Assumed:
    """What is assumed of values until all are looked at: that each is a text of a form, or nothing."""

    def __init__(self) -> None:
        """Assume nothing yet."""
        self._ids: list[object] = []
        self._dates: list[object] = []
        self._encrypted: list[object] = []

    def keep(self, item: Record) -> Record | None:
        """Return an item as the CLI can read it if all texts are right, None if it is not a usual one."""
        get = item.get
        kind, data = get("type"), get("data")
        member = sane.TYPE_MEMBERS.get(kind, "") if type(kind) is int else ""
        own = get(member)
        # `_` is in nothing that servers repeat in `data`, and in all that they put nowhere else.
        if not member or not isinstance(own, dict) or member == "sshKey" or (isinstance(data, str) and "_" in data):
            return None
        identity, owner, folder = get("id"), get("organizationId") or None, get("folderId") or None
        name, notes, key = get("name") or None, get("notes") or None, get("key")
        permissions, collections, edit = get("permissions"), get("collectionIds") or [], get("edit") is not False
        if not isinstance(identity, str) or not isinstance(collections, list) or None in collections:
            return None
        if not self._stays(own):
            return None
        kept: Record = {
            "id": identity,
            "type": kind,
            "organizationId": owner,
            "folderId": folder,
            "collectionIds": collections,
            "name": name,
            "notes": notes,
            "key": key,
            "favorite": bool(get("favorite")),
            "edit": edit,
            "viewPassword": get("viewPassword") is not False,
            "permissions": PERMISSIONS if permissions == PERMISSIONS else sane.permissions(permissions, edit=edit),
            "organizationUseTotp": bool(get("organizationUseTotp")),
            "reprompt": 1 if get("reprompt") in (1, True) else 0,
            member: own,
        }
        self._ids += (identity, owner, folder, *collections)
        self._encrypted += (name, notes, key)
        for date in sane.DATES:
            moment = get(date)
            if moment is not None:
                self._dates.append(moment)
                kept[date] = moment
        return kept if self._add_lists(kept, get("fields"), get("passwordHistory"), get("attachments")) else None

    def _add_lists(self, kept: Record, fields: object, history: object, attachments: object) -> bool:
        """Add what is a list of objects; return whether all of them stay as they are."""
        if fields is not None:
            if not isinstance(fields, list) or not all(map(self._stays, fields)):
                return False
            kept["fields"] = fields
        if history is not None:
            if not isinstance(history, list) or not all(map(self._is_history, history)):
                return False
            kept["passwordHistory"] = history
        return attachments is None

    def _stays(self, value: object) -> bool:
        """Return whether nothing of an object must be emptied or left out."""
        if not isinstance(value, dict) or not value:
            return False
        for name, inner in value.items():
            if inner is None:
                continue
            if isinstance(inner, str):
                (self._dates if name in sane.PLAIN else self._encrypted).append(inner)
            elif isinstance(inner, list):
                if not self._all_stay(name, inner):
                    return False
            elif name not in sane.NUMBERS or not isinstance(inner, int):
                return False
        return True

    def _all_stay(self, name: str, values: list[object]) -> bool:
        """Return the same of a login's addresses or passkeys."""
        for value in values:
            if not self._stays(value):
                return False
        return name == "uris" or (name == "fido2Credentials" and all(map(sane.is_passkey, values)))

    def _is_history(self, value: object) -> bool:
        if not isinstance(value, dict) or len(value) != 2:
            return False
        password, used = value.get("password"), value.get("lastUsedDate")
        self._encrypted.append(password)
        self._dates.append(used)
        return password is not None and used is not None

    def holds(self) -> bool:
        """Return whether all is as assumed; False as well for what is right and rare."""
        try:
            return _are_ids(self._ids) and _are_dates(self._dates) and _are_encrypted(self._encrypted)
        except TypeError:  # some value is no text
            return False


def _are_ids(values: Iterable[Any]) -> bool:
    return _patterns([value for value in values if value is not None], HEXADECIMAL) <= {ID}


def _are_dates(values: Iterable[Any]) -> bool:
    dates = set(values)
    return all(map(DATE.fullmatch, _patterns(dates, DECIMAL))) and all(
        allowed.issuperset(map(part, dates)) for part, allowed in RANGES
    )


def _are_encrypted(values: Iterable[Any]) -> bool:
    texts = [value for value in values if value is not None]
    joined = "\n".join(texts).encode("ascii", "replace").translate(BASE64)
    return joined == b"\n".join(map(SHAPES.__getitem__, map(len, texts))) and {text[0] for text in texts} <= {"2"}


class _Shapes(dict[int, bytes]):
    """The shape that EncStrings of type 2 have, by their length; made when one is first met."""

    def __missing__(self, size: int) -> bytes:
        digits = size - len("2.") - 24 - len("||") - 44
        if digits <= 0:
            return b"none"
        padding = -(digits * 3 // 4 // 16 * 16) % 3
        data = b"A" * (digits - padding) + b"=" * padding
        self[size] = b"A." + b"A" * 22 + b"==|" + data + b"|" + b"A" * 43 + b"="
        return self[size]


SHAPES = _Shapes()


def _patterns(texts: Collection[Any], table: bytes) -> set[bytes]:
    """Return what the texts are when a table has made many characters the same; those that are not ASCII are `?`."""
    found = "\n".join(texts).encode("ascii", "replace").translate(table).split(b"\n") if texts else []
    return set(found) if len(found) == len(texts) else {b"more lines than texts"}
