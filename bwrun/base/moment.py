"""
Points in time that survive a process, and how long ago they were.

A moment has the time of day, and the time since the machine started, which nobody can set. Both must agree that a
moment has passed: then a clock that was set back makes nothing look younger than it is.
"""

from __future__ import annotations

import time

from bwrun.base.structs import Struct
from bwrun.system import clock


class Moment(Struct):
    """A point in time."""

    wall: float  # seconds since the epoch
    running: float  # seconds since the machine started, with the time that it was suspended
    boot: str  # which start of the machine that was; empty where the system does not tell

    @classmethod
    def now(cls) -> Moment:
        """Return this moment."""
        return cls(time.time(), clock.seconds(), clock.boot_id())

    @classmethod
    def read(cls, value: object) -> Moment | None:
        """Return what `to_list()` made, None if it is something else."""
        if not isinstance(value, list) or len(value) != 3 or not isinstance(value[2], str):
            return None
        wall, running = value[:2]
        if not isinstance(wall, (int, float)) or not isinstance(running, (int, float)):
            return None
        return cls(float(wall), float(running), value[2])

    def to_list(self) -> list[object]:
        """Return the parts, for JSON."""
        return [self.wall, self.running, self.boot]

    def age(self, now: Moment) -> float | None:
        """Return the seconds that have passed until `now`; None if a clock says that the moment is still to come."""
        ages = [now.wall - self.wall]
        if self.boot and self.boot == now.boot:
            ages.append(now.running - self.running)
        return None if min(ages) < 0 else max(ages)

    def is_before(self, other: object) -> bool:
        """Return whether `other`, which `to_list()` made on this machine, is later than this moment."""
        later = Moment.read(other)
        return later is not None and later.boot == self.boot and later.running >= self.running
