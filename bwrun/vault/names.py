"""The names of a vault's items. They are decrypted when an item is first looked up by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bwrun.base.errors import BwrunError
from bwrun.vault.decryption import Key, Record
from bwrun.vault.items import name_of


class Names:
    """The names of all items, and the reasons why the names of some cannot be decrypted."""

    def __init__(self, records: Mapping[str, Record], key_of: Callable[[Record], Key]) -> None:
        """
        Decrypt the names of `records`, which are items by their ids.

        `key_of` returns the key of an item's owner, which is the user key or an organization's key.  It raises
        BwrunError if there is none.
        """
        self.ids: dict[str, list[str]] = {}  # ids by name, in the order of the vault
        self.unreadable: dict[str, str] = {}  # reasons by id
        for identity, record in records.items():
            try:
                name = name_of(record, key_of(record), identity)
            except BwrunError as error:
                self.unreadable[identity] = error.message
            else:
                self.ids.setdefault(name, []).append(identity)
