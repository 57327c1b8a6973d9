"""
CBOR (RFC 8949): the part of it that Bitwarden's COSE keys, messages and blob items use.

That is: integers, byte and text strings, arrays, maps, true, false and null, each in its shortest form (RFC 8949 4.2.1:
preferred serialization, definite lengths), as the SDK writes them.  The decoder refuses tags, floats, indefinite
lengths, other simple values, and maps in which a key occurs twice, because the SDK writes none of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bwrun.base.errors import MalformedEncStringError

Value = int | bytes | str | bool | list["Value"] | dict[int | str, "Value"] | None
Encodable = int | bytes | str | Sequence["Encodable"] | Mapping[int | str, "Encodable"] | None

MAX_SIZE = 16 * 1024 * 1024  # an item has 500 kB at most on the official server
MAX_DEPTH = 16  # an item has 5 levels
MAX_VALUES = 100_000  # because a value of one byte takes 60 bytes of memory

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, _, SIMPLE = range(8)  # major types; the one without a name is a tag
SIMPLE_VALUES: dict[int, bool | None] = {20: False, 21: True, 22: None}


class CborError(MalformedEncStringError):
    """The data is not CBOR, or contains something that is not supported. The message never contains the data."""


def decode(data: bytes, *, max_size: int = MAX_SIZE) -> Value:
    """
    Read one value, after which `data` ends.

    Raises CborError: `data` has another form, or more than `max_size` bytes.
    """
    if len(data) > max_size:
        raise CborError(f"the CBOR data has {len(data)} bytes, more than {max_size}")
    reader = _Reader(data)
    value = reader.value(MAX_DEPTH)
    if reader.place != len(data):
        raise CborError("the CBOR data continues after its end")
    return value


def decode_map(data: bytes, *, max_size: int = MAX_SIZE) -> dict[int | str, Value]:
    """Read one map. Raises CborError: `data` is something else."""
    value = decode(data, max_size=max_size)
    if not isinstance(value, dict):
        raise CborError("the CBOR data is not a map")
    return value


class _Reader:
    """Reads CBOR data from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0
        self.values = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes; raise CborError if there are fewer."""
        if size > len(self.data) - self.place:
            raise CborError("the CBOR data ends too early")
        self.place += size
        return self.data[self.place - size : self.place]

    def head(self) -> tuple[int, int]:
        """Return the major type and the argument (RFC 8949 section 3)."""
        first = self.data[self.place] if self.place < len(self.data) else self.take(1)[0]
        self.place += 1
        info = first & 31
        if info < 24:
            return first >> 5, info
        if info > 27:
            raise CborError("the CBOR data has an indefinite length or an invalid type")
        size = 1 << (info - 24)
        argument = int.from_bytes(self.take(size), "big")
        if argument < (24 if size == 1 else 1 << 4 * size):
            raise CborError("the CBOR data contains a number that is not in its shortest form")
        return first >> 5, argument

    def value(self, depth: int) -> Value:
        """Return the next value, which may have `depth` levels."""
        self.values += 1
        if depth == 0 or self.values > MAX_VALUES:
            raise CborError("the CBOR data contains too many values or too many levels")
        major, argument = self.head()
        if major == TEXT:
            return self.text(argument)
        if major == UNSIGNED:
            return argument
        if major == NEGATIVE:
            return -1 - argument
        if major == BYTES:
            return self.take(argument)
        if major == MAP:
            return self.map(argument, depth - 1)
        if major == ARRAY:
            return [self.value(depth - 1) for _ in range(self.count(argument))]
        if major == SIMPLE and argument in SIMPLE_VALUES:
            return SIMPLE_VALUES[argument]
        raise CborError("the CBOR data contains a tag, a float or another simple value that is not supported")

    def count(self, announced: int) -> int:
        """Check the announced number of values: each has at least one byte, so there are no more than bytes."""
        if announced > len(self.data) - self.place:
            raise CborError("the CBOR data ends too early")
        return announced

    def text(self, size: int) -> str:
        """Return the next `size` bytes as text."""
        try:
            return self.take(size).decode()
        except UnicodeDecodeError:
            raise CborError("the CBOR data contains text that is not UTF-8") from None

    def map(self, announced: int, depth: int) -> dict[int | str, Value]:
        """Return a map of `announced` pairs."""
        found: dict[int | str, Value] = {}
        for _ in range(self.count(announced)):
            key = self.value(depth)
            if type(key) not in (int, str) or not isinstance(key, (int, str)):  # True is an int too
                raise CborError("the CBOR data contains a map key that is neither a number nor text")
            if key in found:
                raise CborError("the CBOR data contains a map with the same key twice")
            found[key] = self.value(depth)
        return found


def encode(value: Encodable) -> bytes:
    """Return `value` in CBOR; a map keeps its order, and an integer may have 64 bits."""
    if value is None or isinstance(value, bool):
        simple = {known: number for number, known in SIMPLE_VALUES.items()}
        return _head(SIMPLE, simple[value])
    if isinstance(value, int):
        return _head(UNSIGNED, value) if value >= 0 else _head(NEGATIVE, -1 - value)
    if isinstance(value, bytes):
        return _head(BYTES, len(value)) + value
    if isinstance(value, str):
        return _head(TEXT, len(value.encode())) + value.encode()
    if isinstance(value, Mapping):
        return _head(MAP, len(value)) + b"".join(encode(key) + encode(inner) for key, inner in value.items())
    return _head(ARRAY, len(value)) + b"".join(encode(inner) for inner in value)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes((major << 5 | argument,))
    size = next(size for size in (1, 2, 4, 8) if argument < 1 << 8 * size)
    return bytes((major << 5 | 23 + size.bit_length(),)) + argument.to_bytes(size, "big")
