"""
Renewing the session's access token before it expires, for `--renew`.

The supervisor keeps the data that a login needs, which includes the API key. When the renewal is due, it gives the data
to a helper, which logs in, writes the new token into the session and ends.
"""

from __future__ import annotations

import os

from bwrun.base import signals
from bwrun.base.channel import encode
from bwrun.supervisor.helper import Helper
from bwrun.system import clock

EARLY = 600.0  # seconds before its expiry at which a token is renewed
MARGIN = 300.0  # seconds before its expiry at which the official CLI stops using a token
SHARE = 0.75  # part of the lifetime after which a token is renewed that is valid for no more than MARGIN
RETRY = 60.0  # seconds until the next try after a failure
HELPER_TIME = 150.0  # seconds until a helper is killed
SHORTEST = 1.0  # seconds until a renewal, at least
LOOK = 60.0  # seconds between looks at the clock, because the clock of wait_signal() stops while the machine sleeps


class Renewal:
    """The data for the next login, and the time when it is due."""

    def __init__(self, lifetime: float, words: list[bytes]) -> None:
        """`lifetime` is how long the present token is valid, in seconds; `words` is the data for the helper."""
        self._words = words
        self._helper: Helper | None = None
        self._warned = False
        self._due = 0.0
        self._plan(lifetime)

    def _plan(self, lifetime: float) -> None:
        """Set the time of the next renewal, for a token that is valid for `lifetime` seconds from now."""
        if lifetime >= 2 * EARLY:
            wait = lifetime - EARLY
        elif lifetime > MARGIN:
            wait = (lifetime - MARGIN) / 2
        else:
            wait = lifetime * SHARE  # the CLI never uses such a token
        self._due = clock.seconds() + max(SHORTEST, wait)

    def wait(self) -> float:
        """Return the seconds until the renewal is due, or until it is time to look at the clock again."""
        return min(LOOK, max(0.0, self._due - clock.seconds()))

    def is_due(self) -> bool:
        """Return whether `start()` is to be called."""
        return clock.seconds() >= self._due

    def start(self) -> None:
        """Start the helper; if one still runs, it has taken too long and is killed."""
        if self._helper is not None:
            os.kill(self._helper.pid, signals.SIGKILL)
            self._due = clock.seconds() + RETRY
            return
        self._due = clock.seconds() + HELPER_TIME
        try:
            self._helper = Helper.start("bwrun.helpers.renewing", [], encode(self._words))
        except OSError:
            self._due = clock.seconds() + RETRY

    def ended(self, pid: int) -> str | None:
        """Handle the end of child `pid`. If it was the helper and failed for the first time, return why; else None."""
        if self._helper is None or pid != self._helper.pid:
            return None
        said = self._helper.output().strip()
        self._helper = None
        if said.isdigit():
            self._plan(float(said))
            self._warned = False
            return None
        self._due = clock.seconds() + RETRY
        if self._warned:
            return None
        self._warned = True
        return said.decode("utf-8", "replace") or "the helper process ended early"

    def stop(self) -> None:
        """Kill a helper that still runs: after the command has ended, nothing may write to the session."""
        if self._helper is not None:
            try:
                os.kill(self._helper.pid, signals.SIGKILL)
                os.waitpid(self._helper.pid, 0)
            except OSError:
                pass
            self._helper = None
        self._words = []
