"""Structs: what dataclasses do, as far as it is used."""

from __future__ import annotations

from typing import Any

import pytest

from bwrun.base.structs import Struct


class Pair(Struct):
    """Two fields, one with a default, and a constant."""

    LIMIT = 3

    first: str
    second: int = 7


def test_takes_fields_by_place_and_name() -> None:
    """Fields come in order or by name; what is left out has its default."""
    assert [Pair("a", 1).as_tuple(), Pair("a", second=2).as_tuple(), Pair(second=3, first="b").as_tuple()] == [
        ("a", 1),
        ("a", 2),
        ("b", 3),
    ]
    assert Pair("a").as_dict() == {"first": "a", "second": 7}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        ((), {"second": 1}),
        (("a", 1, 2), {}),
        (("a",), {"first": "b"}),
        (("a",), {"third": 1}),
        (("a",), {"LIMIT": 1}),
    ],
)
def test_refuses_other_fields(values: tuple[object, ...], named: dict[str, object]) -> None:
    """A field that is missing, unknown, or given twice is an error that shows no value."""
    kind: Any = Pair
    with pytest.raises(TypeError, match=r"^Pair (lacks first|has other fields)$"):
        kind(*values, **named)


def test_inherits() -> None:
    """A class made of another has its fields before its own, and may have none."""

    class Three(Pair):
        third: bool = False

    class Same(Pair):
        pass

    assert Three("a", 1, third=True).as_dict() == {"first": "a", "second": 1, "third": True}
    assert Same("a").as_tuple() == ("a", 7)
    assert Same("a") != Pair("a")


def test_does_not_change() -> None:
    """A field cannot be set again."""
    pair: Any = Pair("a")
    with pytest.raises(AttributeError):
        pair.first = "b"
    assert pair.first == "a"


def test_equality() -> None:
    """Structs of one class with equal fields are equal, and hash alike; of another class they are not."""

    class Other(Struct):
        first: str
        second: int = 7

    assert Pair("a") == Pair("a", 7)
    assert hash(Pair("a")) == hash(Pair("a", 7))
    assert Pair("a") != Pair("b")
    assert Pair("a") != Other("a")


def test_shows_nothing() -> None:
    """Neither repr nor str shows a field."""
    assert {repr(Pair("canary")), str(Pair("canary")), f"{Pair('canary')}"} == {"Pair(…)"}
