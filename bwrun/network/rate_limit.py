"""
How long a server asks to wait when it says "too many requests", or fails for a moment.

Pure. Facts: protocol notes 1.7 (bitwarden/server:CustomIpRateLimitMiddleware.cs: Retry-After in seconds, and the
same in words; AspNetCoreRateLimit's X-Rate-Limit-Reset; Vaultwarden says nothing).
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime

UNTOLD_WAIT = 5.0  # seconds, doubled at each try: Vaultwarden's burst refills by one a minute
FAILURE_WAIT = 0.3  # seconds, doubled at each try
_WORDS = re.compile(r"try again in (?:(\d{1,4})h)?\s*(?:(\d{1,4})m)?\s*(?:(\d{1,4})s)?", re.IGNORECASE)


def told_wait(headers: Mapping[str, str], message: str) -> float | None:
    """Return the seconds to wait that a 429 or 503 names, None if it names none."""
    after = headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit():
        return float(after[:12])
    for text in (after, headers.get("x-rate-limit-reset", "")):
        moment = _moment(text)
        if moment is not None:
            return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    match = _WORDS.search(message)
    if match and any(match.groups()):
        hours, minutes, seconds = (int(group or 0) for group in match.groups())
        return float(hours * 3600 + minutes * 60 + seconds)
    return None


def untold_wait(attempt: int) -> float:
    """Return the seconds to wait after the `attempt`-th 429 (from 0) that names none, with jitter."""
    return UNTOLD_WAIT * float(1 << attempt) * jitter()


def failure_wait(attempt: int) -> float:
    """Return the seconds to wait after the `attempt`-th failure (from 0) of a server, with jitter."""
    return FAILURE_WAIT * float(1 << attempt) * jitter()


def jitter() -> float:
    """Return a factor between 0.75 and 1.25, so that a fleet does not come back in step."""
    return 0.75 + random.random() / 2  # noqa: S311  (no secret depends on it)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  (10 ms, and few runs wait)

    try:
        found = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
