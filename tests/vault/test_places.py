"""Records by their ids: what is an id, whether one is looked at or many."""

from __future__ import annotations

import re
import uuid

from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.vault.places import records

UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
GOOD = [str(uuid.UUID(int=number * 0x0123456789ABCDEF0123456789ABCDEF % 2**128)) for number in range(1, 6)]
BAD: list[object] = [
    None, 5, [], {}, "", "x", "\ud800", GOOD[0][1:], f"{GOOD[0]}0", GOOD[0].replace("-", "0"), GOOD[0][::-1], "-" * 36,
    f"{GOOD[0][:-1]}g", f"{GOOD[0][:-1]}\u00e9", f"{GOOD[0][:-1]}\uff11", f"{GOOD[0][:-1]}\n", f"{GOOD[0][1:]}-",
]  # fmt: skip


@example([f"{GOOD[0]}0", GOOD[1][1:]])
@given(st.lists(st.sampled_from([*GOOD, *map(str.upper, GOOD)]) | st.sampled_from(BAD), max_size=6))
def test_records_by_id(ids: list[object]) -> None:
    """Exactly the objects whose id is a UUID are there, by the id in lower case; of two with one id, the later."""
    objects = [{"id": identity, "number": number} for number, identity in enumerate(ids)]
    right: dict[str, object] = {}
    for one in objects:
        identity = one["id"]
        if isinstance(identity, str) and UUID.fullmatch(identity.lower()):
            right[identity.lower()] = one

    assert list(records(objects).items()) == list(right.items())
    assert records([*objects, None, 5, "x", [], {}]) == records(objects)


def test_records_of_what_is_no_list() -> None:
    """Where there is no list there are no records."""
    nothing: list[object] = [None, {}, "x", 5]

    assert [records(value) for value in nothing] == [{}] * 4
