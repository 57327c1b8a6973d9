"""Specs and faults as JSON: dataclass <-> object, bytes <-> base64, tuple <-> list.

A member of a union of dataclasses carries its class name as "type_": {"type_": "Login", "username": "x"}.  Fields
left out of an object take their defaults, so a file written by hand may be short.
"""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import TypeVar

from tests.server.json_types import JsonValue

T = TypeVar("T")
TAG = "type_"
_HINTS: dict[type, dict[str, JsonValue]] = {}


def to_json(value: object) -> JsonValue:
    """`value` as JSON types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {TAG: type(value).__name__, **fields}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


def from_json(cls: type[T], value: Mapping[str, JsonValue]) -> T:
    """An instance of the dataclass `cls`; an unknown field is an error."""
    hints = _HINTS.get(cls) or _HINTS.setdefault(cls, typing.get_type_hints(cls))
    known = {name: _read(hints[name], item) for name, item in value.items() if name != TAG}
    return cls(**known)


def _read(hint: JsonValue, value: JsonValue) -> JsonValue:
    origin: object = typing.get_origin(hint)
    if origin is typing.Union or origin is types.UnionType:
        return _read_union(typing.get_args(hint), value)
    if origin is tuple:
        return tuple(_read(typing.get_args(hint)[0], item) for item in value)
    if hint is bytes:
        return base64.b64decode(value)
    return from_json(hint, value) if isinstance(hint, type) and dataclasses.is_dataclass(hint) else value


def _read_union(members: tuple[JsonValue, ...], value: JsonValue) -> JsonValue:
    if value is None and type(None) in members:
        return None
    classes: dict[str, type] = {m.__name__: m for m in members if isinstance(m, type) and dataclasses.is_dataclass(m)}
    if classes:
        return from_json(classes[value[TAG]] if TAG in value else next(iter(classes.values())), value)
    return _read(next(m for m in members if m is not type(None)), value)
