"""
`bw://ITEM[/FIELD][?folder=…&collection=…&organization=…]`: what it means, and that one failure fails them all.

- ITEM is an id (a UUID) or else an item's exact name.
- FIELD is a built-in field (`password`, `uri.2`, `card.number`, `json`), a custom field's name, `field/NAME` (a custom
  field, whatever its name) or `attachment/FILENAME`.  Built-in names win over custom ones.  Without FIELD: what the
  type of the item makes plain (`bwrun.references.fields.DEFAULTS`).
- A parameter narrows the search, by name or id; each at most once, none unknown.
- Every part is percent-encoded UTF-8 where it holds `/ ? & # %`, or what cannot be seen.

This module knows no vault: whoever has values fits `SecretSource`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Literal, Protocol
from urllib.parse import quote, unquote

from bwrun.base.errors import (
    BwrunError,
    FailedReferenceError,
    InvalidReferenceError,
    SecretNotFoundError,
    UnresolvedReferencesError,
)
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.references import fields

SCHEME = "bw://"
PARAMETERS = ("folder", "collection", "organization")
FORM = "a reference is `bw://ITEM/FIELD?folder=…&collection=…&organization=…`, all but ITEM optional"
SAFE = "@:+,"  # beside what is never encoded: letters, digits and `_.-~`

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


class Field(Struct):
    """What of an item is wanted; `name` is a built-in's, a custom field's or a file's."""

    kind: Literal["built-in", "custom", "attachment"]
    name: str

    def __str__(self) -> str:
        """Return it as it stands in a reference."""
        name = quote(self.name, SAFE)
        if self.kind == "attachment":
            return f"attachment/{name}"
        return f"field/{name}" if self.kind == "custom" and fields.is_reserved(self.name) else name


class Reference(Struct):
    """One value of one item: `str()` gives the one canonical text, and `parse` of that the same reference."""

    item: str
    field: Field | None = None
    folder: str | None = None
    collection: str | None = None
    organization: str | None = None

    def __str__(self) -> str:
        """Return the canonical text."""
        narrowing = ((name, getattr(self, name)) for name in PARAMETERS)
        query = "&".join(f"{name}={quote(value, SAFE)}" for name, value in narrowing if value is not None)
        path = quote(self.item, SAFE) + ("" if self.field is None else f"/{self.field}")
        return f"{SCHEME}{path}{'?' if query else ''}{query}"

    @property
    def by_ids(self) -> bool:
        """Return whether this item alone can be asked for: no name in it has to be looked up in the whole vault."""
        narrowing = (self.folder, self.collection, self.organization)
        return is_id(self.item) and all(value is None for value in narrowing)


class SecretSource(Protocol):
    """Where values come from."""

    def value(self, reference: Reference) -> Sensitive:
        """
        Return the value.

        Raises BwrunError; SecretNotFoundError if there is no such item or field.
        """
        ...


def is_reference(text: str) -> bool:
    """Return whether `text` must be a reference; in another case than `bw://` it is a wrong one, not a plain value."""
    return text[: len(SCHEME)].lower() == SCHEME


def is_id(text: str) -> bool:
    """Return whether `text` is an id, and so never a name."""
    return _ID.fullmatch(text) is not None


def parse(text: str) -> Reference:
    """
    Read a reference.

    Raises InvalidReferenceError, which says what to write instead.
    """
    if not text.startswith(SCHEME):
        raise InvalidReferenceError("a reference begins with `bw://`, in lower case", FORM)
    if "#" in text:
        raise InvalidReferenceError("a `#` in a reference", "in a name, write `%23`")
    path, mark, query = text.removeprefix(SCHEME).partition("?")
    item, slash, field = path.partition("/")
    name = _decode(item, "the item")
    parameters = _parse_parameters(query) if mark else {}
    return Reference(name, _parse_field(field) if slash else None, **parameters)


def resolve(
    references: Mapping[str, Reference], source: SecretSource, optional: Collection[str] = ()
) -> dict[str, Sensitive]:
    """
    Return the value of every reference; one in `optional` is left out if there is no such item or field.

    Raises UnresolvedReferencesError: with all that failed, and no value.
    """
    values: dict[str, Sensitive] = {}
    failures = []
    for name, reference in references.items():
        try:
            values[name] = source.value(reference)
        except BwrunError as error:
            if not (isinstance(error, SecretNotFoundError) and name in optional):
                failures.append(FailedReferenceError(name, error))
    if failures:
        raise UnresolvedReferencesError(failures)
    return values


def near_names(wanted: str, names: Collection[str]) -> list[str]:
    """Return up to three of `names` that `wanted` may be a slip of."""
    folded = {name.casefold(): name for name in names if len(name) <= 2 * len(wanted) + 10}
    return [folded[found] for found in difflib.get_close_matches(wanted.casefold(), folded, 3, 0.7)]


def _parse_field(text: str) -> Field:
    head, slash, rest = text.partition("/")
    if head in ("field", "attachment"):
        if not slash:
            raise InvalidReferenceError(f"`{head}` without a name", f"write `{head}/NAME`")
        what = "the custom field" if head == "field" else "the file"
        return Field("custom" if head == "field" else "attachment", _decode(rest, what))
    name = _decode(text, "the field")
    if fields.is_built_in(name):
        return Field("built-in", name)
    if fields.is_reserved(name):
        prefix = name.partition(".")[0]
        known = [one for one in fields.BUILT_IN if one.startswith(f"{prefix}.")] or ["uri", "uri.1", "uri.2"]
        raise InvalidReferenceError(
            f"`{_short(name)}` is no built-in field", f"`{prefix}` has {_list(known)}",
            f"a custom field of that name is `{_short(str(Field('custom', name)))}`",
        )  # fmt: skip
    return Field("custom", name)


def _parse_parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    if "?" in query:
        raise InvalidReferenceError(
            "a second `?` in a reference", "between parameters, write `&`; in a name, write `%3F`"
        )
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if not part:
            raise InvalidReferenceError(
                "a parameter is empty", "after `?` and `&`, write `NAME=VALUE` or leave it away"
            )
        if name not in PARAMETERS:
            near = near_names(name, PARAMETERS)
            raise InvalidReferenceError(
                f"a parameter `{_short(name)}` is unknown",
                f"did you mean `{near[0]}`?" if near else f"there are {_list(PARAMETERS)}",
                *(["in a name, write `&` as `%26`"] if not equals else []),
            )
        if name in parameters:
            raise InvalidReferenceError(f"the parameter `{name}` is there twice", "leave one of them away")
        parameters[name] = _decode(value, f"`{name}`")
    return parameters


def _decode(part: str, what: str) -> str:
    """Decode one part; `what` names it."""
    if not part:
        raise InvalidReferenceError(f"{what} is empty in a reference", FORM)
    if "/" in part:
        raise InvalidReferenceError(f"there is a `/` in {what}", "in a name, write it as `%2F`")
    if part != part.strip(" "):
        raise InvalidReferenceError(
            f"{what} begins or ends with a space", "leave it away; if it is a part of the name, write it as `%20`"
        )
    if not part.isprintable():
        raise InvalidReferenceError(
            f"{what} holds a character that cannot be seen", "leave it away, or write its UTF-8 bytes as `%XX`"
        )
    if _BAD_ESCAPE.search(part):
        raise InvalidReferenceError(
            f"{what} holds a `%` without two hexadecimal digits after it", "a percent sign itself is written `%25`"
        )
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise InvalidReferenceError(
            f"the `%XX` in {what} are not UTF-8", "write the character itself, or its UTF-8 bytes"
        ) from None


def _list(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
