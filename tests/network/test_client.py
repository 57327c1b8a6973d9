"""Servers that fail for a moment: waited for as told, tried a few times, and never beyond the timeout."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest

from tests.login.test_login_failures import AT_ONCE, SYNC, TOKEN, fail, messages
from tests.server.control import BitwardenServer, RecordedRequest
from tests.server.faults import (
    RATE_LIMITED_OFFICIAL,
    RATE_LIMITED_VAULTWARDEN,
    Action,
    CloseMidBody,
    Delay,
    Fault,
    Reset,
    Status,
)
from tests.support.program import Surroundings

LIMIT_HINT = "hint: try again in a minute, or allow more time with `--timeout`; the limit is per IP address"
TRIES = 4


def tries(server: BitwardenServer, path: str) -> list[RecordedRequest]:
    """Return the requests that were made of one path."""
    return [request for request in server.requests() if request.path.endswith(path)]


@pytest.mark.parametrize("path", [TOKEN, SYNC])
def test_waits_as_told(ready: Surroundings, server: BitwardenServer, path: str) -> None:
    """After a 429 the same request is made again when the time is over that the server named, and not before."""
    server.set_fault(Fault(path, Status(429, "{}", headers={"Retry-After": "1"}), count=1))

    done = ready.run("--", "true")
    first, second = tries(server, path)

    assert (done.status, done.stderr) == (0, "")
    assert (first.status, second.status) == (429, 200)
    assert 1.0 <= second.time - first.time < AT_ONCE


def test_waits_as_told_in_words(ready: Surroundings, server: BitwardenServer) -> None:
    """The time may stand in the message alone."""
    server.set_fault(Fault(TOKEN, Status(429, json.dumps({"message": "Slow down! Try again in 1s."})), count=1))

    done = ready.run("--", "true")
    first, second = tries(server, TOKEN)

    assert (done.status, done.stderr) == (0, "")
    assert second.time - first.time >= 1.0


@pytest.mark.parametrize("verbose", [False, True])
def test_does_not_wait_longer_than_there_is_time(
    ready: Surroundings, server: BitwardenServer, *, verbose: bool
) -> None:
    """A server that asks for more time than is left gets no second request, and the run ends at once."""
    server.set_fault(Fault(TOKEN, RATE_LIMITED_OFFICIAL))
    started = time.monotonic()

    done = fail(ready, "--timeout", "30", verbose=verbose)

    assert messages(done) == [
        f"error: {server.url} has received too many requests and asks bwrun to wait 60 s (429) [server.rate-limit]",
        LIMIT_HINT,
    ]
    assert time.monotonic() - started < AT_ONCE
    assert len(tries(server, TOKEN)) == 1


def test_waits_when_not_told(ready: Surroundings, server: BitwardenServer) -> None:
    """Vaultwarden names no time: some seconds later the login is tried again."""
    server.set_fault(Fault(TOKEN, RATE_LIMITED_VAULTWARDEN, count=1))

    done = ready.run("--", "true")
    first, second = tries(server, TOKEN)

    assert (done.status, done.stderr) == (0, "")
    assert 3.0 < second.time - first.time < 15.0


def test_not_told_and_no_time(ready: Surroundings, server: BitwardenServer) -> None:
    """When there is no time for a wait that was not told, that is said."""
    server.set_fault(Fault(TOKEN, RATE_LIMITED_VAULTWARDEN))

    done = fail(ready, "--timeout", "3")

    assert messages(done) == [
        (
            f"error: {server.url} has received too many requests and does not say how long to wait (429)"
            " [server.rate-limit]"
        ),
        LIMIT_HINT,
    ]


def test_gives_up_on_a_limit(ready: Surroundings, server: BitwardenServer) -> None:
    """A server that says `at once` again and again is not asked for ever."""
    server.set_fault(Fault(TOKEN, Status(429, "{}", headers={"Retry-After": "0"})))

    assert fail(ready).codes == ["server.rate-limit"]
    assert len(tries(server, TOKEN)) == TRIES


@pytest.mark.parametrize(
    ("path", "action"),
    [
        (TOKEN, Status(500, "oops", "text/plain")),
        (TOKEN, Status(522, "<html>cloudflare</html>", "text/html")),
        (SYNC, Status(502)),
        (TOKEN, Reset()),
        (SYNC, CloseMidBody()),
    ],
    ids=["500", "522", "sync 502", "reset", "sync cut"],
)
def test_tries_again(ready: Surroundings, server: BitwardenServer, path: str, action: Action) -> None:
    """A server that fails once is asked again, and the run is as if nothing had been."""
    server.set_fault(Fault(path, action, count=1))

    done = ready.run("--", "true")

    assert (done.status, done.stderr) == (0, "")
    assert len(tries(server, path)) == 2


@pytest.mark.parametrize(
    ("path", "action", "expected"),
    [
        (TOKEN, Status(500, "oops"), "error: {url} failed (500) in 4 attempts [server.unavailable]"),
        (SYNC, CloseMidBody(), "error: {url} closed the connection early in 4 attempts [network.interrupted]"),
    ],
    ids=["500", "sync cut"],
)
def test_gives_up(ready: Surroundings, server: BitwardenServer, path: str, action: Action, expected: str) -> None:
    """A server that fails again and again is left after four tries, each later than the one before."""
    server.set_fault(Fault(path, action))

    done = fail(ready)
    waits = [later.time - earlier.time for earlier, later in pairwise(tries(server, path))]

    assert messages(done) == [expected.format(url=server.url), "hint: try again later"]
    assert len(waits) == TRIES - 1
    assert all(wait >= 0.75 * 0.3 * 2**attempt for attempt, wait in enumerate(waits))


def test_tries_end_with_the_timeout(ready: Surroundings, server: BitwardenServer) -> None:
    """Slow failures share the one timeout: it counts for all tries together."""
    server.set_fault(Fault(TOKEN, Delay(700)))
    server.set_fault(Fault(TOKEN, Status(500)))
    started = time.monotonic()

    done = fail(ready, "--timeout", "2")

    assert done.codes[0] in ("server.unavailable", "network.timeout")
    assert time.monotonic() - started < AT_ONCE
    assert len(tries(server, TOKEN)) < TRIES


def test_timeout_is_not_the_command_s(ready: Surroundings) -> None:
    """The timeout ends with the command's start: the command may take as long as it wants."""
    done = ready.run("--timeout", "5", "--", "sh", "-c", "sleep 5.2; echo done")

    assert (done.status, done.stdout, done.stderr) == (0, "done\n", "")


def test_one_login_and_one_sync(ready: Surroundings, server: BitwardenServer) -> None:
    """A run asks three things in all: the login, the sync, and what the server is."""
    done = ready.run("--", "true")

    assert (done.status, done.stderr) == (0, "")
    needed = [request.path for request in server.requests() if not request.path.endswith("/config")]
    assert needed == ["/identity/connect/token", "/api/sync"]
    assert len(server.requests()) <= 3
