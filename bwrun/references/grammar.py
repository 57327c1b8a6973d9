"""
Reading references, `bw://ITEM[/FIELD][?folder=…&collection=…&organization=…&newline=lf]`, and resolving many at once.

- ITEM is the id (a UUID) or the exact name of an item.
- FIELD is a built-in field (`password`, `uri.2`, `card.number`, `json`), the name of a custom field, `field/NAME` (a
  custom field that may have the name of a built-in one) or `attachment/FILENAME`.  Without FIELD, a reference means the
  field that `bwrun.references.fields.DEFAULTS` names for the type of the item.
- The parameters limit the search to a folder, collection or organization, each by its name or id.
- `newline=lf` asks for LF as the line ends of the value, and for one newline at its end.
- In each part, the characters `? & # %`, and those that cannot be seen, are written as percent-encoded UTF-8; so is a
  `/` in the name of an item or field.

Values come from a `SecretSource`, which the vault is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal, Protocol

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
PARAMETERS = ("folder", "collection", "organization", "newline")
LF = "lf"  # the one value of the parameter `newline`
FORM = "write it as `bw://ITEM/FIELD?folder=…&collection=…&organization=…`; only ITEM is required"

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


class Field(Struct):
    """The FIELD of a reference: the name of a built-in field, a custom field or a file."""

    kind: Literal["built-in", "custom", "attachment"]
    name: str

    def __str__(self) -> str:
        """Return the text of the field in a reference."""
        name = _encode(self.name)
        if self.kind == "attachment":
            return f"attachment/{name}"
        return f"field/{name}" if self.kind == "custom" and fields.is_reserved(self.name) else name


class Reference(Struct):
    """A reference to one value of one item. `str()` returns its canonical text, which `parse()` reads."""

    item: str
    field: Field | None = None
    folder: str | None = None
    collection: str | None = None
    organization: str | None = None
    newline: str | None = None  # LF, or as they are in the vault

    def __str__(self) -> str:
        """Return the canonical text."""
        parameters = ((name, getattr(self, name)) for name in PARAMETERS)
        query = "&".join(f"{name}={_encode(value, '?&#%')}" for name, value in parameters if value is not None)
        path = _encode(self.item) + ("" if self.field is None else f"/{self.field}")
        return f"{SCHEME}{path}{'?' if query else ''}{query}"

    @property
    def by_ids(self) -> bool:
        """Return whether the item can be fetched alone: there is no name that must be looked up in the whole vault."""
        narrowing = (self.folder, self.collection, self.organization)
        return is_id(self.item) and all(value is None for value in narrowing)


class SecretSource(Protocol):
    """What returns the values of references."""

    def value(self, reference: Reference) -> Sensitive:
        """
        Return the value of a reference.

        Raises BwrunError; SecretNotFoundError: there is no such item or field.
        """
        ...


def is_reference(text: str) -> bool:
    """Return whether `text` is meant as a reference. `BW://…` is one too, but `parse()` does not accept it."""
    return text[: len(SCHEME)].lower() == SCHEME


def is_id(text: str) -> bool:
    """Return whether `text` is an id; no such text is treated as a name."""
    return _ID.fullmatch(text) is not None


def parse(text: str) -> Reference:
    """
    Read a reference.

    Raises InvalidReferenceError, whose hints say what to write instead.
    """
    if not text.startswith(SCHEME):
        raise InvalidReferenceError("a reference begins with `bw://`, in lower case", FORM)
    if "#" in text:
        raise InvalidReferenceError("a reference cannot contain `#`", "write a `#` in a name as `%23`")
    path, mark, query = text.removeprefix(SCHEME).partition("?")
    item, slash, field = path.partition("/")
    name = _decode(item, "the item")
    parameters = _parse_parameters(query) if mark else {}
    return Reference(name, _parse_field(field) if slash else None, **parameters)


def resolve(
    references: Mapping[str, Reference], source: SecretSource, optional: Collection[str] = ()
) -> dict[str, Sensitive]:
    """
    Return the values of all references, by name, but of those in `optional` whose item or field does not exist.

    Raises UnresolvedReferencesError: at least one failed; the error contains all failures.
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
    """Return up to three of `names` that `wanted` resembles."""
    folded = {name.casefold(): name for name in names if len(name) <= 2 * len(wanted) + 10}
    from difflib import get_close_matches  # noqa: PLC0415  (only for hints)

    return [folded[found] for found in get_close_matches(wanted.casefold(), folded, 3, 0.7)]


