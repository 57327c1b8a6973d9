"""
JSON, read and written fast: a vault of 10,000 items is 27 MB of it.

The only caller of orjson, which is 1.5 times as fast at reading as `json` and 12 times at writing, and takes 20 ms to
import: where there is much to read.  It refuses what `json` lets pass (half a surrogate pair, integers over 64 bits);
servers send the one, so `json` gets the second try.
"""

from __future__ import annotations

import json
import sys

LARGE = 2 * 1024 * 1024  # bytes from which on orjson's import is paid back


def expect_much() -> None:
    """Import what reads and writes much, in an idle moment."""
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
            pass  # the other one says what is wrong, or reads it
    found: object = json.loads(data, parse_constant=_no_constant)
    return found


def write_json(value: object) -> bytes:
    """
    Return `value` in as few bytes as can be, UTF-8.

    Raises RecursionError: it is nested too deeply.
    """
    orjson = sys.modules.get("orjson")  # it is there where much was read, and so there is much to write
    if orjson is not None:
        try:
            written: bytes = orjson.dumps(value)
        except TypeError:
            pass
        else:
            return written
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except ValueError:  # a number beyond all bounds, which orjson writes as null
        import orjson as other  # noqa: PLC0415

        return bytes(other.dumps(value))


def _no_constant(name: str) -> object:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)
