"""Replacing values in a stream: at every split point, overlapping, binary, beside a slow and simple oracle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.masking.finding import folder_of_packages, heads_of, hyperscan_finder, re_finder
from bwrun.masking.stream import Forms, MaskedStream

ROOT = Path(__file__).parents[2]
MASK = b"<concealed by bwrun>"
FINDERS = [pytest.param(hyperscan_finder, id="hyperscan"), pytest.param(re_finder, id="re")]
# Few letters, so that forms overlap, repeat and begin each other.
TEXT = st.text("ab\n\0\xff", max_size=30).map(lambda text: text.encode("latin-1"))
FORM = st.text("ab\n\0\xff", min_size=1, max_size=12).map(lambda text: text.encode("latin-1"))


def oracle(forms: Sequence[bytes], text: bytes) -> bytes:
    """Mask a whole text in the simplest way: mark each byte of each occurrence; what overlaps gets one mask."""
    covered = [False] * len(text)
    joined = [False] * (len(text) + 1)  # an occurrence goes on over this place
    for form in forms:
        for start in range(len(text) - len(form) + 1):
            if text[start : start + len(form)] == form:
                for place in range(start, start + len(form)):
                    covered[place] = True
                for place in range(start + 1, start + len(form)):
                    joined[place] = True
    result = b""
    for place, byte in enumerate(text):
        if not covered[place]:
            result += bytes((byte,))
        elif not joined[place]:
            result += MASK
    return result


def masked(stream: MaskedStream, pieces: Sequence[bytes]) -> bytes:
    """Send `pieces` through a stream to its end."""
    return b"".join(map(stream.feed, pieces)) + stream.release()


def make(forms: Sequence[bytes], finder: Callable[[list[bytes]], object] = hyperscan_finder) -> MaskedStream:
    """Return a stream that masks `forms` as they are."""
    return MaskedStream(Forms(forms, finder(heads_of(forms))))  # type: ignore[arg-type]


@pytest.mark.parametrize("finder", FINDERS)
@pytest.mark.parametrize(
    ("forms", "text"),
    [
        ([b"hunter2hunter2"], b"the password is hunter2hunter2, really"),
        ([b"secret", b"secretive-value"], b"secretive-value secretive-valu secret"),
        ([b"abcdef", b"defghi"], b"--abcdefghi--"),  # overlapping
        ([b"inner-value", b"an inner-value outside"], b"an inner-value outsid an inner-value outside"),
        ([b"aaaa"], b"aaa aaaa aaaaa aaaaaaaa"),
        ([b"<con", b"concealed"], b"<concealed by bwrun> <con concealed"),  # a beginning of the mask itself
        ([b"one1", b"two2"], b"one1two2one1"),  # touching: one mask each
        ([b"\0\xff\0\xfe"], b"\xff\0\xff\0\xfe\xff\0\xff\xfe"),
        ([b"line one\nline two"], b"line one\nline two\n\nline one\nline tw"),
        ([b"x" * 40 + b"y"], b"x" * 39 + b"y" + b"x" * 41 + b"y"),
    ],
)
def test_every_split_point(forms: list[bytes], text: bytes, finder: Callable[[list[bytes]], object]) -> None:
    """However a text is cut in two or three, or sent byte by byte, the same comes out: what the oracle says."""
    wanted = oracle(forms, text)

    cuts = [(0, first, second, len(text)) for first in range(len(text) + 1) for second in range(first, len(text) + 1)]
    for places in [*cuts, range(len(text) + 1)]:
        assert wanted == masked(make(forms, finder), [text[start:end] for start, end in pairwise(places)])
    assert not any(form in wanted.replace(MASK, b"") for form in forms)


@pytest.mark.parametrize("finder", FINDERS)
@given(forms=st.lists(FORM, min_size=1, max_size=6), pieces=st.lists(TEXT, max_size=6))
@example(forms=[b"aba", b"babb"], pieces=[b"ab", b"a", b"bab", b"b"])
def test_any_text_in_any_pieces(
    forms: list[bytes], pieces: list[bytes], finder: Callable[[list[bytes]], object]
) -> None:
    """Forms and texts of few letters, in any pieces, come out as the oracle says."""
    assert oracle(forms, b"".join(pieces)) == masked(make(forms, finder), pieces)


@given(data=st.binary(max_size=300), form=st.binary(min_size=1, max_size=20))
def test_other_bytes_pass_unchanged(data: bytes, form: bytes) -> None:
    """Bytes that are no value pass one by one as they are."""
    pieces = [data[place : place + 1] for place in range(len(data))]

    assert oracle([form], data) == masked(make([form]), pieces)


@given(forms=st.lists(FORM, min_size=1, max_size=4), pieces=st.lists(TEXT, min_size=1, max_size=6))
def test_nothing_is_held_back_but_a_beginning(forms: list[bytes], pieces: list[bytes]) -> None:
    """What a stream holds back is at each moment the beginning of a form."""
    stream = make(forms)
    sent = b""
    for piece in pieces:
        stream.feed(piece)
        sent += piece
        beginnings = [size for form in forms for size in range(1, len(form)) if sent.endswith(form[:size])]

        assert not stream.is_holding or beginnings


def test_shows_what_cannot_become_a_value_at_once() -> None:
    """A text that ends in a value's first letters shows up to them; the next letter decides over them."""
    stream = make([b"hunter2"])

    assert stream.feed(b"go hunt") == b"go "
    assert stream.is_holding
    assert stream.feed(b"ing\n") == b"hunting\n"
    assert not stream.is_holding
    assert stream.feed(b"hunter2") == MASK
    assert not stream.is_holding


