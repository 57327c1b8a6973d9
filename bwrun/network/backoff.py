"""
How long a client waits before it repeats a request that the server limited (429) or failed to answer.

This module is pure: it does not sleep, it reads no clock, and the caller supplies the random numbers. All times are in
seconds.

- After a 429, the request is repeated as long as there is time. If the server asks for a wait of `told` seconds, the
  wait is that long plus a random time of up to a quarter of it, but at least up to 1 s. With each further 429 the bound
  of the random time doubles, up to 60 s. If the server does not ask for a certain wait, the wait is 5 s times a random
  factor from 0.75 to 1.25. It doubles with each further 429, up to 60 s before the factor. The random times keep
  clients that were refused together from coming back together.
- After a failure, the request is repeated three times: after 0.3, 0.6 and 1.2 s with the same factor, or after `told`
  seconds with the same random time.
- Where another run was refused already, the wait is the rest of that run's wait, plus the random time that follows from
  as many answers with 429.
- A wait that does not fit into the time that is left does not begin.
"""

from __future__ import annotations

from collections.abc import Callable

LIMIT_WAIT = 5.0
LONGEST_WAIT = 60.0  # Vaultwarden allows one login a minute, once its burst is used up, and does not say so
FAILURE_WAIT = 0.3
MOST_RETRIES = 3  # after failures
SHARE = 0.25  # of what the server asks for: the bound of the random time
LEAST_SPREAD = 1.0  # the lowest bound of the random time


class Backoff:
    """The waits of one request. Not for several threads."""

    def __init__(self, draw: Callable[[], float]) -> None:
        """`draw` returns a random number from 0 to 1, 1 excluded, each with the same probability."""
        self._draw = draw
        self.limits = 0  # answers with 429
        self.level = 0  # answers with 429 in a row, those that other runs got included
        self.asked = 0.0  # seconds of the last wait without its random part, whether it was begun or not
        self.failures = 0
        self.waited = 0.0  # seconds of all waits so far

    @property
    def tries(self) -> int:
        """Return how often the request was sent."""
        return self.limits + self.failures

    def after_limit(self, told: float | None, left: float) -> float | None:
        """Return the wait after a 429, or None if it does not fit into the time that is `left`."""
        growth = _growth(self.level)
        self.limits += 1
        self.level += 1
        if told is None:
            self.asked = min(LONGEST_WAIT, LIMIT_WAIT * growth)
            return self._begin(self.asked * self._factor(), left)
        self.asked = told
        return self._begin(told + self._spread(told, growth, left), left)

    def after_another(self, rest: float, level: int, left: float) -> float | None:
        """
        Return the wait because of an answer that another run got, or None if it does not fit.

        `rest`: how much is left of that run's wait; `level`: how many answers with 429 led to it.
        """
        self.level = max(self.level, level)
        if rest <= 0:
            return 0.0
        return self._begin(rest + self._spread(rest, _growth(max(0, level - 1)), left), left)

    def after_failure(self, told: float | None, left: float) -> float | None:
        """Return the wait after a failure, or None if it does not fit or there were too many failures."""
        growth = _growth(self.failures)
        self.failures += 1
        if self.failures > MOST_RETRIES:
            return None
        if told is None:
            return self._begin(FAILURE_WAIT * growth * self._factor(), left)
        self.asked = told
        return self._begin(told + self._spread(told, growth, left), left)

    def _begin(self, wait: float, left: float) -> float | None:
        if wait >= left:
            return None
        self.waited += wait
        return wait

    def _factor(self) -> float:
        return 0.75 + self._draw() / 2

    def _spread(self, told: float, growth: float, left: float) -> float:
        """Return the random time to add to `told`. It leaves half of the rest of the time for the answer."""
        bound = min(LONGEST_WAIT, max(LEAST_SPREAD, told * SHARE) * growth)
        return self._draw() * min(bound, max(0.0, left - told) / 2)


def _growth(times: int) -> float:
    """Return two to the power of `times`; the exponent ends long after every bound is reached."""
    return float(1 << min(times, 20))
