"""
JSON, read and written fast: a vault of 10,000 items is 27 MB of it.

The only caller of orjson, which is 1.5 times as fast at reading as `json` and 12 times at writing, and takes 20 ms to
import: where there is much to read.  It refuses half a surrogate pair, which `json` lets pass and servers may send, so
`json` gets the second try; integers over 64 bits it reads as floats.
"""

from __future__ import annotations

import json
import sys
from mmap import mmap

from bwrun.buffers import LARGE  # from where on orjson's import is paid back


def expect_much() -> None:
    """Import what reads and writes much, in an idle moment."""
    import orjson  # noqa: F401, PLC0415


def read_json(data: bytes | bytearray | mmap) -> object:
    """
    Return what `data` holds.

    Raises ValueError: it is no JSON; RecursionError: it is nested too deeply.
    """
    if len(data) >= LARGE:
        import orjson  # noqa: PLC0415

        try:
            return orjson.loads(memoryview(data))
        except ValueError:
            pass  # the other one says what is wrong, or reads it
    found: object = json.loads(bytes(data) if isinstance(data, mmap) else data, parse_constant=_no_constant)
    return found


def read_much(data: bytes | memoryview) -> object:
    """
    Return what `data` holds, read fast.

    Raises ValueError: it is no JSON, or something in it is beyond this reader.
    """
    import orjson  # noqa: PLC0415

    found: object = orjson.loads(data)
    return found


def write_much(value: object) -> bytes:
    """
    Return `value` in as few bytes as can be, UTF-8.

    Raises TypeError: something in it is beyond this writer.
    """
    import orjson  # noqa: PLC0415

    return bytes(orjson.dumps(value))


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
    except ValueError:  # a number beyond all bounds: null, as JavaScript writes it
        text = json.dumps(value)
        finite = json.loads(text, parse_constant=lambda _: None)
        return json.dumps(finite, separators=(",", ":")).encode("ascii")


def _no_constant(name: str) -> object:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)
