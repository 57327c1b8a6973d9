"""The references of `--get`: values for stdout and not for variables."""

from __future__ import annotations

from collections.abc import Iterable

from bwrun.base.errors import FailedReferenceError, InvalidReferenceError, UnresolvedReferencesError
from bwrun.injection.requested import RequestedSecrets
from bwrun.references.grammar import Reference, is_reference, parse


def parse_references(texts: Iterable[str]) -> list[Reference]:
    """
    Read the arguments of `--get`.

    Raises UnresolvedReferencesError: some are malformed. One that does not look like a reference is not repeated,
    because it may be a secret in the wrong place.
    """
    found = []
    failures = []
    for number, text in enumerate(texts, 1):
        try:
            found.append(_parse(text))
        except InvalidReferenceError as error:
            shown = text if is_reference(text.removeprefix("@")) else f"argument {number} of `--get`"
            failures.append(FailedReferenceError(shown, error))
    if failures:
        raise UnresolvedReferencesError(failures)
    return found


def _parse(text: str) -> Reference:
    if text[:1] == "@" and is_reference(text[1:]):
        raise InvalidReferenceError("`--get` writes no file", "leave out the `@`, and redirect: `>FILE`")
    return parse(text)


def requested_by_get(texts: Iterable[str]) -> RequestedSecrets:
    """Return what `--get` asks for, each by its own text. Raises UnresolvedReferencesError: some are malformed."""
    references = {str(reference): reference for reference in parse_references(texts)}
    return RequestedSecrets(references, {}, {}, (), (), {})
