"""Many items at once, as the official CLI can take them: the outcome is that of looking at each by itself."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.session import sane
from bwrun.session.usual import CHUNK, ciphers
from tests.server import crypto as other

KEY = bytes(range(64))
TEXTS = [other.encrypt(bytes(size), KEY) for size in (0, 5, 16, 31, 40)]
TYPE_0, TYPE_7 = other.encrypt_without_mac(b"x", KEY[:32]), "7.g1g/owE6AAEReQN4"
IDS = [f"{number}0000000-0000-4000-8000-00000000000a" for number in range(6)]
DATES = ["2026-01-31T23:59:59Z", "2026-12-01T00:00:00.123456Z", "2020-02-30T10:00:00.1+01:00", "1999-10-10T12:30:00"]


def passkey(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    """Return a passkey as it is stored."""
    return {**dict.fromkeys(sane.FIDO2_NEEDS, TEXTS[1]), "userName": None, "creationDate": DATES[0]} | changes


ITEM: dict[str, Any] = {
    "id": IDS[0], "organizationId": IDS[1], "folderId": IDS[2], "collectionIds": [IDS[3], IDS[4]], "type": 1,
    "name": TEXTS[1], "notes": TEXTS[4], "key": other.encrypt(KEY, KEY), "data": json.dumps({"Name": TEXTS[1]}),
    "login": {
        "username": TEXTS[1], "password": TEXTS[2], "totp": None, "passwordRevisionDate": DATES[1],
        "uris": [{"uri": TEXTS[3], "uriChecksum": TEXTS[0], "match": None}, {"uri": TEXTS[4], "match": 3}],
        "uri": TEXTS[3], "autofillOnPageLoad": True, "fido2Credentials": [passkey()],
    },
    "secureNote": None, "card": None,
    "fields": [{"type": 0, "name": TEXTS[1], "value": TEXTS[2], "linkedId": None}],
    "passwordHistory": [{"password": TEXTS[2], "lastUsedDate": DATES[0]}],
    "attachments": None, "favorite": False, "edit": True, "viewPassword": True,
    "permissions": {"delete": True, "restore": True}, "reprompt": 0, "organizationUseTotp": True,
    "creationDate": DATES[0], "revisionDate": DATES[1], "deletedDate": None, "archivedDate": None,
    "object": "cipherDetails",
}  # fmt: skip
JUNK: list[Any] = [
    None, True, False, 0, 1, 3, 99, 1.5, "", "x", [], {}, [{}], [None], ["x"], {"x": "y"}, "\ud800", "\n",
    *TEXTS, TYPE_0, TYPE_7, TEXTS[0][:-1], f"{TEXTS[0]}=", f" {TEXTS[0]}", f"{TEXTS[0]}\n", f"{TEXTS[0]}\n{TEXTS[1]}",
    TEXTS[0].replace("2.", "3."), TEXTS[0].replace("|", "+"), TEXTS[0].replace("=", "A"), f"\u00e9{TEXTS[0][1:]}",
    "2." + "A" * 22 + "==||" + "A" * 43 + "=", "2." + "A" * 22 + "==|A|" + "A" * 43 + "=",
    "2." + "A" * 22 + "==|A==|" + "A" * 43 + "=", "2." + "A" * 21 + "==|AA|" + "A" * 43 + "=",
    *IDS[:2], IDS[0].upper(), f"{IDS[0]}\n{IDS[1]}", IDS[0].replace("-", "0"), [IDS[0], 5], [IDS[0], None], (IDS[0],),
    *DATES, "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
    "2026-01-01T00:00:60Z", "2026-01-01t00:00:00Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+\u0661\u0661:11",
    f"{DATES[0]}\n{DATES[0]}", "2026-01-01T00:00:00.1234567890Z",
    '{"format_version": 1}', '{"x_": 1}', [passkey(), passkey(keyValue=None)], [passkey(counter=5)], [passkey(x="y")],
    {"uris": [{"uris": [{"uri": TEXTS[0]}]}]}, {"uris": [{"uris": [{"uri": "x"}]}]}, {"type": 0}, {"match": "x"},
    {"passwordRevisionDate": "x"}, {"uris": [{}]}, {"uris": [5]}, {"fields": [TEXTS[0]]},
    [{"password": TEXTS[0], "lastUsedDate": None}], [{"password": None, "lastUsedDate": DATES[0]}],
    [{"password": TEXTS[0], "x": DATES[0]}], [{"fileName": TEXTS[0], "id": "x", "key": None}],
    {"delete": True, "restore": False}, {"delete": 1, "restore": 1}, {"delete": True},
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401  (JSON)
    """Return the way to each part of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, one in inner for place in places(one, (*path, name)))]


