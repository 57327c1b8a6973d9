"""
How long a server asks the client to wait, in its headers or in its message.

This module is pure. Sources: RFC 9110, 10.2.3 (Retry-After); protocol notes 1.7; bitwarden/server:src/Core/Utilities/
CustomIpRateLimitMiddleware.cs (the same in words); AspNetCoreRateLimit's X-Rate-Limit-Reset; shuaiplus/NodeWarden:
src/handlers/identity.ts (in the message only). Vaultwarden does not say it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}  # seconds
_NUMBER = r"(?:\d{1,6}(?:\.\d{1,3})?\s*|(?:an?|one)\s+)"
_UNIT = (
    r"(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)"
    r"(?![a-z])"
)
_PART = re.compile(rf"({_NUMBER})({_UNIT})", re.IGNORECASE)
# "Try again in 1m.", "Account locked for 2 minutes.", "wait another 1 hour and 5 minutes", but not "5 in 1 minute".
_WORDS = re.compile(
    r"\b(?:again|retry|wait|locked|blocked)(?:\s+(?:in|for|after|about|at|least|another))*\s+"
    rf"((?:{_NUMBER}{_UNIT}[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)


def told_wait(headers: Mapping[str, str], message: str, now: float) -> float | None:
    """
    Return the seconds to wait that an answer with 429 or 503 asks for, or None if it does not say.

    `headers` has names in lower case, `message` is the server's own, and `now` is in seconds since the epoch.
    """
    after = headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit():
        return float(after[:12])
    for text in (after, headers.get("x-rate-limit-reset", "")):
        moment = _moment(text)
        if moment is not None:
            return max(0.0, moment - now)
    match = _WORDS.search(message)
    return None if match is None else sum(_seconds(*part) for part in _PART.findall(match[1]))


def _seconds(number: str, unit: str) -> float:
    unit = unit.casefold()  # IGNORECASE takes the long s (U+017F) for an s, and lower() keeps it
    short = "ms" if unit.startswith(("ms", "mil")) else unit[0]
    return (float(number) if number[0].isdigit() else 1.0) * _UNITS[short]


def _moment(text: str) -> float | None:
    """Return a point in time in seconds since the epoch. It is written as in RFC 3339 or HTTP, by default in UTC."""
    if not text:
        return None
    from datetime import UTC, datetime  # noqa: PLC0415  (few runs wait)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        found = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return (found - datetime.fromtimestamp(0, UTC)).total_seconds()
