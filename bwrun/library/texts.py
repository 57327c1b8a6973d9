"""The texts that `Vault.resolve()` takes: references, and texts with references in braces."""

from __future__ import annotations

from collections.abc import Mapping

from bwrun.base.errors import FailedReferenceError, InvalidReferenceError
from bwrun.injection.composing import parse_placeholders
from bwrun.injection.placeholders import TextWithReferences, find_references
from bwrun.references.grammar import Reference, is_reference, parse


def parse_texts(
    texts: Mapping[str, str], failures: list[FailedReferenceError]
) -> dict[str, Reference | TextWithReferences | str]:
    """
    Read texts, by name. A text without a reference stays as it is.

    What is wrong with them is added to `failures`.
    """
    found: dict[str, Reference | TextWithReferences | str] = {}
    for name, text in texts.items():
        problems: list[InvalidReferenceError] = []
        try:
            found[name] = _parse(text, problems)
        except InvalidReferenceError as error:
            problems.append(error)
        failures += [FailedReferenceError(name, problem) for problem in problems]
    return found


def _parse(text: str, problems: list[InvalidReferenceError]) -> Reference | TextWithReferences | str:
    if text[:1] == "@" and is_reference(text[1:]):
        hint = "leave out the `@`, or use `open_session()`"
        raise InvalidReferenceError("no file is written here for `@bw://…`", hint)
    if is_reference(text):
        return parse(text)
    data = text.encode("utf-8", "surrogateescape")
    parts = [*find_references(data)]
    if not all(part.in_braces for part in parts):
        hint = "write `{{ bw://ITEM/FIELD }}` where the value is to stand"
        problems.append(InvalidReferenceError("the text contains `bw://` without braces", hint))
    return TextWithReferences(data, parse_placeholders(parts, problems)) if parts else text
