"""
Selectors, the values of `--only`: which items a session holds.

A selector is an item, as in references but without a field (`prod-db`, `prod-db?folder=Prod`, an id); or parameters
alone (`?folder=work/servers`), which mean all items in that place; or the word `references`, which means the items that
the run's own references name.
"""

from __future__ import annotations

from bwrun.base.errors import InvalidReferenceError
from bwrun.references.grammar import SCHEME, Reference, is_reference, parse

REFERENCES = "references"


def parse_item(text: str, option: str) -> Reference:
    """
    Read an item without a field, as `option` takes it: `ITEM?folder=…`, with or without `bw://`.

    Raises InvalidReferenceError.
    """
    reference = parse(text if is_reference(text) else SCHEME + text)
    if reference.field is not None:
        raise InvalidReferenceError(
            f"`{option}` takes an item without a field",
            "write a `/` in a name as `%2F`; for a single field use `-e NAME=bw://ITEM/FIELD`",
        )
    if reference.newline is not None:
        raise InvalidReferenceError(
            f"`{option}` does not take the parameter `newline`",
            "leave it out; for a single field write it after `-e`",
        )
    return reference


def parse_selector(text: str) -> Reference:
    """
    Read a selector that is not the word `references`. One of a place alone becomes a Reference without an item.

    Raises InvalidReferenceError.
    """
    bare = text.removeprefix(SCHEME)
    if not bare.startswith("?"):
        return parse_item(text, "--only")
    place = parse_item(f"x{bare}", "--only")
    return Reference("", None, place.folder, place.collection, place.organization)
