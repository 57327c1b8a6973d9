"""Looking up the values of references one by one, so that one failure does not hide another."""

from __future__ import annotations

from collections.abc import Collection

from bwrun.base.errors import FailedReferenceError, UnresolvedReferencesError
from bwrun.injection.newlines import with_newlines
from bwrun.injection.placeholders import TextWithReferences
from bwrun.references.grammar import Reference, SecretSource, resolve


class Lookup:
    """Looks up values in a vault, and collects everything that fails in `failures`."""

    def __init__(self, source: SecretSource, optional: Collection[str]) -> None:
        """`optional` are the variables whose item or field may be missing."""
        self.failures: list[FailedReferenceError] = []
        self.revealed: list[tuple[str, bytes]] = []  # all values that were found, with the names they are for
        self._source = source
        self._optional = optional

    def value(self, name: str, reference: Reference) -> bytes | None:
        """Return the value of a reference for `name`; None if it failed, or is missing and optional."""
        try:
            found = resolve({name: reference}, self._source, self._optional)
        except UnresolvedReferencesError as error:
            self.failures += error.failures
            return None
        if name not in found:
            return None
        value = found[name].reveal()
        value = value if reference.newline is None else with_newlines(value)
        self.revealed.append((name, value))
        return value

    def composed(self, name: str, text: TextWithReferences) -> bytes | None:
        """Return a text for the variable `name` with all references replaced; None if one of them has no value."""
        references = {one.place: one.reference for one in text.placeholders}
        values = {place: self.value(name, reference) for place, reference in references.items()}
        found = {place: value for place, value in values.items() if value is not None}
        return text.fill(found) if len(found) == len(values) else None
