"""
Reading the dates of a vault as JavaScript does, because the official clients pass them to `new Date()`.

Facts: ECMA-262, 21.4.1.32 (the format of dates), and experiments with Node 20, which also accepts similar forms.  Dates
in words ("Jan 1 2025"), which Node accepts too, are not accepted here: servers do not send them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The form that servers use. It can be checked faster than the others.
_USUAL = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}(?:\.[0-9]{1,9})?Z"
)
_DATE = re.compile(
    r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01]))?)?"
    r"(?:[Tt ]([01][0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]+))?)?"
    r"(?:([Zz])|([+-])([01][0-9]|2[0-3]):?([0-5][0-9]))?)?"
)


def is_usual_date(value: object) -> bool:
    """Return whether `value` is a date in the form that servers use."""
    return isinstance(value, str) and _USUAL.fullmatch(value) is not None


def read_date(value: object) -> datetime | None:
    """
    Return a date in UTC, None if `value` is not one. It is a text, or a number of milliseconds since 1970.

    A time without a time zone is local time.  A day without a time means midnight in UTC.
    """
    try:
        if isinstance(value, (int, float)):
            return EPOCH + timedelta(milliseconds=int(value))
        found = _DATE.fullmatch(value) if isinstance(value, str) else None
        return None if found is None else _moment(found)
    except (ValueError, OverflowError):
        return None


def write_date(moment: datetime) -> str:
    """Return a date in UTC as JavaScript writes it, with milliseconds."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _moment(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, fraction, utc, sign, hours, minutes = found.groups()
    moment = (
        datetime(int(year), int(month or 1), 1, tzinfo=UTC)
        + timedelta(
            days=int(day or 1) - 1,  # 30 February is a day in March
            hours=int(hour or 0),
            minutes=int(minute or 0),
            seconds=int(second or 0),
            milliseconds=int(((fraction or "") + "000")[:3]),
        )
    )
    if sign is not None:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return moment - offset if sign == "+" else moment + offset
    is_local = utc is None and hour is not None
    return moment.replace(tzinfo=None).astimezone(UTC) if is_local else moment
