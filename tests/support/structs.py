"""Changed copies of bwrun's values."""

from __future__ import annotations

from typing import TypeVar

from bwrun.base.structs import Struct

S = TypeVar("S", bound=Struct)


def changed(struct: S, **changes: object) -> S:
    """Return a copy with other values in some fields."""
    return type(struct)(**struct.as_dict() | changes)
