"""Calls to the system that differ between Linux and other systems: memory, parents, signals, the ends of processes."""

from __future__ import annotations

import sys

from bwrun.system.common import IS_LINUX

if sys.platform == "linux" and IS_LINUX:
    from bwrun.system.linux_calls import (
        adopt_orphans,
        die_with_parent,
        die_with_writers,
        has_arrived,
        hide_memory,
        outlive_parent,
        prepare_signals,
        restore_limits,
        set_default,
        show_memory,
        stop_waking,
        unset_default,
        wait_signal,
        wake_on,
        watch_process,
    )
else:
    from bwrun.system.portable_calls import (
        adopt_orphans,
        die_with_parent,
        die_with_writers,
        has_arrived,
        hide_memory,
        outlive_parent,
        prepare_signals,
        restore_limits,
        set_default,
        show_memory,
        stop_waking,
        unset_default,
        wait_signal,
        wake_on,
        watch_process,
    )

__all__ = [
    "adopt_orphans", "die_with_parent", "die_with_writers", "has_arrived", "hide_memory", "outlive_parent",
    "prepare_signals", "restore_limits", "set_default", "show_memory", "stop_waking", "unset_default",
    "wait_signal", "wake_on", "watch_process",
]  # fmt: skip
