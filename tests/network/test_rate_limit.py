"""How long a server asks to wait: what headers and words mean, and what no text can do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.network.rate_limit import told_wait

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)


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
        ({}, "Too many failed login attempts. Try again in 2 minutes.", 120.0),
        ({}, "Too many failed login attempts. Account locked for 1 minutes.", 60.0),
        ({}, "Sync rate limit exceeded. Try again in 37 seconds.", 37.0),
        ({}, "Please wait 30 secs before you retry", 30.0),
        ({}, "Please wait another 1.5 minutes", 90.0),
        ({}, "retry after 500 ms", 0.5),
        ({}, "Retry after about 3 milliseconds", 0.003),
        ({}, "try again in 1 hour and 5 minutes", 3900.0),
        ({}, "try again in 1 hour, 5 mins, 2 sec", 3902.0),
        ({}, "try again in 1h2m3s", 3723.0),
        ({}, "Try again in an hour.", 3600.0),
        ({}, "try again in one minute", 60.0),
        ({}, "Temporarily blocked for at least 2 days", 172_800.0),
        ({}, "Try again in 1 week", 604_800.0),
        ({}, "5 in 15 minutes are enough; try again in 3 hrs", 10_800.0),
    ],
)
def test_reads_seconds_and_words(headers: dict[str, str], message: str, expected: float) -> None:
    """Retry-After counts before the words of the official server's message."""
    assert told_wait(headers, message, NOW.timestamp()) == expected


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, ""),
        ({}, "Too many login requests"),
        ({}, "Try again in"),
        ({}, "Try again in a while"),
        ({}, "Try again in 5"),
        ({}, "Try again in 5 mooncycles"),
        ({}, "Try again as soon as you like"),
        ({}, "Try again in 1,000 s"),
        ({}, "Not more than 10 requests in 1 minute"),
        ({}, "Too many attempts: 5 for 15 minutes"),
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
    assert told_wait(headers, message, NOW.timestamp()) is None


@pytest.mark.parametrize("ahead", [0.0, 30.0, 3600.0])
@pytest.mark.parametrize("form", ["http", "rfc3339", "rfc3339 Z"])
def test_reads_a_moment(form: str, ahead: float) -> None:
    """A moment in Retry-After or X-Rate-Limit-Reset is the time until then."""
    moment = NOW + timedelta(seconds=ahead)
    headers = {
        "http": {"retry-after": format_datetime(moment, usegmt=True)},
        "rfc3339": {"x-rate-limit-reset": moment.isoformat()},
        "rfc3339 Z": {"x-rate-limit-reset": moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")},
    }[form]

    assert told_wait(headers, "", NOW.timestamp()) == ahead


def test_takes_a_moment_without_a_zone_as_utc() -> None:
    """A moment that names no zone is in UTC, whatever this machine's zone is."""
    moment = NOW.replace(tzinfo=None) + timedelta(minutes=5)

    assert told_wait({"x-rate-limit-reset": moment.isoformat()}, "", NOW.timestamp()) == 300


def test_does_not_wait_for_what_is_over() -> None:
    """A moment in the past is a wait of nothing, never a negative one."""
    assert told_wait({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", NOW.timestamp()) == 0.0


@pytest.mark.parametrize("seconds", ["999999999", "31536000000", "9" * 400])
def test_believes_an_endless_wait(seconds: str) -> None:
    """A Retry-After of very many seconds is longer than any run has; it is not taken for none."""
    told = told_wait({"retry-after": seconds}, "", NOW.timestamp())

    assert told is not None
    assert told > 24 * 3600


@example(after="jan 0 99999999999999999999 0:0 +0000", reset="", message="")  # a year
@example(after="", reset="jan 1 0:0 999999999999", message="")
@example(after="", reset="", message="1\u017f")  # the long s
@given(after=st.text(max_size=40), reset=st.text(max_size=40), message=st.text(max_size=300))
def test_reads_any_text(after: str, reset: str, message: str) -> None:
    """No header and no message makes it fail, and no wait is negative."""
    told = told_wait({"retry-after": after, "x-rate-limit-reset": reset}, f"again in {message}", NOW.timestamp())

    assert told is None or told >= 0


@given(moment=st.datetimes(), zone=st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_reads_any_moment(moment: datetime, zone: int) -> None:
    """The ends of the calendar, with any offset, are moments like others."""
    text = f"{moment.isoformat()}{'-' if zone < 0 else '+'}{abs(zone) // 60:02}:{abs(zone) % 60:02}"

    told = told_wait({"x-rate-limit-reset": text}, "", NOW.timestamp())

    assert told is not None
    assert told >= 0
