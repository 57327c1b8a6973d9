"""Removing what runs keep for later runs, for `--clean`."""

from __future__ import annotations

import os
from contextlib import suppress

from bwrun.cache.place import all_places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.cache.place import Place

CACHE = "cache"
SUFFIXES = (CACHE, "lock", "failed", "cache.new", "failed.new")
NAME_LENGTH = 32  # hexadecimal digits


def remove_caches(environment: Mapping[str, str]) -> int:
    """Remove all caches of this user, in RAM and in BWRUN_CACHE_DIR; return how many there were."""
    count = 0
    chosen = environment.get("BWRUN_CACHE_DIR")
    for place in all_places(environment, chosen):
        with suppress(OSError):
            count += _remove_in(place)
            if place.path != (chosen or "").rstrip("/"):
                os.rmdir(place.path)  # if nothing else is in it
        place.close()
    return count


def _remove_in(place: Place) -> int:
    count = 0
    for name in os.listdir(place.descriptor):
        stem, _, suffix = name.partition(".")
        if suffix in SUFFIXES and len(stem) == NAME_LENGTH and not stem.strip("0123456789abcdef"):
            with suppress(OSError):  # another process has removed it, or it is a directory that somebody made
                os.unlink(name, dir_fd=place.descriptor)
                count += suffix == CACHE
    return count
