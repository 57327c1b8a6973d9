"""A secret does not show itself, alone or inside anything that holds one."""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import json
import os
import pickle
import pkgutil
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bwrun
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct

CANARY = "canary-7f3a"
SECRET = Sensitive(CANARY.encode())

# Texts that a dataclass of bwrun's shows in its repr. None of them is a secret; what is new and not listed fails here.
# Encrypted: wrapped keys, EncStrings, a sync. A password's place, never its value.
SHOWN = {
    "Variable": {"name", "kind", "set_by", "instead_of", "reference", "item", "item_id", "field", "newline"},
    "Report": {
        "account", "credentials", "command", "session", "session_items", "taken_away", "inherited", "vault", "masked",
        "not_masked", "env_files", "config_file", "profile",
    },
}  # fmt: skip

FORMATS: dict[str, Callable[[Sensitive], str]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": format,
    "str.format": "{}".format,
    "str.format with a width": "{!r:>30}".format,
    "%s": lambda secret: "%s" % secret,  # noqa: UP031
    "%r": lambda secret: "%r" % secret,  # noqa: UP031
    "%-40a": lambda secret: "%-40a" % secret,  # noqa: UP031
    "f-string": lambda secret: f"{secret}",
    "f-string with a width": lambda secret: f"{secret:>40}",
    "f-string with =": lambda secret: f"{secret=}",
    "list": lambda secret: str([secret]),
    "dict of tuples": lambda secret: str({"a": (secret,)}),
    "exception": lambda secret: repr(ValueError(secret)),
    "exception's text": lambda secret: str(ValueError("text", secret)),
    "traceback": lambda secret: "".join(traceback.format_exception(ValueError(secret))),
}
COPIES: dict[str, Callable[[Any], object]] = {
    **{f"pickle {n}": functools.partial(pickle.dumps, protocol=n) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
    "pickle inside": lambda secret: pickle.dumps({"inside": [secret]}),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "json": json.dumps,
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "iter": iter,
    "index": lambda secret: secret[0],
    "add": lambda secret: b"" + secret,
    "join": lambda secret: b"".join([secret]),
    "vars": vars,
    "hash": hash,
    "os.fsencode": os.fsencode,
}


def classes_of_bwrun() -> list[type[Any]]:
    """Return every class of the package."""
    names = [info.name for info in pkgutil.walk_packages(bwrun.__path__, "bwrun.") if "__main__" not in info.name]
    return [
        thing
        for module in names
        for thing in vars(importlib.import_module(module)).values()
        if isinstance(thing, type) and thing.__module__ == module
    ]


CLASSES = {kind.__name__: kind for kind in classes_of_bwrun() if dataclasses.is_dataclass(kind)}
STRUCTS = {kind.__name__: kind for kind in classes_of_bwrun() if issubclass(kind, Struct) and kind is not Struct}


def example(kind: Any, marker: str) -> Any:  # noqa: ANN401  (types of types)
    """Return a value of the type `kind` in which every text is `marker`."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return example(next(one for one in inner if one is not type(None)), marker)
    if origin is tuple:
        return tuple(example(one, marker) for one in inner if one is not ...)
    if origin is frozenset:
        return frozenset({example(inner[0], marker)})
    if origin is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return {example(inner[0], marker): example(inner[1], marker)}
    if kind in (str, object):
        return marker
    if kind in (bytes, Sensitive):
        return kind(marker.encode())
    if kind in (int, bool, float):
        return kind(1)
    if dataclasses.is_dataclass(kind):
        return filled(kind, lambda name: f"<{CANARY}:inside:{name}>")
    return kind(*[marker] * len(kind.FIELDS)) if issubclass(kind, Struct) else object()


def filled(cls: Any, marker_of: Any) -> Any:  # noqa: ANN401  (any dataclass)
    """Return an instance of the dataclass `cls`, each field's texts being what `marker_of` says of its name."""
    kinds = typing.get_type_hints(cls)
    return cls(**{field.name: example(kinds[field.name], marker_of(field.name)) for field in dataclasses.fields(cls)})


@pytest.mark.parametrize("way", FORMATS)
def test_no_way_of_formatting_shows_it(way: str) -> None:
    """However a secret is formatted, by itself or inside a container or an exception, nothing of it is shown."""
    shown = FORMATS[way](SECRET)

    assert "Sensitive(" in shown
    assert CANARY[:4] not in shown


@pytest.mark.parametrize("way", COPIES)
def test_no_way_of_copying_takes_it(way: str) -> None:
    """A secret is not pickled, copied, hashed, iterated over or taken for bytes."""
    with pytest.raises(TypeError) as caught:
        COPIES[way](SECRET)
    assert CANARY not in str(caught.value)


def test_no_attribute_of_ones_own() -> None:
    """Nothing can be hung on a secret, so nothing can hide a copy there."""
    with pytest.raises(AttributeError):
        SECRET.copy = 1  # type: ignore[attr-defined]


@settings(deadline=None)  # a loaded machine is no failure
@given(st.binary(), st.binary())
def test_is_compared_with_its_like_alone(one: bytes, other: bytes) -> None:
    """Two secrets are equal if their bytes are; a secret is never equal to plain bytes."""
    assert (Sensitive(one) == Sensitive(other)) == (one == other)
    assert Sensitive(one) == Sensitive(bytes(one))
    assert Sensitive(one) != one
    assert (len(Sensitive(one)), bool(Sensitive(one))) == (len(one), bool(one))


def test_reveal_is_the_way_out() -> None:
    """`reveal()` gives the bytes as they were put in."""
    assert SECRET.reveal() == CANARY.encode()


def test_dataclasses_are_found() -> None:
    """The table of what is shown names dataclasses that are there."""
    assert SHOWN.keys() <= CLASSES.keys()
    assert {"ApiKey", "Credentials", "Config", "SettingValue"} <= STRUCTS.keys()


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_shows_nothing(name: str) -> None:
    """The repr of a struct shows its name and no field."""
    assert repr(STRUCTS[name](*[f"<{CANARY}>"] * len(STRUCTS[name].FIELDS))) == f"{name}(…)"


@pytest.mark.parametrize("name", CLASSES)
def test_dataclass_shows_no_secret(name: str) -> None:
    """The repr of a dataclass shows the texts that are listed here as harmless, and no other."""
    cls = CLASSES[name]
    shown = repr(filled(cls, lambda field: f"<{CANARY}:{field}>"))

    assert {f.name for f in dataclasses.fields(cls) if f"<{CANARY}:{f.name}>" in shown} == SHOWN.get(name, set())
    for hidden in (
        "enc_key",
        "mac_key",
        "access_token",
        "master_password",
        "client_secret",
        "user_key",
        "values",
        "value",
    ):
        assert f":{hidden}>" not in shown
