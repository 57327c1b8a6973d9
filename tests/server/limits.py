"""
Limits on how often clients may ask, as servers have them.

- A window (AspNetCoreRateLimit, which the official server uses): so many in a period, which begins with the first
  request. A request too many gets Retry-After with the seconds until the period ends, at least 1, as a whole number
  (stefanprodan/AspNetCoreRateLimit:src/AspNetCoreRateLimit/Core/Extensions.cs, RetryAfterFrom).
- A bucket (governor, which Vaultwarden uses): so many at once, then one each so many seconds: the generic cell rate
  algorithm. Vaultwarden does not say when that is (dani-garcia/vaultwarden:src/ratelimit.rs).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.server.faults import RATE_LIMITED_VAULTWARDEN, Status


@dataclass(frozen=True)
class Limit:
    """
    A limit on the requests whose path ends in `path`.

    `count` in `seconds`; for a bucket `count` at once, then one each `seconds`. Clients are told apart by the header
    `header` in lower case; without it all are one.
    """

    path: str
    count: int
    seconds: float
    is_bucket: bool = False
    header: str = ""


class Window:
    """The counter of one client: a window. Times are in seconds on any clock."""

    __slots__ = ("_begin", "_count", "_limit", "_period")

    def __init__(self, count: int, seconds: float) -> None:
        """Allow `count` requests in `seconds`."""
        self._limit, self._period = count, seconds
        self._begin, self._count = -seconds, 0

    def ask(self, now: float) -> float:
        """Count a request; return 0 if it passes, else the seconds until the period ends."""
        if now >= self._begin + self._period:
            self._begin, self._count = now, 0
        self._count += 1
        return 0.0 if self._count <= self._limit else self._begin + self._period - now


class Bucket:
    """The counter of one client: a bucket."""

    __slots__ = ("_next", "_period", "_room")

    def __init__(self, count: int, seconds: float) -> None:
        """Allow `count` requests at once, then one each `seconds`."""
        self._room, self._period = (count - 1) * seconds, seconds
        self._next = 0.0

    def ask(self, now: float) -> float:
        """Count a request if it passes, and return 0; else the seconds until one would pass."""
        if now < self._next - self._room:
            return self._next - self._room - now
        self._next = max(now, self._next) + self._period
        return 0.0


def told(wait: float) -> float:
    """Return what a window's Retry-After says for a wait."""
    return float(round(max(wait, 1.0)))


class Limits:
    """The limits of a server, with a counter for each client."""

    def __init__(self) -> None:
        """No limits."""
        self._limits: list[Limit] = []
        self._counters: dict[tuple[int, str], Window | Bucket] = {}

    def add(self, limit: Limit) -> None:
        """Add a limit."""
        self._limits.append(limit)

    def clear(self) -> None:
        """No limits any more."""
        self._limits.clear()
        self._counters.clear()

    def ask(self, path: str, headers: Mapping[str, str], now: float) -> Status | None:
        """Return the answer for a request too many; None if it passes."""
        for number, limit in enumerate(self._limits):
            if not path.endswith(limit.path):
                continue
            key = (number, headers.get(limit.header, ""))
            if key not in self._counters:
                self._counters[key] = (Bucket if limit.is_bucket else Window)(limit.count, limit.seconds)
            wait = self._counters[key].ask(now)
            if wait > 0:
                return RATE_LIMITED_VAULTWARDEN if limit.is_bucket else slow_down(told(wait))
        return None


def slow_down(seconds: float) -> Status:
    """Return the official server's answer (bitwarden/server:src/Core/Utilities/CustomIpRateLimitMiddleware.cs)."""
    said = f"Slow down! Too many requests. Try again in {seconds:.0f}s."
    body = json.dumps({"message": said, "validationErrors": None, "object": "error"})
    return Status(429, body, headers={"Retry-After": f"{seconds:.0f}"})