def _parse_field(text: str) -> Field:
    head, slash, rest = text.partition("/")
    if head in ("field", "attachment"):
        if not slash:
            raise InvalidReferenceError(f"`{head}` is not followed by a name", f"write `{head}/NAME`")
        what = "the custom field" if head == "field" else "the file"
        return Field("custom" if head == "field" else "attachment", _decode(rest, what))
    name = fields.usual_spelling(_decode(text, "the field"))
    if fields.is_built_in(name):
        return Field("built-in", name)
    if fields.is_reserved(name):
        prefix = fields.usual_prefix(name.partition(".")[0])
        known = [one for one in fields.BUILT_IN if one.startswith(f"{prefix}.")] or ["uri", "uri.1", "uri.2"]
        raise InvalidReferenceError(
            f"`{_short(name)}` is not a built-in field", f"use one of {_list(known)}",
            f"write a custom field of that name as `{_short(str(Field('custom', name)))}`",
        )  # fmt: skip
    return Field("custom", name)


def _parse_parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    if "?" in query:
        raise InvalidReferenceError(
            "the reference contains a second `?`", "write `&` between parameters, and a `?` in a name as `%3F`"
        )
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if not part:
            raise InvalidReferenceError(
                "a parameter of the reference is empty", "write `NAME=VALUE` after each `?` and `&`, or remove the mark"
            )
        if name not in PARAMETERS:
            near = near_names(name, PARAMETERS)
            raise InvalidReferenceError(
                f"unknown parameter `{_short(name)}`",
                f"did you mean `{near[0]}`?" if near else f"use one of {_list(PARAMETERS)}",
                *(["write a `&` in a name as `%26`"] if not equals else []),
            )
        if name in parameters:
            raise InvalidReferenceError(f"the parameter `{name}` is given twice", "remove one of them")
        if name == "newline" and value != LF:
            raise InvalidReferenceError("`newline` in the reference can only be `lf`", "write `newline=lf`")
        parameters[name] = _decode(value, f"`{name}`", slash=True)
    return parameters


def _encode(part: str, marks: str = "/?&#%") -> str:
    """
    Return the text of one part, as `_decode` reads it: all that can be seen stays as it is, except `marks`.

    So a name keeps its spaces and letters of all languages, and has no `%`, which cron and systemd give a meaning.
    """
    inner = len(part) - len(part.lstrip(" ")), len(part.rstrip(" "))
    return "".join(
        char if char.isprintable() and char not in marks and inner[0] <= place < inner[1] else _quoted(char)
        for place, char in enumerate(part)
    )


def _quoted(char: str) -> str:
    """Return a character as percent-encoded UTF-8."""
    return "".join(f"%{byte:02X}" for byte in char.encode())


def _decode(part: str, what: str, *, slash: bool = False) -> str:
    """Decode one part; `what` names it. With `slash`, a `/` in it may stand as it is."""
    if not part:
        raise InvalidReferenceError(f"{what} in the reference is empty", FORM)
    if "/" in part and not slash:
        raise InvalidReferenceError(f"{what} in the reference contains a `/`", "write a `/` in a name as `%2F`")
    if part != part.strip(" "):
        raise InvalidReferenceError(
            f"{what} in the reference begins or ends with a space",
            "remove the space, or write it as `%20` if it is part of the name",
        )
    if not part.isprintable():
        raise InvalidReferenceError(
            f"{what} in the reference contains an invisible character", "remove it, or write its UTF-8 bytes as `%XX`"
        )
    if _BAD_ESCAPE.search(part):
        raise InvalidReferenceError(
            f"{what} in the reference contains a `%` without two hexadecimal digits after it",
            "write a `%` in a name as `%25`",
        )
    if "%" not in part:
        return part
    from urllib.parse import unquote  # noqa: PLC0415  (4 ms, and few references have a `%`)

    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise InvalidReferenceError(
            f"the `%XX` codes in {what} of the reference are not UTF-8",
            "write the character itself, or its UTF-8 bytes",
        ) from None


def _list(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
