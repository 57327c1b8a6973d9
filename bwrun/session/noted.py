"""The items of a large vault as data.json has them, written piece by piece while the vault is read."""

from __future__ import annotations

from collections.abc import Collection

from bwrun.jsontext import write_much
from bwrun.session.sane import Record
from bwrun.session.usual import ciphers

Owner = str | None  # an organization's id


class NotedItems:
    """What was noted: texts like `"ID":{…},"ID":{…}`, each of one owner's items."""

    def __init__(self) -> None:
        """Nothing is noted yet."""
        self._parts: list[tuple[Owner, bytes]] = []

    def note(self, records: list[Record]) -> None:
        """
        Note some items, as far as the CLI can read them.

        Raises TypeError: something in them cannot be written.
        """
        by_owner: dict[Owner, Record] = {}
        for one in ciphers(records):
            owner = one["organizationId"]
            by_owner.setdefault(owner if isinstance(owner, str) else None, {})[str(one["id"])] = one
        self._parts += [(owner, write_much(some)[1:-1]) for owner, some in by_owner.items()]

    def texts(self, owners: Collection[str]) -> list[bytes]:
        """Return the object of all items that are nobody's or of one of `owners`, in parts."""
        chosen = [part for owner, part in self._parts if owner is None or owner in owners]
        return [b"{", *[text for part in chosen for text in (part, b",")][:-1], b"}"]
