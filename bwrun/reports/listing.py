"""The output of `--list`: the items of the vault, each with its reference, without any value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bwrun.base.output import write_out
from bwrun.reports.tables import as_json, table
from bwrun.settings.config import Config

if TYPE_CHECKING:
    from bwrun.vault.vault import ListedItem

ID_DIGITS = 8  # characters of an id that a word of the search must have to match it
PLAIN = re.compile(r"[\w@+=:,./-]+")  # what needs no quotes in a shell
HEAD = ("NAME", "TYPE", "FOLDER", "ORGANIZATION", "REFERENCE")


def print_items(items: Iterable[ListedItem], config: Config) -> int:
    """Print the items that match all words of the search; return bwrun's exit status."""
    matching = [item for item in items if matches(item, config.search)]
    if config.json:
        return write_out(as_json([item.as_dict() for item in matching]))
    return write_out(table(HEAD, [_row(item) for item in matching]))


def matches(item: ListedItem, words: Sequence[str]) -> bool:
    """
    Return whether each word is part of the item's name, type, folder or organization, in any case.

    A part of the id counts from ID_DIGITS characters on, because every short word is a part of some random id.
    """
    text = "\n".join(filter(None, (item.name, item.type, item.folder, item.organization))).casefold()
    folded = [word.casefold() for word in words]
    return all(word in text or (len(word) >= ID_DIGITS and word in item.id) for word in folded)


def _row(item: ListedItem) -> tuple[str, ...]:
    name = "(cannot be decrypted)" if item.name is None else item.name
    notes = [item.problem] if item.problem else []
    notes += ["protected: needs --allow-protected"] if item.protected else []
    shown = [f"({'; '.join(notes)})"] if notes else []
    # In quotes, a name with spaces can be pasted into a shell and into an env file.
    reference = item.reference if PLAIN.fullmatch(item.reference) else f"'{item.reference}'"
    return name, item.type, item.folder or "", item.organization or "", "  ".join([reference, *shown])
