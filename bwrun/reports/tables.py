"""Printing tables and JSON on stdout, for `--check` and `--list`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from bwrun.base.console import printable
from bwrun.base.errors import STATUS_FAILED

STDOUT = 1
GAP = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as text. Control characters in the rows are escaped, so that they cannot move the cursor."""
    lines = [list(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = (GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def as_json(value: object) -> str:
    """Return `value` as one JSON document in ASCII, indented by two spaces."""
    return json.dumps(value, indent=2) + "\n"


def write_out(text: str) -> int:
    """Write `text` to stdout; return bwrun's exit status, which is STATUS_FAILED if it cannot be written."""
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    try:
        while data:
            data = data[os.write(STDOUT, data) :]
    except OSError:
        return STATUS_FAILED
    return 0