def test_released_beginning_does_not_reveal_the_rest() -> None:
    """What was shown because the command waits for input stays known: if a value follows, its rest is masked."""
    stream = make([b"hunter2"])

    assert stream.feed(b"word: hunt") == b"word: "
    assert stream.release() == b"hunt"
    assert not stream.is_holding
    assert stream.release() == b""
    assert stream.feed(b"er") == b""
    assert stream.release() == b"er"
    assert stream.feed(b"2 next hunter2") == MASK + b" next " + MASK


def test_value_within_what_is_held_back_is_masked_when_that_is_released() -> None:
    """A short value that begins a longer one is not shown when the longer one does not come."""
    stream = make([b"line-one", b"line-one\nline-two"])

    assert stream.feed(b"line-one\nli") == MASK
    assert stream.release() == b"\nli"
    assert stream.feed(b"ne-two.") == MASK + b"."


def test_endless_repetition_is_not_kept() -> None:
    """A value that overlaps with itself for ever does not fill the memory."""
    stream = make([b"aaaa"])
    output = b"".join(stream.feed(b"a" * 1000) for _ in range(100))

    assert output == MASK
    assert len(stream._text) < 4  # noqa: SLF001  (its memory is the point)


def test_without_forms_all_passes() -> None:
    """A run without any value masks nothing."""
    assert MaskedStream(Forms([])).feed(b"hunter2") == b"hunter2"


def test_long_value_in_small_pieces() -> None:
    """A value of 100,000 bytes is found in pieces of a thousand."""
    value = bytes(range(256)) * 400
    stream = make([value])
    text = b"<" + value + b">"
    pieces = [text[place : place + 1000] for place in range(0, len(text), 1000)]

    assert masked(stream, pieces) == b"<" + MASK + b">"


def test_many_forms_with_the_same_beginning() -> None:
    """Forms that share their first bytes are told apart."""
    forms = [b"https://hooks.example/%05d" % number for number in range(500)]
    stream = make(forms)

    assert stream.feed(b"https://hooks.example/00499 https://hooks.example/00500 ") == (
        MASK + b" https://hooks.example/00500 "
    )


def test_without_hyperscan() -> None:
    """In a process that finds no Hyperscan, `re` takes its place; with its folder, it is loaded without the rest."""
    code = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "from bwrun.masking import finding\n"
        "finding.load(sys.argv[2])\n"
        "from bwrun.masking.stream import Forms, MaskedStream\n"
        "stream = MaskedStream(Forms([b'hunter2']))\n"
        "print(stream.feed(b'it is hunter2.').decode(), 'hyperscan' in sys.modules, 're' in sys.modules)\n"
    )
    shown = [
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, str(ROOT), folder],
            check=True,
            capture_output=True,
            encoding="ascii",
        ).stdout
        for folder in ("", folder_of_packages())
    ]

    assert shown == ["it is <concealed by bwrun>. False True\n", "it is <concealed by bwrun>. True False\n"]
