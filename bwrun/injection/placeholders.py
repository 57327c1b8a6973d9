r"""
References inside other text: in templates, and in the values of variables.

A reference stands in the text as it is, `bw://ITEM/FIELD`, or between braces, `{{ bw://ITEM/FIELD }}`.

- Without braces it begins where no letter or digit stands before it, and ends before white space, a quote, a bracket,
  `<`, `>`, `,`, `;`, `|`, `\\` or a backquote.
- Between braces, which must be on one line, it may contain spaces, as in the value of a variable.

All other bytes stay as they are. Values are inserted unchanged: nothing is escaped for the syntax of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bwrun.base.errors import InvalidReferenceError
from bwrun.base.structs import Struct
from bwrun.references.grammar import Reference, parse

# Any text is searched in linear time: a match can be made in one way only, and has no `{{` within braces. (Possessive
# quantifiers match too much in the first releases of Python 3.11: python/cpython issue 100061.) A text of single braces
# without an end would take 200 bytes for each of them, so there is a limit.
_PLACEHOLDER = (
    rb"\{\{[ \t]*(?P<braced>@?bw://[^\r\n{}]*(?:(?:\{(?!\{)|\}(?!\}))[^\r\n{}]*){0,999})\}\}"
    rb"|(?<![A-Za-z0-9+.@-])(?P<bare>bw://[^\s\"'`<>(){}\[\]|\\;,]*)"
)


class Found(Struct):
    """What is meant as a reference in a text: the bytes from `start` to before `end`, with the braces."""

    words: bytes  # without the braces
    start: int
    end: int
    in_braces: bool

    def parse(self) -> Reference:
        """Return the reference. Raises InvalidReferenceError: it is malformed, or asks for the path of a file."""
        text = self.words.decode("utf-8", "surrogateescape")
        if text[:1] == "@":
            raise InvalidReferenceError(
                "braces cannot contain `@bw://…`, the path of a file", "write `{{ bw://… }}` for the value"
            )
        try:
            return parse(text)
        except InvalidReferenceError as error:
            hint = "mark where the reference ends with braces: `{{ bw://ITEM/FIELD }}`"
            raise InvalidReferenceError(error.message, *error.hints, *([] if self.in_braces else [hint])) from None


class Placeholder(Struct):
    """A reference in a text, and the bytes that its value replaces: those from `start` to before `end`."""

    reference: Reference
    start: int
    end: int
    place: str  # the key of its value; in a template: file, line and column, for messages


class TextWithReferences(Struct):
    """A text, and the references in it that are to be replaced by their values."""

    text: bytes
    placeholders: tuple[Placeholder, ...]

    @property
    def references(self) -> list[Reference]:
        """Return the references, each once."""
        return list(dict.fromkeys(placeholder.reference for placeholder in self.placeholders))

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """Return the text with all references replaced; `values` has the value for the place of each."""
        parts, position = [], 0
        for placeholder in self.placeholders:
            parts += [self.text[position : placeholder.start], values[placeholder.place]]
            position = placeholder.end
        return b"".join([*parts, self.text[position:]])


def find_references(text: bytes) -> Iterator[Found]:
    """Find all that is meant as a reference in a text, valid or not."""
    for found in re.finditer(_PLACEHOLDER, text, re.IGNORECASE):  # compiled when it is first used: 1 ms
        words = found["braced"] or found["bare"]
        yield Found(words.rstrip(b" \t"), found.start(), found.end(), found["braced"] is not None)
