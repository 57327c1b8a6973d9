"""
What a reference's field means in an item: its value, or why there is none.

An empty built-in field counts as missing, as for `bw get`; an empty custom field is empty.
"""

from __future__ import annotations

from bwrun.base.errors import AmbiguousReferenceError, InvalidTotpError, SecretNotFoundError
from bwrun.references import fields
from bwrun.references.grammar import Field, near_names
from bwrun.vault.item_json import item_json
from bwrun.vault.items import Attachment, CustomField, Item
from bwrun.vault.totp import Totp

SHOWN = 12  # of an item's fields, in a hint


def field_value(item: Item, wanted: Field | None, now: float) -> str:
    """
    Return the value of a field; None means what the item's type makes plain. `now`: seconds since the epoch.

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
    if wanted.kind == "custom":
        return custom_value(item, _find_custom(item, wanted.name))
    value = built_in_value(item, wanted.name, now)
    if not value:
        raise no_field(item, wanted.name)
    return value


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
            return item_json(item)
    number = fields.uri_number(name)
    if number is not None:
        uris = item.uris() if item.kind == fields.LOGIN else []
        return uris[number - 1][0] if number <= len(uris) else None
    kind, wire_name = fields.TYPED[name]
    if item.kind != kind:
        return None
    text = item.own_text(wire_name)
    return _code(item, text, now) if name == "totp" and text and text.strip() else text


def custom_value(item: Item, custom: CustomField) -> str:
    """
    Return the value of a custom field.

    Raises SecretNotFoundError: it is linked to a field that holds nothing; CryptoError.
    """
    if custom.kind != fields.LINKED:
        empty = "false" if custom.kind == fields.BOOLEAN else ""  # the clients show no value as not ticked
        return item.text(custom.value, f"the custom field `{custom.name}`") or empty
    value = _full_name(item) if custom.linked_id == fields.FULL_NAME else None
    target = fields.LINKS.get(custom.linked_id or 0)
    if target is not None:
        kind, wire_name = fields.TYPED[target]
        value = item.own_text(wire_name) if item.kind == kind else None
    if not value:
        raise SecretNotFoundError(
            "no-field", f"the custom field `{custom.name}` of item {item.called} is linked to an empty field"
        )
    return value


def find_attachment(item: Item, file_name: str) -> Attachment:
    """
    Return the file of that name.

    Raises SecretNotFoundError, AmbiguousReferenceError, CryptoError.
    """
    found = [entry for entry in item.attachments() if item.file_name(entry) == file_name]
    if not found:
        raise no_field(item, f"attachment/{file_name}")
    if len(found) > 1:
        raise AmbiguousReferenceError(
            f"{len(found)} files of item {item.called} are called `{file_name}`", "rename all but one of them"
        )
    return item.open_attachment(found[0], file_name)


def no_field(item: Item, name: str) -> SecretNotFoundError:
    """Return the error of a field that is missing or empty, with the fields there are, by name alone."""
    return SecretNotFoundError(
        "no-field", f"item {item.called} ({item.kind_name}) has no field `{name}`", *_hints(item, name)
    )


def _code(item: Item, key: str, now: float) -> str:
    try:
        return Totp.parse(key).code(now)
    except InvalidTotpError as error:
        raise InvalidTotpError(f"`totp` of item {item.called}: {error.message}", *error.hints) from None


def _find_custom(item: Item, name: str) -> CustomField:
    found = [one for one in item.custom_fields() if one.name == name]
    if not found:
        raise no_field(item, name)
    if len(found) > 1:
        raise AmbiguousReferenceError(
            f"{len(found)} custom fields of item {item.called} are called `{name}`", "rename all but one of them"
        )
    return found[0]


def _full_name(item: Item) -> str | None:
    """Return an identity's name as the clients put it together (libs/common/…/view/identity.view.ts `fullName`)."""
    if item.kind != fields.IDENTITY:
        return None
    parts = [item.own_text(name) for name in ("title", "firstName", "middleName", "lastName")]
    return " ".join(part for part in parts if part and part.strip()).strip()


def _hints(item: Item, name: str = "") -> list[str]:
    there = item.field_names()
    if not there:
        return []
    near = near_names(name, there) if name else []
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    hints = [f"did you mean `{near[0]}`?"] if near else []
    return [*hints, f"its fields are {', '.join(f'`{one}`' for one in there[:SHOWN])}{more}"]
