"""CBOR: what is read, and that nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.base.errors import CryptoError
from bwrun.crypto.cbor import MAX_SIZE, CborError, Value, decode, decode_map, encode
from tests.server import cose as other

# RFC 8949 appendix A, without floats, tags and indefinite lengths
KNOWN: list[tuple[str, Value]] = [
    ("00", 0), ("01", 1), ("0a", 10), ("17", 23), ("1818", 24), ("1819", 25), ("1864", 100), ("1903e8", 1000),
    ("1a000f4240", 1_000_000), ("1b000000e8d4a51000", 1_000_000_000_000), ("1bffffffffffffffff", 2**64 - 1),
    ("3bffffffffffffffff", -(2**64)), ("20", -1), ("29", -10), ("3863", -100), ("3903e7", -1000), ("f4", False),
    ("f5", True), ("f6", None), ("40", b""), ("4401020304", b"\x01\x02\x03\x04"), ("60", ""), ("6161", "a"),
    ("6449455446", "IETF"), ("62225c", '"\\'), ("62c3bc", "ü"), ("63e6b0b4", "水"), ("64f0908591", "\U00010151"),
    ("80", []), ("83010203", [1, 2, 3]), ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", list(range(1, 26))), ("a0", {}),
    ("a201020304", {1: 2, 3: 4}), ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("826161a161626163", ["a", {"b": "c"}]),
]  # fmt: skip

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-99_999, 99_999) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def read_or_refuse(data: bytes) -> None:
    """Read `data` if it is CBOR of the kind that is read: then it is the one way to write its value."""
    try:
        value = decode(data)
    except CborError:
        return
    assert encode(value) == data


@pytest.mark.parametrize(("data", "value"), KNOWN)
def test_known_answers(data: str, value: Value) -> None:
    """The examples of RFC 8949 are read and written."""
    assert repr(decode(bytes.fromhex(data))) == repr(value)
    assert encode(value) == bytes.fromhex(data)


@given(VALUES)
def test_reads_what_others_write(value: Value) -> None:
    """What other code writes is read as it was, and written the same here."""
    written = other.cbor(value)

    assert repr(decode(written)) == repr(value)
    assert encode(value) == written


@given(st.binary(max_size=200))
@example(b"\x81" * 200)
@example(b"\xa1\x00" * 100)
@example(b"\x9b" + b"\xff" * 8)
@example(b"\xbb\x7f" + b"\xff" * 7)
@example(b"\x5b" + b"\xff" * 8)
def test_any_bytes_are_a_value_or_refused(data: bytes) -> None:
    """Whatever is sent is read or refused, and what is read has this one form alone."""
    read_or_refuse(data)


@given(VALUES, st.data())
def test_changed_bytes_are_read_or_refused(value: Value, data: st.DataObject) -> None:
    """A changed byte, a cut and an addition never fail in another way, and a cut is never read."""
    written = bytearray(other.cbor(value))
    cut = data.draw(st.integers(0, len(written) - 1))
    written[cut] = data.draw(st.integers(0, 255))

    read_or_refuse(bytes(written))
    for spoilt in (other.cbor(value)[:cut], other.cbor(value) + b"\0"):
        with pytest.raises(CborError):
            decode(spoilt)


@pytest.mark.parametrize(
    "data",
    [
        "1800", "1817", "190001", "1900ff", "1a0000ffff", "1b00000000ffffffff", "5800", "7817" + "61" * 23, "9800",
        "b800", "3800",
    ],
)  # fmt: skip
def test_refuses_longer_forms(data: str) -> None:
    """A number that is not in its shortest form is refused."""
    with pytest.raises(CborError):
        decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    "data",
    [
        "", "1c", "1f", "5f4101ff", "7f6161ff", "9fff", "bfff", "ff", "f7", "e0", "f800", "f814", "f93c00",
        "fa47c35000", "fb3ff0000000000000", "c074", "d818", "c240", "61ff", "62c328", "a1400102", "a1f500", "a1f600",
        "a18000", "a2010201 03", "a2616101616102",
    ],
)  # fmt: skip
def test_refuses_other_kinds(data: str) -> None:
    """Tags, floats, indefinite lengths, other simple values, keys of other kinds and keys twice are refused."""
    with pytest.raises(CborError) as caught:
        decode(bytes.fromhex(data))
    assert isinstance(caught.value, CryptoError)
    assert caught.value.code == "crypto.malformed"


def test_limits() -> None:
    """Levels, values and size have a limit each, and what is announced is not believed."""
    deep = b"\x81" * 15 + b"\0"

    assert decode(deep) is not None
    for data in (
        b"\x81" + deep,
        b"\x9a\x00\x02\x00\x00" + bytes(0x20000),
        bytes(MAX_SIZE + 1),
        b"\x9a\xff\xff\xff\xff",
    ):
        with pytest.raises(CborError):
            decode(data)
    with pytest.raises(CborError, match="5 bytes"):
        decode(bytes(5), max_size=4)


@pytest.mark.parametrize("data", ["00", "80", "40", "f6"])
def test_a_map_is_a_map(data: str) -> None:
    """Where a map is needed, anything else is refused."""
    assert decode_map(b"\xa0") == {}
    with pytest.raises(CborError):
        decode_map(bytes.fromhex(data))
