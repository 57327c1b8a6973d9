"""Choosing the items of a session that `--only` limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bwrun.base.errors import (
    BwrunError,
    FailedReferenceError,
    InvalidReferenceError,
    SecretNotFoundError,
    UnresolvedReferencesError,
)
from bwrun.references.grammar import Reference
from bwrun.references.selectors import REFERENCES, parse_selector

if TYPE_CHECKING:
    from bwrun.vault.vault import Vault


def parse_selectors(texts: Iterable[str]) -> dict[str, Reference | None]:
    """
    Read the values of `--only`; None stands for the word `references`.

    Raises UnresolvedReferencesError: some are malformed.
    """
    found: dict[str, Reference | None] = {}
    failures = []
    for text in texts:
        try:
            found[text] = None if text == REFERENCES else parse_selector(text)
        except InvalidReferenceError as error:
            failures.append(FailedReferenceError(f"--only {text}", error))
    if failures:
        raise UnresolvedReferencesError(failures)
    return found


def choose_items(
    selectors: Mapping[str, Reference | None], references: Iterable[Reference], vault: Vault
) -> frozenset[str]:
    """
    Return the ids of the chosen items in lower case; `references` are the run's own.

    Raises UnresolvedReferencesError: at least one selector means no item that can be used.
    """
    chosen: set[str] = set()
    failures = []
    for text, selector in selectors.items():
        try:
            chosen.update(_of_references(references, vault) if selector is None else vault.select(selector))
        except BwrunError as error:
            failures.append(FailedReferenceError(f"--only {text}", error))
    if failures:
        raise UnresolvedReferencesError(failures)
    return frozenset(chosen)


def _of_references(references: Iterable[Reference], vault: Vault) -> set[str]:
    found: set[str] = set()
    none = "the run has no references to items"
    for reference in references:
        none = "none of the items that the run's references name was found"
        try:
            identity, _, _ = vault.identify(reference)
        except SecretNotFoundError:
            continue  # it is optional, or its own error says this
        found.add(identity.lower())
    if not found:
        raise SecretNotFoundError("not-found", none, "name the items: `--only ITEM` or `--only ?folder=NAME`")
    return found
