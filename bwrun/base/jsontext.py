"""
Reading and writing JSON, with orjson where the text is large. This is the only module that imports orjson.

A vault of 10,000 items is 27 MB of JSON. orjson reads that in 85 ms and `json` in 130; orjson writes it in 8 ms and
`json` in 105. The import of orjson takes 20 ms, so it is used for texts of 2 MiB and more. Measure it again with
`make bench-libraries`.

The two differ: orjson refuses half a surrogate pair, which servers may send (then `json` reads the text), and reads
integers of more than 64 bits as floats.
"""

from __future__ import annotations

import json
import sys

LARGE = 2 * 1024 * 1024  # bytes; from this size on orjson saves more time than its import takes


def read_json(data: bytes | bytearray) -> object:
    """
    Return the value of a JSON text in UTF-8.

    Raises ValueError: it is not JSON; RecursionError: it is nested too deeply.
    """
    if len(data) >= LARGE:
        import orjson  # noqa: PLC0415

        try:
            return orjson.loads(data)
        except ValueError:
            pass  # `json` reads it, or raises its own error
    found: object = json.loads(data, parse_constant=_no_constant)
    return found


def write_json(value: object) -> bytes:
    """
    Return `value` as JSON in UTF-8, without white space.

    Raises RecursionError: it is nested too deeply.
    """
    orjson = sys.modules.get("orjson")  # imported if a large text was read: then there is one to write too
    if orjson is not None:
        try:
            written: bytes = orjson.dumps(value)
        except TypeError:
            pass
        else:
            return written
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except ValueError:  # a number is infinite: write null, as JavaScript does
        text = json.dumps(value)
        finite = json.loads(text, parse_constant=lambda _: None)
        return json.dumps(finite, separators=(",", ":")).encode("ascii")


def _no_constant(name: str) -> object:
    """Refuse NaN and Infinity, which Python's parser accepts and JSON does not have."""
    raise ValueError(name)
