"""How long a server asks to wait: what headers and words mean, and what no text can do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwrun.network.rate_limit import FAILURE_WAIT, UNTOLD_WAIT, failure_wait, told_wait, untold_wait

SAMPLES = 200


@pytest.mark.parametrize(
    ("headers", "message", "expected"),
    [
        ({"retry-after": "60"}, "", 60.0),
        ({"retry-after": " 7 "}, "", 7.0),
        ({"retry-after": "0"}, "Try again in 1m.", 0.0),
        ({}, "Slow down! Too many requests. Try again in 1m.", 60.0),
        ({}, "try again in 45s", 45.0),
        ({}, "TRY AGAIN IN 1h 2m 3s", 3723.0),
        ({}, "Try again in 2h", 7200.0),
        ({"retry-after": "soon"}, "Try again in 2m", 120.0),
    ],
)
def test_reads_seconds_and_words(headers: dict[str, str], message: str, expected: float) -> None:
    """Retry-After counts before the words of the official server's message."""
    assert told_wait(headers, message) == expected


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, ""),
        ({}, "Too many login requests"),
        ({}, "Try again in"),
        ({}, "Try again in a while"),
        ({"retry-after": ""}, ""),
        ({"retry-after": "-1"}, ""),
        ({"retry-after": "1.5.2"}, ""),
        ({"retry-after": "٣"}, ""),
        ({"retry-after": "²"}, ""),
        ({"retry-after": "Fri, 99 Foo 2026 00:00:00 GMT"}, ""),
        ({"x-rate-limit-reset": "whenever"}, ""),
    ],
)
def test_knows_when_nothing_was_told(headers: dict[str, str], message: str) -> None:
    """A text that names no time is no time: Vaultwarden names none."""
    assert told_wait(headers, message) is None


@pytest.mark.parametrize("ahead", [0.0, 30.0, 3600.0])
@pytest.mark.parametrize("form", ["http", "rfc3339", "rfc3339 Z"])
def test_reads_a_moment(form: str, ahead: float) -> None:
    """A moment in Retry-After or X-Rate-Limit-Reset is the time until then."""
    moment = datetime.now(UTC) + timedelta(seconds=ahead)
    headers = {
        "http": {"retry-after": format_datetime(moment, usegmt=True)},
        "rfc3339": {"x-rate-limit-reset": moment.isoformat()},
        "rfc3339 Z": {"x-rate-limit-reset": moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")},
    }[form]

    told = told_wait(headers, "")

    assert told is not None
    assert max(0.0, ahead - 2) <= told <= ahead


def test_takes_a_moment_without_a_zone_as_utc() -> None:
    """A moment that names no zone is in UTC, whatever this machine's zone is."""
    moment = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=5)

    told = told_wait({"x-rate-limit-reset": moment.isoformat()}, "")

    assert told is not None
    assert 290 < told <= 300


def test_does_not_wait_for_what_is_over() -> None:
    """A moment in the past is a wait of nothing, never a negative one."""
    assert told_wait({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "") == 0.0


@pytest.mark.parametrize("seconds", ["999999999", "31536000000", "9" * 400])
def test_believes_an_endless_wait(seconds: str) -> None:
    """A Retry-After of very many seconds is longer than any run has; it is not taken for none."""
    told = told_wait({"retry-after": seconds}, "")

    assert told is not None
    assert told > 24 * 3600


@given(after=st.text(max_size=40), reset=st.text(max_size=40), message=st.text(max_size=300))
def test_reads_any_text(after: str, reset: str, message: str) -> None:
    """No header and no message makes it fail, and no wait is negative."""
    told = told_wait({"retry-after": after, "x-rate-limit-reset": reset}, f"try again in {message}")

    assert told is None or told >= 0


@given(moment=st.datetimes(), zone=st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_reads_any_moment(moment: datetime, zone: int) -> None:
    """The ends of the calendar, with any offset, are moments like others."""
    text = f"{moment.isoformat()}{'-' if zone < 0 else '+'}{abs(zone) // 60:02}:{abs(zone) % 60:02}"

    told = told_wait({"x-rate-limit-reset": text}, "")

    assert told is not None
    assert told >= 0


@pytest.mark.parametrize("attempt", [0, 1, 2])
def test_waits_longer_each_time(attempt: int) -> None:
    """Both waits double from try to try, and differ by up to a quarter either way, so that a fleet spreads."""
    for wait, first in ((untold_wait, UNTOLD_WAIT), (failure_wait, FAILURE_WAIT)):
        middle = first * 2**attempt
        waits = [wait(attempt) for _ in range(SAMPLES)]

        assert all(0.75 * middle <= one <= 1.25 * middle for one in waits)
        assert max(waits) - min(waits) > 0.25 * middle
