"""The records of waits: what counts, what does not, and how long another run's answer makes one wait."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwrun.network.backoff import LONGEST_WAIT, Backoff
from bwrun.network.remembered import LARGEST, LONGEST_RECORD, Record, make_record, read_record

NOW = 51_234.25
GOOD = b"bwrun-wait 1 429 2 told 51234.250 51294.250\n"


def test_the_form() -> None:
    """It is the one that the module's text shows."""
    record = make_record(429, 2, 60, NOW, told=True)

    assert record.to_bytes() == GOOD
    assert read_record(GOOD, NOW) == record == Record(429, 2, True, 51234.25, 51294.25)


@given(
    now=st.floats(0, 1e9), wait=st.floats(0, 1e12), level=st.integers(0, 10**9), later=st.floats(0, 1),
    told=st.booleans(), status=st.integers(500, 599) | st.just(429),
)  # fmt: skip
def test_what_is_written_is_read(  # noqa: PLR0913
    now: float, wait: float, level: int, later: float, *, told: bool, status: int
) -> None:
    """Whatever the server asked for, the record counts until the wait is over, and for at most a day."""
    record = make_record(status, level, wait, now, told=told)
    data = record.to_bytes()

    assert len(data) <= LARGEST
    for moment in (now, now + later * min(wait, LONGEST_RECORD)):
        assert read_record(data, moment) == record
    assert min(wait, LONGEST_RECORD) - 0.002 <= record.until - now <= LONGEST_RECORD + 0.001
    assert read_record(data, record.until + LONGEST_WAIT) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"bwrun-wait", GOOD[:-1], GOOD[:-5], GOOD + b"x", GOOD * 2, GOOD.upper(), b"\0" * 60,
        GOOD.replace(b" 1 ", b" 2 "),
        GOOD.replace(b"429", b"200"), GOOD.replace(b"429", b"-29"),
        GOOD.replace(b"told", b"said"),
        GOOD.replace(b" 2 ", b" -2 "), GOOD.replace(b" 2 ", b" 2000000 "),
        GOOD.replace(b"51294.250", b"1e9"), GOOD.replace(b"51294.250", b"nan"), GOOD.replace(b"51294.250", b"inf"),
        GOOD.replace(b"51294.250", "٥١٢٩٤.250".encode()),
        GOOD.replace(b"51294.250", b"51234.249"),  # over before it began
        GOOD.replace(b"51294.250", b"999999.000"),  # longer than a day
        GOOD.replace(b"51234.250", b"51234.251"),  # written in the future: the clock was set back
        GOOD.replace(b"51234.250 51294.250", b"10.000 20.000"),  # long over
    ],
)  # fmt: skip
def test_what_does_not_count(data: bytes) -> None:
    """What is damaged, foreign, from the future, too long or long over counts as if it were not there."""
    assert read_record(GOOD, NOW) is not None
    assert read_record(data, NOW) is None


@given(data=st.binary(max_size=300), now=st.floats(0, 1e9))
def test_any_bytes(data: bytes, now: float) -> None:
    """No bytes make it fail, and none lead to a wait of more than a day."""
    for text in (data, GOOD[:20] + data):
        record = read_record(text, now)
        assert record is None or record.until - now <= LONGEST_RECORD + 0.001


def test_another_run_s_wait() -> None:
    """The rest of it, and a random time on top as after the same answer: a quarter, which doubles with the level."""

    def wait(rest: float, level: int, draw: float, left: float = 1e9) -> float | None:
        return Backoff(lambda: draw).after_another(rest, level, left)

    assert [wait(60, level, 0.0) for level in (0, 1, 2, 9)] == [60] * 4
    assert [wait(60, level, 1 - 2**-53) for level in (0, 1, 2, 9)] == pytest.approx([75, 75, 90, 120])
    assert wait(0, 5, 0.5) == 0
    assert wait(60, 1, 0.5, left=60) is None
    assert wait(60, 1, 1 - 2**-53, left=61) == pytest.approx(60.5)


def test_goes_on_where_the_other_run_was() -> None:
    """Who heeded two refusals waits after the next one as long as who got all three."""
    one, another = Backoff(lambda: 0.5), Backoff(lambda: 0.5)
    own = [one.after_limit(None, 1e9) for _ in range(3)]

    another.after_another(3.0, 2, 1e9)

    assert another.after_limit(None, 1e9) == own[2] == 20
    assert (another.level, another.limits, another.tries) == (3, 1, 1)


@given(rest=st.floats(0, 1e6), level=st.integers(0, 10**6), left=st.floats(-1e3, 1e6), seed=st.integers())
def test_any_record(rest: float, level: int, left: float, seed: int) -> None:
    """A wait is not shorter than the rest, ends before the time does, and at most a minute is added."""
    backoff = Backoff(Random(seed).random)  # noqa: S311  (nothing secret depends on it)

    wait = backoff.after_another(rest, level, left)

    if wait is None:
        assert rest >= left
    elif rest > 0:
        assert rest <= wait < left
        assert wait <= rest + LONGEST_WAIT
    assert backoff.waited == (wait or 0)
