"""The time limit for everything that bwrun does before the command starts."""

from __future__ import annotations

import time
from _thread import get_ident

from bwrun.base.errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

HINT = "check the network and the server's address, or allow more time with `--timeout`"


class Deadline:
    """A point in time, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        """Set the deadline `seconds` from now."""
        self.seconds = seconds
        self._waits: dict[str, float] = {}  # seconds that were spent waiting, by their reason
        self._waiting_until = 0.0  # on the monotonic clock
        self._end = time.monotonic() + seconds
        self.watched = 0.0  # seconds for which somebody has watched how the time passes (`bwrun.base.progress`)
        self._stages: dict[int, Callable[[], str]] = {}  # by thread, the newest last
        self._pause = ""  # why a request waits before it is sent again

    def enter_stage(self, describe: Callable[[], str] | None) -> None:
        """Say what the request of this thread does: `describe` returns it in words if somebody asks. None: it ends."""
        self._stages.pop(get_ident(), None)
        if describe is not None:
            self._stages[get_ident()] = describe

    def stage(self) -> str:
        """Return what the request does that has said so last; empty if there is none."""
        stages = list(self._stages.values())
        return stages[-1]() if stages else ""

    def pause(self) -> str:
        """Return why requests wait now and for how many seconds more, empty if they do not wait."""
        left = self._waiting_until - time.monotonic()
        return f"waiting {int(left) + 1} s: {self._pause}" if left > 0 else ""

    def extend(self, seconds: float) -> None:
        """Move the deadline by the time that a prompt or the password command took: it does not count."""
        self._end += seconds

    def restart(self) -> None:
        """Set the deadline anew, as many seconds from now as at first: something else begins."""
        self._waits.clear()
        self._end = time.monotonic() + self.seconds

    def note_wait(self, seconds: float, why: str) -> None:
        """Note a wait that begins now, for the message if the rest of the time is not enough. Threads wait together."""
        now = time.monotonic()
        more = max(0.0, now + seconds - max(now, self._waiting_until))
        self._waits[why] = self._waits.get(why, 0.0) + more
        self._pause = why
        self._waiting_until = max(self._waiting_until, now + seconds)

    def left(self) -> float:
        """Return the seconds that are left; 0 or less after the deadline."""
        return self._end - time.monotonic()

    def exceeded(self, waiting_for: str, hint: str = HINT) -> NetworkError:
        """Return the error to raise after the deadline; `waiting_for` names what bwrun was waiting for."""
        waits = "".join(f"; {seconds:.0f} s were waits: {why}" for why, seconds in self._waits.items() if seconds >= 1)
        message = f"timed out after {self.seconds:g} s while waiting for {waiting_for}{waits}"
        return NetworkError("timeout", message, hint)
