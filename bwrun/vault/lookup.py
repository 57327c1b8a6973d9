"""
Finding items by their ids, names and places.

If several items have a name, items that can be used are preferred to archived ones, and these to items in the trash and
items of a disabled organization.
"""

from __future__ import annotations

from collections.abc import Mapping

from bwrun.base.errors import AmbiguousReferenceError, SecretNotFoundError
from bwrun.references.grammar import Reference, is_id, near_names
from bwrun.vault.decryption import Record
from bwrun.vault.names import Names
from bwrun.vault.places import Narrowing, Places
from bwrun.vault.same_names import form_of, same_names

SHOWN = 10  # of the items that fit, or that cannot be opened, in a hint
UNUSABLE = 2  # the rank of an item in the trash or of a disabled organization


class Lookup:
    """The items of a vault by their ids, names and places."""

    def __init__(self, records: Mapping[str, Record], places: Places) -> None:
        """Take the items by their ids, which are in lower case."""
        self._records = records
        self._places = places
        self._opened_names: Names | None = None

    @property
    def names(self) -> Names:
        """The names of all items."""
        if self._opened_names is None:
            self._opened_names = Names(self._records, self._places.key_of)
        return self._opened_names

    def find(self, reference: Reference) -> str:
        """
        Return the id of the item to which a reference refers.

        Raises SecretNotFoundError, AmbiguousReferenceError.
        """
        narrowing = self._places.narrow(reference)
        if is_id(reference.item):
            record = self._records.get(reference.item.lower())
            if record is None or not narrowing.has(record):
                raise SecretNotFoundError("not-found", f"no item has the id {reference.item}{narrowing.words}")
            return reference.item.lower()
        same = same_names(reference.item, self.names.ids)
        named = [identity for name in same for identity in self.names.ids[name]]
        fitting = [identity for identity in named if narrowing.has(self._records[identity])]
        if not fitting:
            raise self._not_found(reference, narrowing, named)
        best = min(self._rank(identity) for identity in fitting)
        found = [identity for identity in fitting if self._rank(identity) == best]
        if len(found) > 1:
            raise self._ambiguous(reference, narrowing, found)
        return found[0]

    def find_all(self, selector: Reference) -> list[str]:
        """
        Return the ids of all items in the places of a selector without an item, except those in the trash.

        A folder means its subfolders, too.

        Raises SecretNotFoundError: there is no such place, or no item in it.
        """
        narrowing = self._places.narrow(selector, with_subfolders=True)
        found = [
            identity
            for identity, record in self._records.items()
            if narrowing.has(record) and self._rank(identity) < UNUSABLE
        ]
        if not found:
            raise SecretNotFoundError("not-found", f"there is no item{narrowing.words}")
        return found

    def _rank(self, identity: str) -> int:
        """Return which items of one name are preferred: 0 can be used, 1 is archived, UNUSABLE."""
        record = self._records[identity]
        if record.get("deletedDate") is not None or self._places.is_disabled(record):
            return UNUSABLE
        return 0 if record.get("archivedDate") is None else 1

    def _ambiguous(self, reference: Reference, narrowing: Narrowing, found: list[str]) -> AmbiguousReferenceError:
        hints = [f"use the id: {self._described_all(found)}"]
        records = [self._records[identity] for identity in found]
        places = self._places.distinguishing(records)
        if places:
            hints.append(f"or add the place to the reference: {', '.join(f'`{one}`' for one in places[:SHOWN])}")
        names = {name: form_of(name) for name, ids in self.names.ids.items() if not set(ids).isdisjoint(found)}
        if len(names) > 1:
            forms = " and ".join(sorted(set(names.values())))
            hints.append(f"the names look the same, but their accents are stored in different Unicode forms: {forms}")
        return AmbiguousReferenceError(f"{len(found)} items are called `{reference.item}`{narrowing.words}", *hints)

    def _not_found(self, reference: Reference, narrowing: Narrowing, named: list[str]) -> SecretNotFoundError:
        named = [identity for identity in named if not self.is_trashed(identity)]
        hints = [f"there are items of this name elsewhere: {self._described_all(named)}"] if named else []
        alive = [name for name, ids in self.names.ids.items() if not all(map(self.is_trashed, ids))]
        near = near_names(reference.item, alive) if not named else []
        hints += [f"did you mean {' or '.join(f'`{name}`' for name in near)}?"] if near else []
        unreadable = [identity for identity in self.names.unreadable if not self.is_trashed(identity)]
        if unreadable:
            some = ", ".join(unreadable[:SHOWN]) + (", …" if unreadable[SHOWN:] else "")
            hints.append(f"bwrun cannot decrypt the names of {len(unreadable)} items: {some}")
        return SecretNotFoundError("not-found", f"no item is called `{reference.item}`{narrowing.words}", *hints)

    def _described_all(self, found: list[str]) -> str:
        return ", ".join(map(self._described, found[:SHOWN])) + (", …" if found[SHOWN:] else "")

    def _described(self, identity: str) -> str:
        return f"bw://{identity} ({self._places.describe(self._records[identity])})"

    def is_trashed(self, identity: str) -> bool:
        """Return whether an item is in the trash."""
        return self._records[identity].get("deletedDate") is not None
