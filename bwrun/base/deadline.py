"""The time a run may take before its command starts."""

from __future__ import annotations

import time

from bwrun.base.errors import NetworkError

HINT = "check the network and the server's address, or allow more time with `--timeout`"


class Deadline:
    """A point in time, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        """Start counting now."""
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def excuse(self, seconds: float) -> None:
        """Add time that does not count: a person was asked, or a command of theirs ran."""
        self._end += seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 or less when it is over."""
        return self._end - time.monotonic()

    def exceeded(self, waiting_for: str, hint: str = HINT) -> NetworkError:
        """Return the error for a time that ran out."""
        return NetworkError("timeout", f"timed out after {self.seconds:g} s while waiting for {waiting_for}", hint)
