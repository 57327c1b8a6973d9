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
) -> dict[str, str]:
    """
    Return the names of the chosen items, by their ids in lower case; `references` are the run's own.

    Raises UnresolvedReferencesError: at least one selector means no item that can be used.
    """
    chosen: dict[str, str] = {}
    failures = []
    for text, selector in selectors.items():
        try:
            chosen |= _of_references(references, vault) if selector is None else vault.select(selector)
        except BwrunError as error:
            failures.append(FailedReferenceError(f"--only {text}", error))
    if failures:
        raise UnresolvedReferencesError(failures)
    return chosen


def _of_references(references: Iterable[Reference], vault: Vault) -> dict[str, str]:
    found: dict[str, str] = {}
    for reference in references:
        try:
            identity, name, _ = vault.identify(reference)
        except SecretNotFoundError:
            continue  # it is optional, or its own error says this
        found[identity.lower()] = name
    if not found:
        raise SecretNotFoundError(
            "not-found", "the run has no references to items", "name the items: `--only ITEM` or `--only ?folder=NAME`"
        )
    return found
