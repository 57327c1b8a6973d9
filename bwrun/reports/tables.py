"""Tables and JSON, for `--check` and `--list`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bwrun.base.console import printable

GAP = "  "
MAX_WIDTH = 60  # characters of a cell that is a name
NAMES = {"NAME", "FOLDER", "ORGANIZATION", "ITEM", "FIELD"}  # the columns of names, which may be of any length


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """
    Return a table as text.

    Control characters in the rows are escaped, so that they cannot move the cursor. A long name is cut, because one
    would make the whole column as wide.
    """
    lines = [list(head), *([_shown(cell, of) for cell, of in zip(row, head, strict=True)] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = (GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def as_json(value: object) -> str:
    """Return `value` as one JSON document in ASCII, indented by two spaces."""
    return json.dumps(value, indent=2) + "\n"


def _shown(cell: str, column: str) -> str:
    text = printable(cell)
    return f"{text[: MAX_WIDTH - 1]}…" if column in NAMES and len(text) > MAX_WIDTH else text
