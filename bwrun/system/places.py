"""Where a system keeps short-lived files, and whether that is in RAM."""

from __future__ import annotations

import os
import sys

from bwrun.system.common import IS_LINUX

SHARED_MEMORY = "/dev/shm"  # noqa: S108  (what lies there is checked)
IN_RAM = (b"tmpfs", b"ramfs")
_DARWIN_USER_TEMP_DIR = 65537  # _CS_DARWIN_USER_TEMP_DIR in unistd.h of macOS


def shared_places() -> list[str]:
    """Return the directories in RAM that all users share."""
    return [SHARED_MEMORY] if IS_LINUX else []


def own_places() -> list[str]:
    """Return the directories for short-lived files that the system makes for each user (confstr(3) of macOS)."""
    if sys.platform != "darwin":
        return []
    try:
        found = os.confstr(_DARWIN_USER_TEMP_DIR)
    except (OSError, ValueError):
        return []
    return [found] if found else []


def is_in_ram(device: int) -> bool:
    """Return whether the file system with the device number `device` is in RAM; False if that is unknown."""
    return file_system_of(device) in IN_RAM


def file_system_of(device: int) -> bytes | None:
    """
    Return the type of the file system with the device number `device`; None if that is unknown.

    Each line of mountinfo has `major:minor` as its third word, and the type as the first after ` - ` (proc(5)).
    """
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    number = b"%d:%d" % (os.major(device), os.minor(device))
    for line in lines:
        words = line.split(b" ", 3)
        if len(words) == 4 and words[2] == number:
            return words[3].partition(b" - ")[2].split(b" ", 1)[0]
    return None
