"""Where the fields of an item are found: under their own names, or in `data`, whatever the server sends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bwrun.vault.typed_fields import is_leased, with_typed_fields

LEGACY = {"Name": "2.name", "Notes": None, "Password": "2.password", "Uris": [{"Uri": "2.uri", "Match": 3}]}
LEGACY |= {"Fields": [{"Type": 0, "Name": "2.a", "Value": "2.b", "LinkedId": None}], "Fido2Credentials": None}
FIELDS = [{"type": 0, "name": "2.a", "value": "2.b", "linkedId": None}]
LOGIN = {"password": "2.password", "uris": [{"uri": "2.uri", "match": 3}], "fido2Credentials": None}


@pytest.mark.parametrize("data", [json.dumps(LEGACY), LEGACY], ids=["text", "object"])
def test_data_alone(data: Any) -> None:  # noqa: ANN401  (JSON)
    """An item that has only `data` gets its fields from there."""
    record: dict[str, Any] = {"id": "i", "type": 1, "name": None, "login": None, "notes": None, "data": data}

    found = with_typed_fields(record)

    assert (found["name"], found["notes"], found["fields"], found["login"]) == ("2.name", None, FIELDS, LOGIN)
    assert (found["id"], record["name"]) == ("i", None)


def test_the_newer_place_wins() -> None:
    """A field that stands under its own name is not taken from `data`."""
    record: dict[str, Any] = {"type": 1, "name": "2.own", "data": json.dumps(LEGACY)}

    assert with_typed_fields(record)["name"] == "2.own"
    assert with_typed_fields(record)["login"] == LOGIN


@pytest.mark.parametrize(
    "record",
    [
        {"type": 1, "name": "2.n", "login": {}, "data": json.dumps(LEGACY)},
        {"type": 1, "data": json.dumps({"format_version": 1})},
        *({"type": kind, "data": "[1]"} for kind in (1, None, "1", 99, True)),
        *({"type": 1, "data": text} for text in ("", "{", "5", "[" * 5000)),
        {"type": 1, "data": 5},
        {"type": 1, "data": []},
        {"type": 1, "data": None},
    ],
)
def test_left_as_it_is(record: dict[str, Any]) -> None:
    """An item that has its fields, or a blob, or nothing that can be read, is left as it is."""
    assert with_typed_fields(record) is record


def test_partial_data() -> None:
    """Of a leased item there are the name and the addresses."""
    partial = json.dumps({"name": "2.name", "uris": [{"uri": "2.uri", "uriChecksum": "2.sum", "match": None}]})
    record: dict[str, Any] = {"type": 1, "name": None, "data": None, "partialData": partial}

    found = with_typed_fields(record)

    assert (found["name"], found["login"]) == ("2.name", {"uris": json.loads(partial)["uris"]})
    assert is_leased(found)
    assert not is_leased({"type": 1, "partialData": None})
