"""
Memory for much data at once, on large pages where there are any.

A page of 4 KiB costs up to 4 µs when it is first touched (in a virtual machine): for a vault of 10,000 items 25 ms.
"""

from __future__ import annotations

import mmap

LARGE = 2 * 1024 * 1024  # bytes: from here on it is worth it


def large_buffer(size: int) -> mmap.mmap | bytearray:
    """
    Return zeros that can be written to.

    Raises MemoryError.
    """
    try:
        buffer = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # what is shared has no large pages
    except OSError:
        return bytearray(size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            buffer.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # a kernel without
    return buffer
