"""
Whether git tracks a file, read from the index of the repository that the file is in.

git itself is not asked: in a strange checkout it would run programs that the checkout names (core.fsmonitor).  The
format is in git's own manual, gitformat-index(5): in versions 2 and 3 each entry ends with two bytes of flags, whose
low 12 bits are the length of the path, and the path.  Of version 4, which shortens paths, nothing is said.
"""

from __future__ import annotations

import os

MAX_INDEX = 64 * 1024 * 1024  # bytes
LENGTH_BITS = 0xFFF


def is_tracked(path: str) -> bool:
    """Return whether the file at `path` is in the index; False where that cannot be found out."""
    try:
        full = os.path.realpath(path)
        root = os.path.dirname(full)
        while not os.path.isfile(os.path.join(root, ".git", "index")):
            if root == os.path.dirname(root):
                return False
            root = os.path.dirname(root)
        with open(os.path.join(root, ".git", "index"), "rb") as file:
            data = file.read(MAX_INDEX)
    except (OSError, ValueError):
        return False
    if data[:4] != b"DIRC" or data[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
        return False
    name = os.fsencode(os.path.relpath(full, root))
    at = data.find(name + b"\0")
    while at >= 0:
        if int.from_bytes(data[at - 2 : at]) & LENGTH_BITS == min(len(name), LENGTH_BITS):
            return True
        at = data.find(name + b"\0", at + 1)
    return False
