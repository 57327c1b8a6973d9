"""Tables and JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bwrun.reports.tables import MAX_WIDTH, as_json, table

cells = st.text() | st.text(st.characters())  # lone surrogates too: names that are no UTF-8 have them
rows = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=5))


def test_columns_are_as_wide_as_they_need() -> None:
    """Each column is as wide as its widest cell, two spaces apart, with no space at the end of a line."""
    assert table(("A", "LONG", "C"), [("xxx", "y", ""), ("", "", "z")]) == "A    LONG  C\nxxx  y\n           z\n"
    assert table(("A", "B"), []) == "A  B\n"


def test_long_names_are_cut() -> None:
    """A name of 1,000 characters does not make its column as wide; a reference is never cut, because it is pasted."""
    name, longest = "n" * 1000, "l" * MAX_WIDTH
    lines = table(
        ("NAME", "REFERENCE"), [(name, f"bw://{name}"), (longest, "bw://l"), ("\x1b" * 1000, "")]
    ).splitlines()

    assert lines[1] == f"{'n' * (MAX_WIDTH - 1)}…  bw://{name}"
    assert lines[2] == f"{longest}  bw://l"
    assert len(lines[3]) == MAX_WIDTH
    assert lines[3].isprintable()


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
