"""
JSON, read and written fast: a vault of 10,000 items is 27 MB of it.

This is the only caller of orjson.  Measured on those 27 MB: orjson reads in 85 ms and `json` in 130, orjson writes in
8 ms and `json` in 105.  Its import takes 20 ms, so it is used from 2 MiB on.  It refuses half a surrogate pair, which
servers may send and `json` reads, so `json` is tried next; it reads integers over 64 bits as floats.
"""

from __future__ import annotations

import json
import sys

LARGE = 2 * 1024 * 1024  # bytes from which on orjson saves more time than its import takes


def import_fast_json() -> None:
    """Import orjson now, while the program waits for something else."""
    import orjson  # noqa: F401, PLC0415


def read_json(data: bytes | bytearray) -> object:
    """
    Return what `data` holds.

    Raises ValueError: it is no JSON; RecursionError: it is nested too deeply.
    """
    if len(data) >= LARGE:
        import orjson  # noqa: PLC0415

        try:
            return orjson.loads(data)
        except ValueError:
            pass  # `json` reads it, or says what is wrong
    found: object = json.loads(data, parse_constant=_no_constant)
    return found


def write_json(value: object) -> bytes:
    """
    Return `value` as UTF-8 without white space.

    Raises RecursionError: it is nested too deeply.
    """
    orjson = sys.modules.get("orjson")  # imported where a large text was read, so there is a large one to write
    if orjson is not None:
        try:
            written: bytes = orjson.dumps(value)
        except TypeError:
            pass
        else:
            return written
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except ValueError:  # an infinite number: null, as JavaScript writes it
        text = json.dumps(value)
        finite = json.loads(text, parse_constant=lambda _: None)
        return json.dumps(finite, separators=(",", ":")).encode("ascii")


def _no_constant(name: str) -> object:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)
