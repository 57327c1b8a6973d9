"""JSON, read and written as the standard library does it, only faster."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.base.jsontext import read_json, write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES)
def test_reads_and_writes_what_json_does(value: object) -> None:
    """What is written reads the same with `json`, and what `json` writes is read."""
    assert json.loads(write_json(value)) == value
    assert read_json(json.dumps(value).encode()) == value


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are JSON or a ValueError."""
    try:
        read_json(data)
    except ValueError:
        pass


@pytest.mark.parametrize("data", [b"NaN", b"[Infinity]", b"-Infinity", b"", b"{", b"[1,]", b"\xff"])
def test_no_json(data: bytes) -> None:
    """What JSON does not have is refused."""
    with pytest.raises(ValueError, match=r".+"):
        read_json(data)


def test_half_characters_and_large_numbers() -> None:
    """What `json` lets pass and orjson does not is read and written all the same."""
    text = b'{"a": "\\ud800", "b": 123456789012345678901234567890}'
    found = read_json(text)

    assert found == {"a": "\ud800", "b": 123456789012345678901234567890}
    assert json.loads(write_json(found)) == found


@pytest.mark.parametrize("other", [1, "\ud800", 2**70])
def test_numbers_beyond_all_bounds(other: object) -> None:
    """What JSON cannot write is null, as it is in JavaScript, beside whatever else."""
    assert json.loads(write_json({"a": [read_json(b"1e999"), other]})) == {"a": [None, other]}


def test_depth_is_an_error_of_its_own() -> None:
    """Nesting without end is a RecursionError, reading and writing."""
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(RecursionError):
        read_json(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(RecursionError):
        write_json(nested)
