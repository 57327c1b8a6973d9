"""
`--renew`: the access token in the session is renewed before it ends.

The supervisor keeps the words that a login needs (the API key among them) and
nothing else; when it is due it gives them to a helper, which logs in, rewrites
the session's file and ends.
"""

from __future__ import annotations

import os
import time

from bwrun.base import signals
from bwrun.base.channel import encode
from bwrun.supervisor.helper import Helper

EARLY = 600.0  # seconds before its end at which a token is renewed
MARGIN = 300.0  # seconds before its end from which the CLI takes a token for ended
SHARE = 0.75  # of its life, for tokens that live shorter than that
RETRY = 60.0  # seconds until the next try after a failure
HELPER_TIME = 150.0  # seconds until a helper is given up
SHORTEST = 1.0  # seconds
LOOK = 60.0  # seconds: sigtimedwait's own clock stands still while the machine sleeps


def _now() -> float:
    """Return the seconds of the clock that goes on while the machine sleeps: tokens end by it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Renewal:
    """What is needed for the next login, and when it is due."""

    def __init__(self, lifetime: float, words: list[bytes]) -> None:
        """`lifetime`: the seconds that the present token lives from now."""
        self._words = words
        self._helper: Helper | None = None
        self._warned = False
        self._due = 0.0
        self._plan(lifetime)

    def _plan(self, lifetime: float) -> None:
        if lifetime >= 2 * EARLY:
            wait = lifetime - EARLY
        elif lifetime > MARGIN:
            wait = (lifetime - MARGIN) / 2
        else:
            wait = lifetime * SHARE  # for the CLI it is over from the start
        self._due = _now() + max(SHORTEST, wait)

    def wait(self) -> float:
        """Return the seconds until `start()` has something to do, or until it is time to look at the clock again."""
        return min(LOOK, max(0.0, self._due - _now()))

    def is_due(self) -> bool:
        """Return whether it is time for `start()`."""
        return _now() >= self._due

    def start(self) -> None:
        """Start the helper, or end one that takes too long; the next time is set when it has ended."""
        if self._helper is not None:
            os.kill(self._helper.pid, signals.SIGKILL)
            self._due = _now() + RETRY
            return
        self._due = _now() + HELPER_TIME
        try:
            self._helper = Helper.start("bwrun.helpers.renewing", [], encode(self._words))
        except OSError:
            self._due = _now() + RETRY

    def ended(self, pid: int) -> str | None:
        """Take note that child `pid` has ended; return a warning if it was the helper and failed, once."""
        if self._helper is None or pid != self._helper.pid:
            return None
        said = self._helper.output().strip()
        self._helper = None
        if said.isdigit():
            self._plan(float(said))
            self._warned = False
            return None
        self._due = _now() + RETRY
        if self._warned:
            return None
        self._warned = True
        return said.decode("utf-8", "replace") or "the helper process ended early"

    def stop(self) -> None:
        """End a helper that is at work: after the command, nothing may write to the session."""
        if self._helper is not None:
            try:
                os.kill(self._helper.pid, signals.SIGKILL)
                os.waitpid(self._helper.pid, 0)
            except OSError:
                pass
            self._helper = None
        self._words = []
