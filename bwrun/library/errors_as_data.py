"""An error of bwrun as data, for another process, which makes the same exception of it."""

from __future__ import annotations

from typing import TypedDict

from bwrun.base import errors
from bwrun.base.errors import BwrunError, FailedReferenceError, UnresolvedReferencesError


class ErrorData(TypedDict):
    """What an error is made of."""

    type: str  # the name of its class
    code: str
    message: str
    hints: list[str]
    name: str  # of a FailedReferenceError
    failures: list[ErrorData]  # of an UnresolvedReferencesError


def to_data(error: BwrunError) -> ErrorData:
    """Return what the error is made of."""
    return {
        "type": type(error).__name__,
        "code": error.code,
        "message": error.message,
        "hints": [*error.hints],
        "name": error.name if isinstance(error, FailedReferenceError) else "",
        "failures": [*map(to_data, error.failures)] if isinstance(error, UnresolvedReferencesError) else [],
    }


def from_data(data: ErrorData) -> BwrunError:
    """Return the error that `to_data()` took apart."""
    error = make_error(data["type"], data["code"], data["message"], data["hints"])
    if isinstance(error, FailedReferenceError):
        error.name = data["name"]
    if isinstance(error, UnresolvedReferencesError):
        failures = map(from_data, data["failures"])
        error.failures = tuple(one for one in failures if isinstance(one, FailedReferenceError))
    return error


def make_error(kind: str, code: str, message: str, hints: list[str]) -> BwrunError:
    """Return an error of the class called `kind`. The constructors of the classes differ, so none of them is called."""
    found = getattr(errors, kind, BwrunError)
    if not (isinstance(found, type) and issubclass(found, BwrunError)):
        found = BwrunError
    error = found.__new__(found)
    BwrunError.__init__(error, "", message, *hints)
    error.code = code
    return error


def internal_error(type_name: str, place: str) -> BwrunError:
    """Return the error for an exception in the other process that is a bug of bwrun."""
    hint = "this is a bug in bwrun; please report it and quote the line above"
    return make_error("BwrunError", "internal", f"internal error: {type_name} in {place}", [hint])
