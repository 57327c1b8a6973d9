"""
How long a client waits before it asks a server again that limits it, or that failed.

Pure: it neither sleeps nor looks at a clock, and random numbers come from the caller. All times are in seconds.

- A server that limits requests (429) is asked again as long as there is time. If it asks to wait for `told` seconds,
  the wait is that and a random part of up to a quarter of it, or of up to 1 s where that is more; this bound doubles
  with each further 429, up to 60 s. If it does not say, the wait is 5 s, doubled with each further 429 up to 60 s, and
  times a random factor from 0.75 to 1.25. So hosts that were refused together do not come back together.
- A server that failed is asked three times more: after 0.3, 0.6 and 1.2 s, with the same factor, or as `told`, with the
  same random part.
- A wait for which there is no time is not begun.
"""

from __future__ import annotations

from collections.abc import Callable

LIMIT_WAIT = 5.0  # Vaultwarden's limit lets one login pass in a minute, and does not say so
LONGEST_WAIT = 60.0  # of those that the server did not ask for
FAILURE_WAIT = 0.3
MOST_RETRIES = 3  # after failures
SHARE = 0.25  # of what the server asks for
LEAST_SPREAD = 1.0


class Backoff:
    """The waits of one request. Not for several threads."""

    def __init__(self, draw: Callable[[], float]) -> None:
        """`draw` returns random numbers, even from 0 up to 1."""
        self._draw = draw
        self.limits = 0  # how often the server said 429
        self.failures = 0
        self.waited = 0.0

    @property
    def tries(self) -> int:
        """Return how often the request was made."""
        return self.limits + self.failures

    def after_limit(self, told: float | None, left: float) -> float | None:
        """Return the wait after a 429, None if it does not fit into the time that is `left`."""
        growth = _growth(self.limits)
        self.limits += 1
        if told is None:
            return self._begin(min(LONGEST_WAIT, LIMIT_WAIT * growth) * self._factor(), left)
        return self._begin(told + self._spread(told, growth, left), left)

    def after_failure(self, told: float | None, left: float) -> float | None:
        """Return the wait after a failure, None if it does not fit, or if there were enough failures."""
        growth = _growth(self.failures)
        self.failures += 1
        if self.failures > MOST_RETRIES:
            return None
        if told is None:
            return self._begin(FAILURE_WAIT * growth * self._factor(), left)
        return self._begin(told + self._spread(told, growth, left), left)

    def _begin(self, wait: float, left: float) -> float | None:
        if wait >= left:
            return None
        self.waited += wait
        return wait

    def _factor(self) -> float:
        return 0.75 + self._draw() / 2

    def _spread(self, told: float, growth: float, left: float) -> float:
        """Return a random part; at most half of the time that is left after what was told, or it would use that up."""
        bound = min(LONGEST_WAIT, max(LEAST_SPREAD, told * SHARE) * growth)
        return self._draw() * min(bound, max(0.0, left - told) / 2)


def _growth(times: int) -> float:
    """Return two to the power of `times`, with an end long after every bound is reached."""
    return float(1 << min(times, 20))
