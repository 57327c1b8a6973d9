"""
`--renew`: the access token in the session is renewed before it ends.

The supervisor keeps the words that a login needs (the API key among them) and
nothing else; when it is due it gives them to a helper, which logs in, rewrites
the session's file and ends.
"""

from __future__ import annotations

import os
import signal
import time

from bwrun.channel import encode
from bwrun.supervisor.helper import Helper

EARLY = 600.0  # seconds before its end at which a token is renewed; the CLI wants five minutes of life in it
SHARE = 0.75  # of its life, for tokens that live shorter than that
RETRY = 60.0  # seconds until the next try after a failure
SHORTEST = 1.0  # seconds


class Renewal:
    """What is needed for the next login, and when it is due."""

    def __init__(self, lifetime: float, words: list[bytes]) -> None:
        """`lifetime`: the seconds that the present token lives from now."""
        self._words = words
        self._helper: Helper | None = None
        self._warned = False
        self.due = 0.0
        self._plan(lifetime)

    def _plan(self, lifetime: float) -> None:
        self.due = time.monotonic() + max(SHORTEST, lifetime * SHARE, lifetime - EARLY)

    def start(self) -> None:
        """Start the helper; the next time is set when it has ended."""
        self.due = float("inf")
        try:
            self._helper = Helper.start("bwrun.renew", [], encode(self._words))
        except OSError:
            self.due = time.monotonic() + RETRY

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
        self.due = time.monotonic() + RETRY
        if self._warned:
            return None
        self._warned = True
        return said.decode("utf-8", "replace") or "the helper ended early"

    def stop(self) -> None:
        """End a helper that is at work: after the command, nothing may write to the session."""
        if self._helper is not None:
            try:
                os.kill(self._helper.pid, signal.SIGKILL)
                os.waitpid(self._helper.pid, 0)
            except OSError:
                pass
            self._helper = None
        self._words = []
