"""Tables and JSON for stdout."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwrun.reports.tables import as_json, table, write_out

cells = st.text() | st.text(st.characters())  # lone surrogates too: names that are no UTF-8 have them
rows = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=5))


def test_columns_are_as_wide_as_they_need() -> None:
    """Each column is as wide as its widest cell, two spaces apart, with no space at the end of a line."""
    assert table(("A", "LONG", "C"), [("xxx", "y", ""), ("", "", "z")]) == "A    LONG  C\nxxx  y\n           z\n"
    assert table(("A", "B"), []) == "A  B\n"


@given(rows)
def test_text_cannot_move_the_cursor(lines: list[list[str]]) -> None:
    """Whatever stands in a cell, it is one line of characters that can be seen."""
    text = table(["H"] * len(lines[0]), lines)

    assert text.count("\n") == len(lines) + 1
    assert text.replace("\n", "").isprintable()
    assert all(line == line.rstrip() for line in text.split("\n"))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | cells, lambda inner: st.lists(inner) | st.dictionaries(cells, inner)
)


@given(values)
def test_json_is_ascii_and_means_the_same(value: object) -> None:
    """The JSON is one document in ASCII with a newline at its end, and reads as what was written."""
    text = as_json(value)

    assert text.isascii()
    assert text.endswith("\n")
    assert not any(ord(char) < 32 and char != "\n" for char in text)
    assert json.loads(text) == value


@pytest.fixture
def standard_output() -> Iterator[int]:
    """Keep descriptor 1, for tests that put something else there."""
    kept = os.dup(1)
    yield kept

    os.dup2(kept, 1)
    os.close(kept)


def test_write_out(standard_output: int) -> None:
    """All of it arrives, as UTF-8 as far as it can be."""
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.close(writer)
    status = write_out("grüße \udcff\n")
    os.dup2(standard_output, 1)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == "grüße \\udcff\n".encode()
    assert status == 0


def test_nobody_reads(standard_output: int) -> None:
    """If nobody reads it, the status is that of a failure, and nothing is raised."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
    os.close(writer)

    assert write_out("x") == 125
