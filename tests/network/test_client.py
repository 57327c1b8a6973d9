"""Servers that fail for a moment: waited for as told, tried a few times, and never beyond the timeout."""

from __future__ import annotations

import json
import re
import time
from itertools import pairwise

import pytest

from tests.login.test_login_failures import AT_ONCE, SYNC, TOKEN, address_of, fail, messages
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
from tests.support.program import BWRUN, Surroundings
from tests.support.terminal import Terminal

NESTED_HINT = "hint: `bwrun -- make` logs in once for all bwrun runs that make starts"
LONGER_HINT = "hint: allow more time with `--timeout`"
TRIES = 4
AGAIN = Status(429, "{}", headers={"Retry-After": "0"})


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

    said, *hints = messages(done)
    assert re.fullmatch(
        re.escape(f"error: {server.url} limits logins (429: Slow down! Too many requests. Try again in 1m.) ")
        + r"and asks bwrun to wait 60 s; (30|[12][0-9]) s of the timeout are left \[server.rate-limit\]",
        said,
    )
    assert re.fullmatch(r"hint: wait that long with `--timeout (80|90)`", hints[0])
    assert hints[1:] == [NESTED_HINT]
    assert time.monotonic() - started < AT_ONCE
    assert len(tries(server, TOKEN)) == 1


def test_a_wait_of_more_than_a_day(ready: Surroundings, server: BitwardenServer) -> None:
    """No timeout is proposed that bwrun does not take."""
    server.set_fault(Fault(TOKEN, Status(429, '{"message": "Account locked for 2 days"}')))

    done = fail(ready)

    assert "(429: Account locked for 2 days) and asks bwrun to wait 172800 s; " in messages(done)[0]
    assert messages(done)[1] == "hint: try again after that time"


def test_waits_when_not_told(ready: Surroundings, server: BitwardenServer) -> None:
    """Vaultwarden names no time: some seconds later the login is tried again."""
    server.set_fault(Fault(TOKEN, RATE_LIMITED_VAULTWARDEN, count=1))

    done = ready.run("--", "true")
    first, second = tries(server, TOKEN)

    assert (done.status, done.stderr) == (0, "")
    assert 3.75 <= second.time - first.time < AT_ONCE


def test_not_told_and_no_time(ready: Surroundings, server: BitwardenServer) -> None:
    """When there is no time for a wait that was not told, that is said."""
    server.set_fault(Fault(TOKEN, RATE_LIMITED_VAULTWARDEN))

    done = fail(ready, "--timeout", "3")

    assert re.fullmatch(
        re.escape(f"error: {server.url} limits logins (429: Too many login requests) ")
        + r"and does not say how long to wait; [0-3] s of the timeout are left \[server.rate-limit\]",
        messages(done)[0],
    )
    assert messages(done)[1:] == [LONGER_HINT, NESTED_HINT]


def test_says_what_was_waited_in_vain(ready: Surroundings, server: BitwardenServer) -> None:
    """A limit that lasts ends with the timeout, and the error says how much of it was waited."""
    server.set_fault(Fault(SYNC, Status(429, '{"message": "slow down"}', headers={"Retry-After": "2"})))

    done = fail(ready, "--timeout", "6")

    assert re.fullmatch(
        re.escape(f"error: {address_of(server)} limits requests (429: slow down) and asks bwrun to wait 2 s; ")
        + r"[0-2] s of the timeout are left, after [2-6] s of waiting \[server.rate-limit\]",
        messages(done)[0],
    )
    assert re.fullmatch(r"hint: wait that long with `--timeout [12]0`", messages(done)[1])
    assert len(messages(done)) == 2  # the sync needs no login


def test_goes_on_as_long_as_there_is_time(ready: Surroundings, server: BitwardenServer) -> None:
    """A server that limits a request four times is asked a fifth time: no count of tries ends that."""
    server.set_fault(Fault(TOKEN, AGAIN, count=4))

    done = ready.run("--timeout", "600", "--", "true")

    assert (done.status, done.stderr) == (0, "")
    assert [request.status for request in tries(server, TOKEN)] == [429] * 4 + [200]


WAITING = re.compile(r"waiting [2-4] s: the server limits (logins|requests)")


def test_tells_a_wait_on_a_terminal(ready: Surroundings, server: BitwardenServer) -> None:
    """Who sits in front of a terminal reads why nothing happens for more than a second."""
    server.set_fault(Fault(TOKEN, Status(429, "{}", headers={"Retry-After": "2"}), count=1))
    server.set_fault(Fault(SYNC, Status(429, "{}", headers={"Retry-After": "2"}), count=1))

    with Terminal.start([BWRUN, "--", "echo", "ran"], ready.environment, ready.work) as terminal:
        assert terminal.ended() == 0

    first, second, last = terminal.screen.splitlines()
    assert [first[:7], second[:7], last] == ["bwrun: ", "bwrun: ", "ran"]
    assert [WAITING.fullmatch(line[7:]) is not None for line in (first, second)] == [True, True]


def test_tells_a_wait_with_v(ready: Surroundings, server: BitwardenServer) -> None:
    """With -v the wait is told wherever stderr goes, also that for a server that fails."""
    server.set_fault(Fault(TOKEN, Status(503, "{}", headers={"Retry-After": "2"}), count=1))
    server.set_fault(Fault(SYNC, Status(429, "{}", headers={"Retry-After": "2"}), count=1))

    done = ready.run("-v", "--", "true")

    assert done.status == 0
    assert re.search(rf"  waiting [23] s: {re.escape(address_of(server))} failed \(503\)\n", done.stderr)
    assert re.search(r"  waiting [23] s: the server limits requests\n", done.stderr)


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
    done = ready.run("--timeout", "8", "--", "sh", "-c", "sleep 8.2; echo done")

    assert (done.status, done.stdout, done.stderr) == (0, "done\n", "")


def test_one_login_and_one_sync(ready: Surroundings, server: BitwardenServer) -> None:
    """A run asks three things in all: the login, the sync, and what the server is."""
    done = ready.run("--", "true")

    assert (done.status, done.stderr) == (0, "")
    needed = [request.path for request in server.requests() if not request.path.endswith("/config")]
    assert needed == ["/identity/connect/token", "/api/sync"]
    assert len(server.requests()) <= 3
