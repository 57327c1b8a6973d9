"""Printing a line for the user, as the supervisor does: without a console, and whatever stderr is."""

from __future__ import annotations

import os


def print_line(text: str) -> None:
    """Print one line on stderr; a stderr that is closed or full is not an error."""
    try:
        os.write(2, f"bwrun: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass
