"""Tables and JSON for stdout: what `--check` and `--list` print."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from bwrun.base.console import printable
from bwrun.base.errors import STATUS_FAILED

STDOUT = 1
GAP = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under a head, in columns as wide as they need; text from elsewhere cannot move the cursor."""
    lines = [list(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = (GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def as_json(value: object) -> str:
    """Return `value` for machines: one document, ASCII, two spaces deep."""
    return json.dumps(value, indent=2) + "\n"


def write_out(text: str) -> int:
    """Write to stdout; return the status to end with: that of a failure if nobody reads it."""
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    try:
        while data:
            data = data[os.write(STDOUT, data) :]
    except OSError:
        return STATUS_FAILED
    return 0
