"""The clock that runs while the machine sleeps, and the name of this start of the machine."""

from __future__ import annotations

import sys
import time

BOOT_ID = "/proc/sys/kernel/random/boot_id"  # random(4)
# macOS's CLOCK_MONOTONIC goes on while the machine sleeps (clock_gettime(3)); Linux's does not.
CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds() -> float:
    """Return the seconds since the machine started, with the time that it slept."""
    return time.clock_gettime(CLOCK)


def boot_id() -> str:
    """Return a name of this start of the machine; empty where the system does not tell."""
    if sys.platform == "darwin":
        return _sysctl(b"kern.bootsessionuuid")
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def _sysctl(name: bytes) -> str:
    """Return a text that sysctlbyname(3) gives; empty if there is none."""
    import ctypes  # noqa: PLC0415  (only on macOS)

    found = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(found))
    if ctypes.CDLL(None).sysctlbyname(name, found, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return ""
    return found.value.decode("ascii", "replace")
