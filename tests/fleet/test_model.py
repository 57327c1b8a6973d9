"""The model with few hosts: what can be said without it is what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bwrun.network.remembered import LOGINS
from tests.fleet.model import CLOUD, START, VAULTWARDEN, Fleet, Rule, simulate
from tests.fleet.plot import draw
from tests.server.limits import Bucket, Window, told

MINUTE = Rule(LOGINS, 10, 60.0)


def test_counters() -> None:
    """A window opens anew as a whole, a bucket one by one."""
    window, bucket = Window(2, 60.0), Bucket(2, 60.0)

    assert [window.ask(now) for now in (5, 6, 7, 64.9, 65)] == pytest.approx([0, 0, 58, 0.1, 0])
    assert [bucket.ask(now) for now in (5, 6, 7, 64.9, 65, 66)] == pytest.approx([0, 0, 58, 0.1, 0, 59])
    assert [told(wait) for wait in (0.1, 1.4, 58.0)] == [1.0, 1.0, 58.0]


@pytest.mark.parametrize("rules", [CLOUD, VAULTWARDEN])
def test_without_a_limit_in_reach(rules: tuple[Rule, ...]) -> None:
    """A host behind an address of its own asks once and is done at once; with a cache, for all its runs together."""
    alone = simulate(rules, Fleet(hosts=30), 30)
    cached = simulate(rules, Fleet(hosts=30, at_once=4, times=3, caches=True), 30)

    assert (alone.share, alone.logins, alone.requests, alone.refused) == (1.0, 30, 90, 0)
    assert alone.last == pytest.approx(START + 0.3)
    assert (cached.share, cached.runs, cached.logins, cached.requests) == (1.0, 360, 30, 30 * 3 + 330)


@pytest.mark.parametrize("jitter", [0.0, 60.0])
def test_no_more_pass_than_the_limit_lets(jitter: float) -> None:
    """In the minute of the timeout, one window or two let ten each pass; all others end with an error."""
    outcome = simulate((MINUTE,), Fleet(hosts=200, jitter=jitter), 1)

    assert outcome.done in ((10,) if not jitter else (20, 30))
    assert outcome.logins - outcome.refused == outcome.done


def test_a_long_timeout_lets_all_pass() -> None:
    """Forty hosts need the windows of four minutes."""
    outcome = simulate((MINUTE,), Fleet(hosts=40, timeout=900), 1)

    assert outcome.share == 1.0
    assert 180 <= outcome.last < 400


def test_remembering_saves_requests() -> None:
    """Of thirty runs on one host, those that wait ask once where they asked many times, and as many are done."""
    fleet = Fleet(hosts=4, at_once=30, timeout=1800.0)
    for rules in (CLOUD, VAULTWARDEN):
        without = simulate(rules, fleet, 4)
        remembered = simulate(rules, replace(fleet, remembers=True), 4)

        assert without.share == remembered.share == 1.0
        assert remembered.refused < without.refused
        assert remembered.last < 1.2 * without.last


def test_jitter_and_backoff_where_the_limit_allows_it() -> None:
    """With a minute of jitter, eight hosts behind an address all pass, with less than half a request in vain each."""
    outcome = simulate(CLOUD, Fleet(hosts=800, jitter=60, remembers=True, timeout=120), 100)

    assert outcome.share == 1.0
    assert outcome.logins_per_done <= 1.5


def test_the_same_seed_gives_the_same() -> None:
    """A table can be made again."""
    fleet = Fleet(hosts=50, at_once=2, jitter=10)

    assert simulate(CLOUD, fleet, 5, seed=3) == simulate(CLOUD, fleet, 5, seed=3)
    assert simulate(CLOUD, fleet, 5, seed=3) != simulate(CLOUD, fleet, 5, seed=4)


def test_the_plot() -> None:
    """It is an SVG with a line for each name, which ends as high as the share that is done."""
    text = draw("a < b", {"one": ([1.0, 2.0], 2), "two": ([], 2)}, 60.0)

    assert text.startswith("<svg ")
    assert text.count("<polyline") == 2
    assert "a &lt; b" in text
    assert "530.0,40.0" in text
    assert "530.0,330.0" in text
