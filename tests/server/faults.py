"""What can be made to go wrong: a fault is a rule (which requests) and an action (what happens).

    Fault("/connect/token", Status(500))                      every token request
    Fault("/api/sync", Reset(), skip=1, count=1)              the second sync only
    Fault("", Hang(), skip=n, count=1)                        the (n+1)th request of all

All matching Delay, Hold and Signal actions happen first, in the order they were set; then the first other action.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Status:
    """Answer with this status instead of handling the request."""

    code: int
    body: str = ""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reset:
    """A TCP reset before any reply; with `handled` only after the request has taken effect."""

    handled: bool = False


@dataclass(frozen=True)
class CloseMidBody:
    """The right headers, the first half of the body, then the connection is closed."""


@dataclass(frozen=True)
class Hang:
    """No answer as long as the client waits."""


@dataclass(frozen=True)
class Drip:
    """The body in pieces of `chunk_bytes`, one every `interval_ms`."""

    chunk_bytes: int = 1
    interval_ms: int = 100


@dataclass(frozen=True)
class Delay:
    """Wait so many milliseconds, then go on."""

    ms: int


@dataclass(frozen=True)
class Hold:
    """Wait until the faults are cleared, then go on."""


@dataclass(frozen=True)
class Redirect:
    """Answer with a redirect to `location`."""

    location: str
    code: int = 302


@dataclass(frozen=True)
class NotJson:
    """Status 200 with an HTML page, as a proxy's or portal's login page."""


@dataclass(frozen=True)
class TruncatedJson:
    """Status 200, a complete HTTP reply, but only the first half of the JSON text."""


@dataclass(frozen=True)
class DropFields:
    """The right reply without the fields of these names, at any depth and in any letter case."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Signal:
    """Send a signal, wait `hold_ms`, then go on.

    `pid` None means the process that owns the client's end of this very connection (Linux: found in /proc).
    """

    number: int
    pid: int | None = None
    hold_ms: int = 0


Action = (
    Status
    | Reset
    | CloseMidBody
    | Hang
    | Drip
    | Delay
    | Hold
    | Redirect
    | NotJson
    | TruncatedJson
    | DropFields
    | Signal
)


@dataclass(frozen=True)
class Fault:
    """Apply `action` to requests whose path (without the query) ends in `path`.

    `method` None is every method; the first `skip` matching requests pass, then `count` are hit (None: all).
    """

    path: str
    action: Action
    method: str | None = None
    skip: int = 0
    count: int | None = None


RATE_LIMITED_OFFICIAL = Status(
    429,
    json.dumps(
        {"message": "Slow down! Too many requests. Try again in 1m.", "validationErrors": None, "object": "error"}
    ),
    headers={"Retry-After": "60"},
)
RATE_LIMITED_VAULTWARDEN = Status(
    429,
    json.dumps(
        {
            "message": "Too many login requests",
            "validationErrors": {"": ["Too many login requests"]},
            "errorModel": {"message": "Too many login requests", "object": "error"},
            "error": "",
            "error_description": "",
            "object": "error",
        }
    ),
)
# As servers are about to send (RFC 9457; bitwarden/server #8237 and #8242).
PROBLEM_DOCUMENT = Status(
    400,
    json.dumps(
        {
            "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
            "title": "One or more validation errors occurred.",
            "status": 400,
            "errors": {"deviceName": ["The device has no name."], "scope": ["No such scope.", "No such scope."]},
            "traceId": "00-0123",
        }
    ),
    "application/problem+json",
)
CLOUDFLARE_BLOCK = Status(403, "<html><body>error code: 1020</body></html>", "text/html; charset=UTF-8")


class FaultRules:
    """The rules in force, with how often each has matched."""

    def __init__(self) -> None:
        """Nothing goes wrong."""
        self._rules: list[Fault] = []
        self._matches: list[int] = []
        self._cleared = asyncio.Event()

    def add(self, fault: Fault) -> None:
        """A rule after the existing ones."""
        self._rules.append(fault)
        self._matches.append(0)

    async def cleared(self) -> None:
        """Wait until the rules in force now are cleared."""
        await self._cleared.wait()

    def clear(self) -> None:
        """No rules."""
        self._cleared.set()
        self._cleared = asyncio.Event()
        self._rules.clear()
        self._matches.clear()

    def actions_for(self, method: str, path: str) -> list[Action]:
        """The actions for one request, which counts as a match for each rule it fits."""
        actions: list[Action] = []
        for index, rule in enumerate(self._rules):
            if not path.endswith(rule.path) or rule.method not in {None, method}:
                continue
            seen = self._matches[index]
            self._matches[index] += 1
            if seen >= rule.skip and (rule.count is None or seen < rule.skip + rule.count):
                actions.append(rule.action)
        return actions
