"""
Which items have a name: found without opening all of them, where they are of the usual form.

The length of an encrypted name excludes most items of a vault.  Of the others are opened those that are what the wanted
name becomes when it is encrypted, to see whether it is so.  Every item of another form (a sealed one, an odd one, one
under a key of a newer kind) is opened when a name is first asked for.  The outcome is that of opening all names, which
`everything` does: for a list, and for the hints where nothing fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bwrun.crypto.many import EqualSizes, encrypted_length
from bwrun.decryption import Key, Record, search_texts
from bwrun.errors import BwrunError
from bwrun.items import BLOB_MARK, name_of

Group = tuple[int, str | None, bool]  # the encrypted name's length, the organization, whether it has no key of its own


class AllNames(NamedTuple):
    """The names of all items."""

    by_name: dict[str, list[str]]  # ids
    unreadable: dict[str, str]  # by id, why the name does not open


class NameIndex:
    """The names of a vault's items, opened as far as they are asked for."""

    def __init__(self, records: Mapping[str, Record], key_of: Callable[[Record], Key]) -> None:
        """Take the items by id; `key_of` returns the key that one is under. Raises BwrunError: it has none."""
        self._records = records
        self._key_of = key_of
        self._all: AllNames | None = None
        self._groups: dict[Group, list[tuple[str, Record]]] | None = None  # of those not looked at yet
        self._searches: dict[int, list[tuple[EqualSizes, list[str]]]] = {}  # by the length of the encrypted names
        self._opened: dict[str, list[str]] = {}  # of those whose names had to be opened, the ids of each name
        self._candidates: dict[str, str | None] = {}  # the names of those that a search found

    def find(self, name: str) -> list[str]:
        """Return the ids of all items of a name, in the vault's order."""
        if self._all is not None:
            return self._all.by_name.get(name, [])
        plaintext = name.encode("utf-8", "replace")  # half a character is in no name that was encrypted
        size = encrypted_length(len(plaintext))
        if size not in self._searches:
            self._searches[size] = self._make_searches(size)
        found = list(self._opened.get(name, ()))
        for search, ids in self._searches[size]:
            found += [ids[number] for number in search.find(plaintext) if self._candidate(ids[number]) == name]
        if len(found) > 1:
            chosen = set(found)
            found = [identity for identity in self._records if identity in chosen]
        return found

    def everything(self) -> AllNames:
        """Open all names, once."""
        if self._all is None:
            self._all = AllNames({}, {})
            for identity, record in self._records.items():
                try:
                    name = name_of(record, self._key_of(record), identity)
                except BwrunError as error:
                    self._all.unreadable[identity] = error.message
                else:
                    self._all.by_name.setdefault(name, []).append(identity)
        return self._all

    def _make_searches(self, size: int) -> list[tuple[EqualSizes, list[str]]]:
        """Return searches of the names of a length, with the ids of each; open those that cannot be searched for."""
        if self._groups is None:
            self._groups = self._sort()
        searches = []
        for group in [group for group in self._groups if group[0] == size]:
            rows = self._groups.pop(group)
            try:
                key = self._key_of(rows[0][1])
            except BwrunError:
                continue
            wrapped = None if group[2] else [record["key"] for _, record in rows]
            numbers, search = search_texts([str(record["name"]) for _, record in rows], key, wrapped)
            searches.append((search, [rows[number][0] for number in numbers]))
            if len(numbers) < len(rows):
                for number in set(range(len(rows))) - set(numbers):
                    self._open_now(rows[number][0])
        return searches

    def _sort(self) -> dict[Group, list[tuple[str, Record]]]:
        """Return the items whose names are of type 2, by what they have in common; open all others."""
        groups: dict[Group, list[tuple[str, Record]]] = {}
        for row in self._records.items():
            record = row[1]
            name, data, owner = record.get("name"), record.get("data"), record.get("organizationId")
            # `_` is in nothing that a server repeats in `data`, and one character is found far sooner than a word.
            sealed = isinstance(data, str) and "_" in data and BLOB_MARK in data
            if isinstance(name, str) and name[:2] == "2." and not sealed and (owner is None or isinstance(owner, str)):
                group = (len(name), owner, record.get("key") is None)
                if group in groups:
                    groups[group].append(row)
                else:
                    groups[group] = [row]
            else:
                self._open_now(row[0])
        return groups

    def _open_now(self, identity: str) -> None:
        """Open the name of an item that cannot be searched for."""
        name = self._open(identity)
        if name is not None:
            self._opened.setdefault(name, []).append(identity)

    def _candidate(self, identity: str) -> str | None:
        """Return the name of an item that a search found, opened once."""
        if identity not in self._candidates:
            self._candidates[identity] = self._open(identity)
        return self._candidates[identity]

    def _open(self, identity: str) -> str | None:
        record = self._records[identity]
        try:
            return name_of(record, self._key_of(record), identity)
        except BwrunError:
            return None
