"""
The value of a field of an item, or the reason why there is none.

A value that is empty, or is only white space, counts as missing.  The official CLI does the same: `bw get` says "Not
found.".  Here this applies to every field, so that no variable is empty without a message.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bwrun.base.errors import AmbiguousReferenceError, BwrunError, InvalidTotpError, SecretNotFoundError
from bwrun.references import fields
from bwrun.references.grammar import Field, near_names
from bwrun.vault.items import Attachment, CustomField, Item
from bwrun.vault.same_names import same_names

SHOWN = 12  # of an item's fields, in a hint
HIDDEN_BUILT_IN = ("password", "totp")
WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


def field_value(item: Item, wanted: Field | None, now: float) -> str:
    """
    Return the value of a field; None means the default field of the item's type. `now` is in seconds since the epoch.

    Raises SecretNotFoundError, AmbiguousReferenceError, InvalidTotpError, CryptoError.
    """
    if wanted is None:
        default = fields.DEFAULTS.get(item.kind)
        if default is None:
            raise SecretNotFoundError(
                "no-field",
                f"item {item.called} ({item.kind_name}) has no default field: name one in the reference",
                *_hints(item),
            )
        wanted = Field("built-in", default)
    custom = _find_custom(item, wanted.name) if wanted.kind == "custom" else None
    value = built_in_value(item, wanted.name, now) if custom is None else custom_value(item, custom)
    if value is None or is_blank(value):
        raise no_field(item, wanted.name) if value is None and custom is None else _empty(item, wanted.name, custom)
    return value


def is_blank(text: str) -> bool:
    """Return whether a text is empty or only white space, as in JavaScript (ECMA-262, 22.1.3.32 `trim`)."""
    return not text.strip(WHITE_SPACE)


def is_hidden(item: Item, wanted: Field | None) -> bool:
    """
    Return whether the CLI does not show a field if the organization hides the item's password from the user.

    (Its apps/cli/src/vault/models/cipher.response.ts.)  Raises SecretNotFoundError, AmbiguousReferenceError,
    CryptoError.
    """
    if wanted is not None and wanted.kind == "custom":
        return is_hidden_custom(_find_custom(item, wanted.name))
    name = fields.DEFAULTS.get(item.kind) if wanted is None else wanted.name
    return name in HIDDEN_BUILT_IN


def is_hidden_custom(custom: CustomField) -> bool:
    """Return the same for a custom field: whether it is a hidden one, or linked to the password."""
    return custom.kind == fields.HIDDEN or (custom.kind == fields.LINKED and custom.linked_id == fields.LINKED_PASSWORD)


def built_in_value(item: Item, name: str, now: float) -> str | None:
    """Return the value of a built-in field, None if the item has none. Raises CryptoError, InvalidTotpError."""
    match name:
        case "notes":
            return item.notes()
        case "name":
            return item.name()
        case "id":
            return item.id
        case "json":
            from bwrun.vault.item_json import item_json  # noqa: PLC0415  (`datetime`: few references ask for JSON)

            return item_json(item)
    number = fields.uri_number(name)
    if number is not None:
        uris = item.uris() if item.kind == fields.LOGIN else []
        return uris[number - 1][0] if number <= len(uris) else None
    kind, wire_name = fields.TYPED[name]
    if item.kind != kind:
        return None
    text = item.own_text(wire_name)
    return _code(item, text, now) if name == "totp" and text is not None and not is_blank(text) else text


def custom_value(item: Item, custom: CustomField) -> str | None:
    """Return the value of a custom field or of the field to which it is linked, None if none. Raises CryptoError."""
    if custom.kind == fields.BOOLEAN:
        return item.text(custom.value, f"the custom field `{custom.name}`") or "false"  # so the clients show none
    if custom.kind != fields.LINKED:
        return item.text(custom.value, f"the custom field `{custom.name}`") or ""
    if custom.linked_id == fields.FULL_NAME:
        return _full_name(item)
    target = fields.LINKS.get(custom.linked_id or 0)
    if target is None:
        return None
    kind, wire_name = fields.TYPED[target]
    return item.own_text(wire_name) if item.kind == kind else None


def field_names(item: Item) -> list[str]:
    """Return the names of the fields that are not empty, for a hint. This raises no error."""
    built_in = [name for name, (kind, _) in fields.TYPED.items() if kind == item.kind] + ["uri", "notes"]
    names = [name for name in built_in if _holds_something(partial(built_in_value, item, name, 0))]
    try:
        custom = [one for one in item.custom_fields() if one.name]
        files = [name for entry in item.attachments() if (name := item.file_name(entry))]
    except BwrunError:
        return names
    full = [one.name or "" for one in custom if _holds_something(partial(custom_value, item, one))]
    names += [f"field/{name}" if fields.is_reserved(name) else name for name in full]
    return names + [f"attachment/{name}" for name in files]


def _holds_something(read: Callable[[], str | None]) -> bool:
    try:
        value = read()
    except BwrunError:
        return True  # it cannot be read
    return value is not None and not is_blank(value)


def find_attachment(item: Item, file_name: str) -> Attachment:
    """
    Return the file of that name.

    Raises SecretNotFoundError, AmbiguousReferenceError, CryptoError.
    """
    named = [(item.file_name(entry) or "", entry) for entry in item.attachments()]
    same = same_names(file_name, {name for name, _ in named})
    found = [entry for name, entry in named if name in same]
    if not found:
        raise no_field(item, f"attachment/{file_name}")
    if len(found) > 1:
        raise AmbiguousReferenceError(
            f"{len(found)} files of item {item.called} are called `{file_name}`", "rename all but one of them"
        )
    return item.open_attachment(found[0], file_name)


def no_field(item: Item, name: str) -> SecretNotFoundError:
    """Return the error for a field that is missing, with the names of the fields that there are."""
    return SecretNotFoundError(
        "no-field", f"item {item.called} ({item.kind_name}) has no field `{name}`", *_hints(item, name)
    )


def _empty(item: Item, name: str, custom: CustomField | None) -> SecretNotFoundError:
    """Return the error for a field that is empty."""
    linked = custom is not None and custom.kind == fields.LINKED
    what = f"field `{name}`" if custom is None else f"the custom field `{name}`"
    return SecretNotFoundError(
        "no-field", f"{what} of item {item.called} is {'linked to an empty field' if linked else 'empty'}"
    )


def _code(item: Item, key: str, now: float) -> str:
    from bwrun.vault.totp import Totp  # noqa: PLC0415  (few references ask for a code)

    try:
        return Totp.parse(key).code(now)
    except InvalidTotpError as error:
        raise InvalidTotpError(f"`totp` of item {item.called}: {error.message}", *error.hints) from None


def _find_custom(item: Item, name: str) -> CustomField:
    custom_fields = item.custom_fields()
    same = same_names(name, {one.name for one in custom_fields if one.name is not None})
    found = [one for one in custom_fields if one.name in same]
    if not found:
        raise no_field(item, name)
    if len(found) > 1:
        raise AmbiguousReferenceError(
            f"{len(found)} custom fields of item {item.called} are called `{name}`", "rename all but one of them"
        )
    return found[0]


def _full_name(item: Item) -> str | None:
    """Return an identity's full name as the clients do (libs/common/…/view/identity.view.ts `fullName`)."""
    if item.kind != fields.IDENTITY:
        return None
    parts = [item.own_text(name) for name in ("title", "firstName", "middleName", "lastName")]
    return " ".join(part for part in parts if part and not is_blank(part)).strip(WHITE_SPACE)


def _hints(item: Item, name: str = "") -> list[str]:
    there = field_names(item)
    if not there:
        return []
    near = near_names(name, there) if name else []
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    hints = [f"did you mean `{near[0]}`?"] if near else []
    return [*hints, f"its fields are {', '.join(f'`{one}`' for one in there[:SHOWN])}{more}"]
