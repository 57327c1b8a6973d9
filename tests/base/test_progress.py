"""Cutting the line that says what bwrun waits for to the width of the terminal; the line itself: tests/program."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwrun.base.progress import cut

WIDE, NARROW = "漢字かな한글", "abc é"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("logging in", 11, "logging in"),
        ("logging in", 10, "logging…"),
        ("漢字", 5, "漢字"),
        ("漢字", 4, "…"),
        ("漢字 ab", 7, "漢字…"),
        ("", 1, ""),
        ("text", 1, "…"),
        ("text", -3, "…"),
    ],
)
def test_cut(text: str, width: int, shown: str) -> None:
    """A text that fits stays as it is; of another one, there is room for the mark of the cut, and one column more."""
    assert cut(text, width) == shown


@given(st.text(WIDE + NARROW), st.integers(4, 40))
def test_a_line_never_wraps(text: str, width: int) -> None:
    """No line reaches the last column, where a terminal begins the next line; what is shown is the text's beginning."""
    shown = cut(text, width)

    assert sum(1 if char in NARROW else 2 for char in shown) < width
    assert text.startswith(shown.removesuffix("…"))
