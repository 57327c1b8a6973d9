"""Start times, ancestry and names of processes."""

from __future__ import annotations

import sys

from bwrun.system.common import IS_LINUX

if sys.platform == "linux" and IS_LINUX:
    from bwrun.system.linux_processes import is_alive, is_asleep, is_descendant, parent, set_name, start_time
else:
    from bwrun.system.portable_processes import is_alive, is_asleep, is_descendant, parent, set_name, start_time

__all__ = ["is_alive", "is_asleep", "is_descendant", "parent", "set_name", "start_time"]
