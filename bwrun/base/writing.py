"""Writing all bytes, however many the system takes at a time."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def write_all(descriptor: int, parts: Iterable[bytes | memoryview]) -> None:
    """Write all `parts` in order. Raises OSError."""
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view) :]
