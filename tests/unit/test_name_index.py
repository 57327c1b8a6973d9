"""Finding an item by its name without opening all: the outcome is that of opening all."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.crypto.vault_key import parse_key
from bwrun.decryption import Key, Record
from bwrun.errors import CryptoError, UnavailableItemError
from bwrun.items import name_of
from bwrun.name_index import NameIndex
from tests.server import cose, keys
from tests.server import crypto as other

OWNERS: dict[str | None, Any] = {None: other.make_symmetric_key(), "ours": other.make_symmetric_key(), "v2": cose.Key()}
OPENED = {owner: parse_key(key if isinstance(key, bytes) else key.padded()) for owner, key in OWNERS.items()}
OWN = [other.make_symmetric_key() for _ in range(3)]
# Many of one length, of which some begin alike: what tells them apart is then the second block or the third.
NAMES = [
    "x",
    "y",
    "z",
    "",
    "ä",
    "prod-database-01",
    "prod-database-02",
    *(f"{'n' * 20}{'m' * 20}{i}" for i in range(3)),
]
NAMES += [f"{i}{'n' * 20}" for i in range(3)]
ODD: list[object] = [None, 5, [], "", "2.", "2.a|b|c", "7.AAAA", "x", "\ud800", "2." + "A" * 114, "2." + "\u00e9" * 114]


def key_of(record: Record) -> Key:
    """Return the key of an item's owner."""
    owner = record.get("organizationId")
    if owner == "locked" or not (owner is None or isinstance(owner, str)):
        raise UnavailableItemError("organization-key", "no key", "none")
    return OPENED[owner]


def changed(text: str, place: int) -> str:
    """Return an EncString with one character changed to another of base64, or of none."""
    place %= len(text)
    return text[:place] + ("A" if text[place] != "A" else "!") + text[place + 1 :]


@st.composite
def items(draw: st.DrawFn) -> Record:
    """Make an item of any form: with or without a key of its own, damaged, sealed, odd."""
    owner = draw(st.sampled_from([None, None, None, "ours", "ours", "v2", "locked", 5]))
    base = OWNERS.get(owner, OWN[0]) if owner is None or isinstance(owner, str) else OWN[0]
    name = draw(st.sampled_from(NAMES))
    own = draw(st.sampled_from([None, None, *OWN, cose.Key()]))
    record: Record = {"organizationId": owner, "name": keys.encrypt_text(name, base if own is None else own)}
    if own is not None:
        record["key"] = keys.wrap(own, base)
        if draw(st.integers(0, 5)) == 0:
            content = {"name": draw(st.sampled_from(NAMES)), "typeData": {"type": "login"}}
            record |= {
                "type": 1,
                "data": keys.seal(content, own),
                "name": draw(st.sampled_from([None, record["name"]])),
            }
    damage = draw(st.integers(0, 12))
    if damage == 0:
        record[draw(st.sampled_from(["name", "key", "data"]))] = draw(st.sampled_from(ODD))
    elif damage == 1 and isinstance(record["name"], str):
        record["name"] = changed(record["name"], draw(st.integers(0, 200)))
    elif damage == 2 and isinstance(record.get("key"), str):
        record["key"] = changed(str(record["key"]), draw(st.integers(0, 200)))
    elif damage == 3 and isinstance(record["name"], str):
        record["name"] = other.spoil_mac(record["name"]) if record["name"].startswith("2.") else "2.x"
    elif damage == 4:
        record["data"] = draw(
            st.sampled_from(['{"Name": "2.x_y"}', '{"format_version": 1}', '{"x_": "format_version"}'])
        )
    return record


def opened_all(records: dict[str, Record]) -> dict[str, list[str]]:
    """Return the ids of each name, by opening one after the other."""
    found: dict[str, list[str]] = {}
    for identity, record in records.items():
        try:
            name = name_of(record, key_of(record), identity)
        except (CryptoError, UnavailableItemError):
            continue
        found.setdefault(name, []).append(identity)
    return found


@settings(deadline=None, max_examples=300)
@given(st.lists(items(), max_size=30), st.permutations([*NAMES, "missing", "\ud800", "n" * 100]))
def test_finds_what_opening_all_finds(found: list[Record], wanted: list[str]) -> None:
    """Whatever a vault holds, and in whatever order one asks: each name has the items that opening all gives it."""
    records = {str(number): record for number, record in enumerate(found)}
    right = opened_all(records)
    index = NameIndex(records, key_of)

    assert [index.find(name) for name in wanted] == [right.get(name, []) for name in wanted]
    assert index.everything().by_name == right
    assert [index.find(name) for name in wanted] == [right.get(name, []) for name in wanted]
    assert {*index.everything().unreadable} == {*records} - {identity for ids in right.values() for identity in ids}


@pytest.mark.parametrize("own", [False, True], ids=["one key", "a key each"])
def test_opens_only_what_fits(*, own: bool) -> None:
    """Among 200 items whose names are equally long, and begin or end alike, the name of one alone is opened."""
    base = OWNERS[None]
    records: dict[str, Record] = {}
    for number in range(200):
        key = os.urandom(64) if own else base
        name = f"{'the same beginning':32}{number:03}" if number % 2 else f"{number:03}{'the same end':>32}"
        wrapped = other.encrypt(key, base) if own else None
        records[str(number)] = {"id": str(number), "name": other.encrypt_text(name, key), "key": wrapped}
    asked: list[object] = []

    def counting(record: Record) -> Key:
        asked.append(record["id"])
        return key_of(record)

    index = NameIndex(records, counting)

    assert index.find(f"{'the same beginning':32}101") == ["101"]
    assert asked == ["0", "101"]  # the first for all that have the same owner
    assert index.find(f"{'the same beginning':32}xxx") == []
    assert index.find("of another length") == []
    assert asked == ["0", "101"]
