"""How long a client waits: bounds, growth and the end, with a clock and random numbers of the test's own."""

from __future__ import annotations

import heapq
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwrun.network.backoff import Backoff

LONG = 1e9  # seconds: more than any wait
LOWEST, MIDDLE, HIGHEST = 0.0, 0.5, 1 - 2**-53
ENOUGH = 20 * 60  # seconds in which a limit of ten at once and one a minute lets thirty pass


def lowest() -> float:
    """Return the lowest of the random numbers."""
    return LOWEST


def middle() -> float:
    """Return one in the middle."""
    return MIDDLE


def highest() -> float:
    """Return the highest."""
    return HIGHEST


def waits_after_limits(backoff: Backoff, told: float | None, times: int) -> list[float | None]:
    """Return the waits after so many answers in a row."""
    return [backoff.after_limit(told, LONG) for _ in range(times)]


def test_a_limit_that_says_nothing() -> None:
    """The wait doubles from 5 s to 60 s, and is a quarter shorter or longer."""
    assert waits_after_limits(Backoff(middle), None, 6) == [5, 10, 20, 40, 60, 60]
    assert waits_after_limits(Backoff(lowest), None, 6) == [3.75, 7.5, 15, 30, 45, 45]
    assert waits_after_limits(Backoff(highest), None, 6) == pytest.approx([6.25, 12.5, 25, 50, 75, 75])


def test_a_limit_that_says_for_how_long() -> None:
    """The wait is never shorter than was told; the random part on top of it doubles from a quarter up to 60 s."""
    assert waits_after_limits(Backoff(lowest), 60, 4) == [60, 60, 60, 60]
    assert waits_after_limits(Backoff(highest), 60, 4) == pytest.approx([75, 90, 120, 120])
    assert waits_after_limits(Backoff(highest), 0, 8) == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])


def test_failures() -> None:
    """Three more tries, each after twice the time, or after what was told."""
    assert [Backoff(middle).after_failure(None, LONG)] == [0.3]
    backoff = Backoff(middle)
    assert [backoff.after_failure(None, LONG) for _ in range(5)] == [0.3, 0.6, 1.2, None, None]
    backoff = Backoff(lowest)
    assert [backoff.after_failure(30, LONG) for _ in range(4)] == [30, 30, 30, None]


def test_limits_and_failures_are_counted_apart() -> None:
    """A server that limits and then fails gets all of its tries after failures."""
    backoff = Backoff(middle)

    waits_after_limits(backoff, None, 5)

    assert [backoff.after_failure(None, LONG) for _ in range(4)] == [0.3, 0.6, 1.2, None]
    assert backoff.tries == 9


@pytest.mark.parametrize("told", [None, 5.0])
def test_a_wait_for_which_there_is_no_time(told: float | None) -> None:
    """It is not begun, and what was waited until then is known."""
    backoff = Backoff(middle)

    assert backoff.after_limit(told, 100) is not None
    waited = backoff.waited
    assert waited >= 5
    assert backoff.after_limit(told, 5.0) is None
    assert backoff.after_limit(told, -1.0) is None
    assert backoff.waited == waited


def test_the_random_part_does_not_use_up_the_time() -> None:
    """What was told fits, so the wait fits, and half of what is left after it remains for the answer."""
    assert Backoff(highest).after_limit(60, 61) == pytest.approx(60.5)
    assert Backoff(highest).after_failure(60, 61) == pytest.approx(60.5)


@given(
    told=st.lists(st.none() | st.floats(0, 1e6), max_size=40),
    left=st.floats(-1e3, 1e6),
    seed=st.integers(),
)
def test_any_order(told: list[float | None], left: float, seed: int) -> None:
    """Whatever a server says, a wait is not shorter than that, ends before the time does, and they all add up."""
    backoff = Backoff(Random(seed).random)  # noqa: S311  (nothing secret depends on it)
    waits = []
    for number, one in enumerate(told):
        after = backoff.after_failure if number % 3 == 2 else backoff.after_limit
        wait = after(one, left)
        if wait is not None:
            assert (one or 0) <= wait < left
            assert one is not None or wait <= 75
            waits.append(wait)

    assert backoff.waited == pytest.approx(sum(waits))


class Limit:
    """A limit as Vaultwarden's: so many at once, then one each `period` seconds (the generic cell rate algorithm)."""

    def __init__(self, burst: int, period: float) -> None:
        """Start with the whole burst."""
        self._room = period * (burst - 1)
        self._period = period
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Return 0 if a request passes now, else the seconds until one would."""
        if now < self._next - self._room:
            return self._next - self._room - now
        self._next = max(now, self._next) + self._period
        return 0.0


@pytest.mark.parametrize("tells", [False, True])
@pytest.mark.parametrize(("timeout", "expected"), [(1800.0, 30), (600.0, 19), (60.0, 10)])
def test_thirty_at_once(timeout: float, expected: int, *, tells: bool) -> None:
    """All that the limit lets through within the timeout get through, and none waits longer than its timeout."""
    for seed in range(20):
        random = Random(seed)  # noqa: S311
        limit = Limit(10, 60.0)
        events = [(random.random(), one) for one in range(30)]
        heapq.heapify(events)
        runs = [Backoff(random.random) for _ in events]
        done = []
        while events:
            now, one = heapq.heappop(events)
            told = limit.wait(now)
            if told == 0:
                done.append(now)
                continue
            wait = runs[one].after_limit(told if tells else None, timeout - now)
            if wait is not None:
                heapq.heappush(events, (now + wait, one))

        assert len(done) >= expected
        assert max(done) < min(timeout, 1.1 * ENOUGH)
