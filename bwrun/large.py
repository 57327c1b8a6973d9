"""
A large vault, read piece by piece, so that what is not asked for need not be held.

A sync of 10,000 items is 27 MB of JSON and twice that as objects, most of which nobody looks at: memory costs time.
The text of the items is cut into pieces; each is parsed, noted by whoever has to see all of it, and of its items only
what tells them apart is kept.  An item that is opened is parsed once more.

Nothing is taken on trust: a cut in a wrong place leaves a piece that is no JSON, and then the text is read as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

from bwrun.buffers import LARGE
from bwrun.jsontext import read_much
from bwrun.transport import Body

Record = dict[str, object]
Note = Callable[[list[Record]], None]

PIECE = 256 * 1024  # bytes, at least
BEGIN = b'"ciphers":['
MARK = "the items, cut out"
MAX_NAME = 64  # bytes of an object's brace and first name
# What an item is told apart without: the members of each type, texts, lists. (`data` stays where it is all there is.)
CONTENTS = (
    "login", "secureNote", "card", "identity", "sshKey", "bankAccount", "driversLicense", "passport", "notes", "fields",
    "attachments", "passwordHistory",
)  # fmt: skip
SEALED = '"format_version"'


class LargeVault:
    """The items of a sync: `heads`, each without its contents."""

    def __init__(self, body: Body, spans: list[tuple[int, int]], note: Note | None) -> None:
        """
        Read the pieces of `body` that `spans` are; each is shown to `note`.

        Raises ValueError: one is not what it must be.
        """
        self.heads: list[Record] = []
        self._body = bytearray(body) if isinstance(body, bytes) else body
        self._spans = spans
        self._counts: list[int] = []
        for number in range(len(spans)):
            records = self._read(number)
            if note is not None:
                note(records)
            for record in records:
                _drop_contents(record)
            self.heads += records
            self._counts.append(len(records))
        self._places: dict[int, tuple[int, int]] | None = None

    def whole(self, head: Record) -> Record:
        """Return the item that `head` is of, with its contents."""
        if self._places is None:
            where = [(number, at) for number, count in enumerate(self._counts) for at in range(count)]
            self._places = {id(one): place for one, place in zip(self.heads, where, strict=True)}
        number, at = self._places[id(head)]
        return self._read(number)[at]

    def _read(self, number: int) -> list[Record]:
        start, end = self._spans[number]
        before, after = self._body[start - 1 : start], self._body[end : end + 1]
        self._body[start - 1 : start], self._body[end : end + 1] = b"[", b"]"  # a list in its place, not a copy
        try:
            with memoryview(self._body) as view, view[start - 1 : end + 1] as piece:
                records = read_much(piece)
        finally:
            self._body[start - 1 : start], self._body[end : end + 1] = before, after
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise ValueError("an item that is no object")
        return records


def read_large(
    body: Body, note: Note | None, *, testing_size: int = LARGE, testing_piece: int = PIECE
) -> Record | None:
    """
    Return a sync's reply with its items as a LargeVault; None if it is not large, or not of the usual form.

    `note` is shown the items of each piece, and may keep nothing of them.
    """
    try:
        return _read_large(body, note, testing_piece) if len(body) >= testing_size else None
    except (ValueError, TypeError, RecursionError):
        return None


def _read_large(body: Body, note: Note | None, piece: int) -> Record | None:
    start = body.find(BEGIN, 0) + len(BEGIN)
    name_end = body.find(b'":', start, start + MAX_NAME)
    if start < len(BEGIN) or bytes(body[start : start + 2]) != b'{"' or name_end < 0:
        return None
    separator = b"}," + bytes(body[start : name_end + 2])  # all items begin with the same name, as servers write them
    cuts = [start]
    while (cut := body.find(separator, cuts[-1] + piece)) >= 0:
        cuts.append(cut + 2)
    end = cuts[-1] + _size_of_list(bytes(body[cuts[-1] :]))
    outside = read_much(bytes(body[: start - 1]) + json.dumps(MARK).encode() + bytes(body[end + 1 :]))
    if not isinstance(outside, dict) or outside.get("ciphers") != MARK:
        return None
    spans = [(one, other - 1) for one, other in pairwise([*cuts, end + 1])]
    vault = LargeVault(body, spans, note)
    return outside | {"ciphers": vault}


def _size_of_list(rest: bytes) -> int:
    """Return how many bytes a list goes on whose first values `rest` begins with."""
    text = "[" + rest.decode("latin-1")  # a character for each byte: what is in the strings does not matter here
    return json.JSONDecoder().raw_decode(text)[1] - 2  # less both brackets


def _drop_contents(record: Record) -> None:
    for name in CONTENTS:
        record.pop(name, None)
    data = record.get("data")
    if data is not None and not (isinstance(data, str) and SEALED in data):
        del record["data"]