PLACES = places(ITEM)[1:]


def with_junk(changes: list[tuple[tuple[Any, ...], Any]]) -> dict[str, Any]:
    """Return the item with junk in some places."""
    item = copy.deepcopy(ITEM)
    for path, junk in changes:
        inner: Any = item
        for name in path[:-1]:
            if not has(inner, name):
                break
            inner = inner[name]
        else:
            if isinstance(inner, dict) or has(inner, path[-1]):
                inner[path[-1]] = copy.deepcopy(junk)
    return item


def has(value: object, name: object) -> bool:
    """Return whether there is something at a place that earlier junk may have taken away."""
    if isinstance(value, dict):
        return name in value
    return isinstance(value, list) and isinstance(name, int) and name < len(value)


def one_by_one(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the CLI can read of each item."""
    return [found for item in items if (found := sane.cipher(item)) is not None]


def as_json(value: object) -> str:
    """Return it as text, so that `1` is not taken for `true`."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_junk_anywhere(path: tuple[Any, ...]) -> None:
    """Each kind of junk in each place of an item is treated as if that item were alone, and the others as well."""
    for junk in JUNK:
        items = [ITEM, with_junk([(path, junk)]), ITEM]
        before = copy.deepcopy(items)

        assert as_json(ciphers(items)) == as_json(one_by_one(items)), junk
        assert items == before


changes = st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(JUNK)), max_size=3)


@settings(deadline=None, max_examples=300)
@given(st.lists(changes.map(with_junk), max_size=4))
def test_any_items(items: list[dict[str, Any]]) -> None:
    """Whatever some items hold: the outcome is that of looking at one by one, in JSON the same."""
    assert as_json(ciphers(items)) == as_json(one_by_one(items))


@pytest.mark.parametrize("lacking", ITEM)
def test_a_member_that_is_missing(lacking: str) -> None:
    """A member that a server does not send is treated as if the item were alone."""
    item = {name: value for name, value in ITEM.items() if name != lacking}

    assert as_json(ciphers([item])) == as_json(one_by_one([item]))


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        (2, {"type": 0}), (3, {"number": TEXTS[1], "brand": None}), (4, {"title": TEXTS[0]}), (6, {}),
        (5, {"privateKey": TEXTS[0], "publicKey": TEXTS[0], "keyFingerprint": TEXTS[0]}), (5, {"privateKey": TEXTS[0]}),
        (99, {}),
    ],
)  # fmt: skip
def test_other_types(kind: int, own: dict[str, Any]) -> None:
    """Items of every type are there as they are alone, or left out as they are alone."""
    item = ITEM | {"type": kind, "login": None, sane.TYPE_MEMBERS.get(kind, "x"): own}

    assert as_json(ciphers([item, ITEM])) == as_json(one_by_one([item, ITEM]))


def test_usual_parts_are_not_copied() -> None:
    """What need not change is not copied, so that a large vault is not in memory twice; an odd item costs its own."""
    items = [copy.deepcopy(ITEM) | {"id": f"{number:08}{IDS[0][8:]}"} for number in range(3 * CHUNK)]
    items[CHUNK]["notes"] = "plain"
    found = ciphers(items)
    shared = [one["login"] is item["login"] for one, item in zip(found, items, strict=True)]

    assert shared == [True] * CHUNK + [False] * CHUNK + [True] * CHUNK
    assert found[CHUNK]["notes"] is None
    assert as_json(found) == as_json(one_by_one(items))


def test_unknown_types_have_no_member() -> None:
    """An item of a type that is not known is left out, though it has a part without a name."""
    assert ciphers([{"id": IDS[0], "type": 99, "": {"a": None}}]) == []
