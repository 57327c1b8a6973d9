"""The time a run may take before its command starts."""

from __future__ import annotations

import time

from bwrun.base.errors import NetworkError


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

    def exceeded(self, waiting_for: str, addition: str = "") -> NetworkError:
        """Return the error for a time that ran out; `addition` ends its message."""
        return NetworkError(
            "timeout", f"{waiting_for} did not answer within {self.seconds:g} s{addition}",
            "check the connection and the server's address, or allow more with --timeout",
        )  # fmt: skip
