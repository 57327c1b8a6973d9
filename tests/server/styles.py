"""The same reply in another server's letter case, or with parts missing."""

from __future__ import annotations

from collections.abc import Iterable

from tests.server.json_types import JsonValue

# OAuth's own names (RFC 6749) are the same on every server.
OAUTH_NAMES = frozenset({"access_token", "expires_in", "token_type", "scope", "refresh_token"})
# Objects whose names are data, not field names.
VERBATIM = frozenset({"featurestates"})


def _recase(value: JsonValue, first: str) -> JsonValue:
    if isinstance(value, list):
        return [_recase(item, first) for item in value]
    if not isinstance(value, dict):
        return value
    return {_name(key, first): item if key.lower() in VERBATIM else _recase(item, first) for key, item in value.items()}


def _name(key: str, first: str) -> str:
    if not key or key in OAUTH_NAMES:
        return key
    return (key[0].upper() if first == "upper" else key[0].lower()) + key[1:]


def pascal_case(value: JsonValue) -> JsonValue:
    """All names with a capital first letter, as servers before 2024 wrote them."""
    return _recase(value, "upper")


def camel_case(value: JsonValue) -> JsonValue:
    """All names with a small first letter."""
    return _recase(value, "lower")


def drop_fields(value: JsonValue, names: Iterable[str]) -> JsonValue:
    """The reply without the named fields, at any depth and in any letter case."""
    unwanted = {name.lower() for name in names}
    return _drop(value, unwanted) if unwanted else value


def _drop(value: JsonValue, unwanted: set[str]) -> JsonValue:
    if isinstance(value, list):
        return [_drop(item, unwanted) for item in value]
    if isinstance(value, dict):
        return {key: _drop(item, unwanted) for key, item in value.items() if key.lower() not in unwanted}
    return value
