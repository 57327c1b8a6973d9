"""Plain env files are read without python-dotenv, and as it reads them."""

from __future__ import annotations

import io

import pytest
from dotenv.parser import parse_stream
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.settings.env_syntax import parse_simple, parse_with_dotenv

PIECES = st.sampled_from(
    ["A", "b_1", "9", "=", "==", " ", "\t", "#", "\n", "\r\n", "\r", "'", '"', "\\", "\\n", "$", "${A}", "export ",
     "export", "value", "ü", "\x0b", "\x85", "\u2028", "\ufeff", ";", ":", "`", "-", ".", "bw://x/y", " # comment"]
)  # fmt: skip
LINES = st.lists(PIECES, max_size=8).map("".join)
LIKELY = st.tuples(
    st.sampled_from(["", "export ", " ", "#"]),
    st.sampled_from(["NAME", "B", "_", "a-b", "é", ""]),
    st.sampled_from(["=", " = ", ""]),
    st.sampled_from(["", "x", "x y", "x=y", "'q'", "a\\b", "a$b", "a#b", "#", "ü"]),
    st.sampled_from(["", " ", " # why", "# why", "\t#", " #'", "\\"]),
).map("".join)
TEXTS = st.lists(LINES | LIKELY, max_size=6).map("\n".join)


@settings(deadline=None, max_examples=500)
@given(TEXTS)
def test_reads_as_python_dotenv_does(text: str) -> None:
    """A file that is read plainly gives the names, values and lines that python-dotenv gives, and no error."""
    plain = parse_simple(text)
    if plain is None:
        return
    bindings = list(parse_stream(io.StringIO(text)))

    assert not any(binding.error for binding in bindings)
    assert [entry[:2] for entry in plain] == [(one.key, one.value) for one in bindings if one.key is not None]
    assert plain == parse_with_dotenv(text)[0]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", []),
        ("A=b", [("A", "b", 1)]),
        ("# why\n\nA=b\n \nexport C=d=e:f\n", [("A", "b", 3), ("C", "d=e:f", 5)]),
        ("A=b # the first\nA=c\t#\n", [("A", "b", 1), ("A", "c", 2)]),
        ("A=\n", [("A", "", 1)]),
        ("DB=bw://prod-db/password?folder=Prod\n", [("DB", "bw://prod-db/password?folder=Prod", 1)]),
    ],
)
def test_plain_files(text: str, entries: list[tuple[str, str, int]]) -> None:
    """What most files look like is read plainly."""
    assert parse_simple(text) == entries


@pytest.mark.parametrize(
    "text",
    [
        "A='b'", 'A="b"', "A=b c", "A = b", " A=b", "A=b#c", "A= # c", "A=\\n", "A", "A-B=c", "A=ü", "A=b\r\nC=d",
        "1A=b", "=b",
    ],
)  # fmt: skip
def test_anything_else_is_left_to_python_dotenv(text: str) -> None:
    """One line that needs interpreting, and the whole file is not read plainly."""
    assert parse_simple(f"B=c\n{text}") is None
