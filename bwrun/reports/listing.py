"""The output of `--list`: the items of the vault, each with its reference, without any value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bwrun.base.output import write_out
from bwrun.reports.tables import as_json, table
from bwrun.settings.config import Config

if TYPE_CHECKING:
    from bwrun.vault.vault import ListedItem

HEAD = ("NAME", "TYPE", "FOLDER", "ORGANIZATION", "REFERENCE")


def print_items(items: Iterable[ListedItem], config: Config) -> int:
    """Print the items that match all words of the search; return bwrun's exit status."""
    matching = [item for item in items if matches(item, config.search)]
    if config.json:
        return write_out(as_json([item.as_dict() for item in matching]))
    return write_out(table(HEAD, [_row(item) for item in matching]))


def matches(item: ListedItem, words: Sequence[str]) -> bool:
    """Return whether each word is part of the item's name, type, folder, organization or id, in any case."""
    text = "\n".join(filter(None, (item.name, item.type, item.folder, item.organization, item.id))).casefold()
    return all(word.casefold() in text for word in words)


def _row(item: ListedItem) -> tuple[str, ...]:
    name = "(cannot be decrypted)" if item.name is None else item.name
    notes = [item.problem] if item.problem else []
    notes += ["protected: needs --allow-protected"] if item.protected else []
    reference = f"{item.reference}  ({'; '.join(notes)})" if notes else item.reference
    return name, item.type, item.folder or "", item.organization or "", reference
