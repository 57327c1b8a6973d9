"""A large vault read in pieces is the vault read as a whole, or it is read as a whole."""

from __future__ import annotations

import json
import mmap
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bwrun.answer import parse_json
from bwrun.buffers import large_buffer
from bwrun.large import CONTENTS, LargeVault, Record, read_large
from bwrun.session.noted import NotedItems

TRAPS = st.sampled_from(
    ['"ciphers":[', '{"id":', '},{"id":', "]}", '\\"', "é", "\u2028", "", "2.abc==|x|y=", '{"format_version":1}', "a_b"]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 99) | TRAPS | st.text(max_size=4)
NAMES = st.sampled_from(["id", "name", "login", "fields", "data", "ciphers", "notes", "uris", "key"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
ITEMS = st.builds(lambda first, rest: {"id": first, **rest}, TRAPS, st.dictionaries(NAMES, VALUES, max_size=4))
SYNCS = st.builds(
    lambda before, items, after: {**before, "ciphers": items, **after},
    st.dictionaries(st.sampled_from(["profile", "folders", "a"]), VALUES, max_size=2),
    st.lists(ITEMS, max_size=9),
    st.dictionaries(st.sampled_from(["sends", "policies", "z"]), VALUES, max_size=2),
)


def as_text(value: object) -> bytes:
    """Return JSON as servers write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def read(
    body: bytes | bytearray | mmap.mmap, seen: list[Record] | None = None, piece: int = 40
) -> dict[str, Any] | None:
    """Read a text as if it were large, in small pieces."""
    return read_large(body, None if seen is None else seen.extend, testing_size=0, testing_piece=piece)


def head_of(item: dict[str, Any]) -> dict[str, Any]:
    """Return what an item is told apart by."""
    sealed = isinstance(item.get("data"), str) and '"format_version"' in item["data"]
    left_out = {*CONTENTS} | (set() if sealed or item.get("data") is None else {"data"})
    return {name: value for name, value in item.items() if name not in left_out}


@settings(deadline=None, max_examples=400)
@given(SYNCS, st.integers(0, 80))
def test_pieces_are_the_whole(sync: dict[str, Any], piece: int) -> None:
    """Whatever is in a vault: what is outside is the same, each item's head, and each item once it is opened."""
    found = read(as_text(sync), piece=piece)
    if found is None:
        return  # read as a whole then

    vault = found.pop("ciphers")
    assert isinstance(vault, LargeVault)
    assert found == {name: value for name, value in sync.items() if name != "ciphers"}
    assert vault.heads == [head_of(item) for item in sync["ciphers"]]
    assert [vault.whole(head) for head in reversed(vault.heads)] == sync["ciphers"][::-1]


@settings(deadline=None)
@given(st.lists(ITEMS, min_size=1, max_size=9))
def test_all_is_shown_before_it_is_left_out(items: list[dict[str, Any]]) -> None:
    """Whoever notes sees each item whole, in order."""
    shown: list[Record] = []

    def note(records: list[Record]) -> None:
        shown.extend(dict(record) for record in records)

    assume(read_large(as_text({"ciphers": items, "x": 1}), note, testing_size=0, testing_piece=1) is not None)
    assert shown == items


@settings(deadline=None, max_examples=300)
@given(SYNCS, st.data())
def test_damaged_texts(sync: dict[str, Any], data: st.DataObject) -> None:
    """A text with one byte changed, left out or put in is read as JSON would be, or not at all; nothing is raised."""
    body = bytearray(as_text(sync))
    at = data.draw(st.integers(0, len(body)))
    body[at : at + data.draw(st.integers(0, 1))] = data.draw(
        st.sampled_from([b"", b"{", b"}", b"]", b"[", b",", b'"', b"x"])
    )
    found = read(bytes(body))
    if found is not None:
        vault = found["ciphers"]
        assert found | {"ciphers": [vault.whole(head) for head in vault.heads]} == json.loads(body)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"[]", b'{"ciphers":[]}', b'{"ciphers":[1]}', b'{"ciphers":[{}]}', b'{"ciphers":[{"id":1},2]}',
        b'{"ciphers": [{"id":1}]}', b'{"Ciphers":[{"id":1}]}', b'{"a":{"ciphers":[{"id":1}]}}',
        b'{"ciphers":[{"id":1}]',
        b'{"ciphers":[{"id":1}],"ciphers":[{"id":2}]}', b'{"ciphers":[{"id":1}],"ciphers":null}',
    ],
)  # fmt: skip
def test_another_form_is_not_cut(text: bytes) -> None:
    """What is not as servers write it is left to the usual way."""
    assert read(text) is None


def test_small_ones_are_not_cut() -> None:
    """A vault of the usual size is read as a whole."""
    assert read_large(as_text({"ciphers": [{"id": "x", "name": "y" * 1000}] * 1000}), None) is None
    assert read_large(as_text({"ciphers": [{"id": "x", "name": "y" * 1000}] * 3000}), None) is not None


def test_reads_from_large_pages() -> None:
    """The buffer that large answers are read into can be cut as bytes can."""
    sync = {"profile": {}, "ciphers": [{"id": str(number), "login": {"id": number}} for number in range(50)]}
    text = as_text(sync)
    buffer = large_buffer(len(text))
    buffer[:] = text
    found = read(buffer)

    assert found is not None
    assert [found["ciphers"].whole(head) for head in found["ciphers"].heads] == sync["ciphers"]


def login_within_logins(depth: int) -> dict[str, Any]:
    """Return addresses inside addresses."""
    return {"uris": [login_within_logins(depth - 1)]} if depth else {}


def attachments(number: int) -> list[dict[str, Any]]:
    """Return what begins as items do."""
    return [{"id": f"{number}-{one}", "size": "x" * 30} for one in range(5)]


GOOD = [{"id": f"{number:08x}-0000-4000-8000-000000000000", "type": 1, "login": {}} for number in range(30)]


@pytest.mark.parametrize(
    "odd",
    [
        [{"id": "x", "name": "\ud800"}],
        [5],
        [{"id": str(number), "attachments": attachments(number)} for number in range(9)],
        [{"id": GOOD[0]["id"], "type": 1, "login": login_within_logins(300)}],
    ],
    ids=["half a character", "no object", "lists that look like items", "deep"],
)
@pytest.mark.parametrize("kind", ["bytes", "bytearray", "mmap"])
def test_a_text_that_is_given_back_is_as_it_was(kind: str, odd: list[Any]) -> None:
    """What cannot be read in pieces, at the end or in the middle, is left as it came, whatever it is kept in."""
    text = json.dumps({"ciphers": [*GOOD, *odd, *GOOD]}, separators=(",", ":")).encode()
    body: bytes | bytearray | mmap.mmap = text if kind == "bytes" else bytearray(text)
    if kind == "mmap":
        body = large_buffer(len(text))
        body[:] = text

    assert read_large(body, NotedItems().note, testing_size=0, testing_piece=100) is None
    assert bytes(body) == text
    assert parse_json(body) == json.loads(text)
