"""The names of a vault's items: all of them are decrypted when one is first looked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bwrun.base.errors import BwrunError
from bwrun.vault.decryption import Key, Record
from bwrun.vault.items import name_of


class Names:
    """The names of all items that can be opened, and the reasons why others cannot."""

    def __init__(self, records: Mapping[str, Record], key_of: Callable[[Record], Key]) -> None:
        """
        Decrypt the names of `records`, which are the items by their ids.

        `key_of` returns the key of an item's owner (the user key or an organization key); it raises BwrunError if
        there is none.
        """
        self.ids: dict[str, list[str]] = {}  # by name, in the vault's order
        self.unreadable: dict[str, str] = {}  # by id: the reason
        for identity, record in records.items():
            try:
                name = name_of(record, key_of(record), identity)
            except BwrunError as error:
                self.unreadable[identity] = error.message
            else:
                self.ids.setdefault(name, []).append(identity)
