"""Printing a line for the user, as the supervisor does: without a console, and whatever stderr is."""

from __future__ import annotations

import os

from bwrun.base import signals


def print_line(text: str) -> None:
    """Print one line on stderr; a stderr that is closed or full is not an error."""
    try:
        os.write(2, f"bwrun: {text}\n".encode("utf-8", "backslashreplace"))
    except BrokenPipeError:
        drop_own_sigpipe()
    except OSError:
        pass


def drop_own_sigpipe() -> None:
    """Take the SIGPIPE that a write to a broken pipe left pending: nobody sent it, so it must not be passed on."""
    if signals.SIGPIPE in signals.sigpending():
        signals.sigwait({signals.SIGPIPE})
