"""
What a run writes down when a server makes it wait, so that other runs do not ask the server in vain.

This module is pure: it reads no file and no clock. All times are in seconds. Moments are those of a clock that nobody
can set: it counts from the start of the machine.

A record says nothing about the account and nothing in the server's words, so it holds no secret:

    bwrun-wait 1 429 2 told 51234.250 51294.250

That is: format 1; the status of the answer; how many such answers came in a row; whether the server named the time;
when the answer came; until when to wait.
"""

from __future__ import annotations

import re
from typing import Protocol

from bwrun.base.structs import Struct
from bwrun.network.backoff import LONGEST_WAIT

LOGINS, REQUESTS = "logins", "requests"  # what a server can limit: requests are those with an access token
LONGEST_RECORD = 24 * 3600.0  # a server can ask for weeks: after a day, one request finds out whether it still does
LARGEST = 200  # bytes of a record
_FORM = re.compile(rb"bwrun-wait 1 (429|5\d\d) (\d{1,6}) (told|own) (\d{1,12}\.\d{3}) (\d{1,12}\.\d{3})\n")


class Record(Struct):
    """An answer that made a run wait."""

    status: int  # 429 or 5xx
    level: int  # answers with 429 in a row
    told: bool  # the server named the time; False: it is the time that bwrun waits where the server names none
    written: float
    until: float

    def to_bytes(self) -> bytes:
        """Return what is written into the file."""
        how = "told" if self.told else "own"
        return f"bwrun-wait 1 {self.status} {self.level} {how} {self.written:.3f} {self.until:.3f}\n".encode()


def make_record(status: int, level: int, wait: float, now: float, *, told: bool) -> Record:
    """Return the record of an answer that makes a run wait `wait` seconds, without the random part of the wait."""
    written = int(now * 1000) / 1000  # not rounded up: it must not be in the future
    return Record(status, min(level, 999_999), told, written, round(written + min(wait, LONGEST_RECORD), 3))


def read_record(data: bytes, now: float) -> Record | None:
    """
    Return the record in the bytes of a file, None if it says nothing about this moment.

    It does not count if it is damaged, if it is from the future, if it asks for more than the longest wait, or if its
    wait has been over for so long that the server would have forgotten it.
    """
    match = _FORM.fullmatch(data)
    if match is None:
        return None
    status, level, how, written, until = match.groups()
    record = Record(int(status), int(level), how == b"told", float(written), float(until))
    if record.written > now or not 0 <= record.until - record.written <= LONGEST_RECORD + 0.001:
        return None
    return record if now < record.until + LONGEST_WAIT else None


class Memory(Protocol):
    """Where records are kept: one for logins and one for requests. None of its methods raises an error."""

    def now(self) -> float:
        """Return the moment on the clock of the records."""

    def recall(self, kind: str, *, anew: bool) -> Record | None:
        """Return the record that counts now; without `anew`, the one of the last time that somebody looked."""

    def remember(self, kind: str, record: Record) -> None:
        """Keep a record, unless another asks for a longer wait."""

    def forget(self, kind: str, seen: Record) -> None:
        """Remove the record, because the server has answered; one that is newer than `seen` stays while it counts."""
