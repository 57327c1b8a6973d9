"""Removing what runs keep for later runs, for `--clean`."""

from __future__ import annotations

import os

from bwrun.cache.place import find_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE = ".cache"
OTHERS = (".lock", ".failed", ".new")  # the suffixes of the files beside a cache


def remove_caches(environment: Mapping[str, str]) -> int:
    """Remove all caches of this user, in RAM and in BWRUN_CACHE_DIR; return how many there were."""
    chosen = environment.get("BWRUN_CACHE_DIR") or None
    return sum(_remove_in(environment, one) for one in dict.fromkeys((None, chosen)))


def _remove_in(environment: Mapping[str, str], chosen: str | None) -> int:
    place = find_place(environment, chosen, create=False)
    if place is None:
        return 0
    count = 0
    try:
        for name in os.listdir(place.descriptor):
            if name.endswith((CACHE, *OTHERS)):
                try:
                    os.unlink(name, dir_fd=place.descriptor)
                    count += name.endswith(CACHE)
                except OSError:
                    pass  # another process has removed it, or it is a directory that somebody made
        if chosen is None:
            os.rmdir(place.path)  # if nothing else is in it
    except OSError:
        pass
    finally:
        place.close()
    return count
