"""Looking for secrets in the memory of a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

CHUNK = 1 << 20


def memory(pid: int) -> Iterator[bytes]:
    """Yield all that can be read of a process's memory, in pieces that overlap, and its environment."""
    yield Path(f"/proc/{pid}/environ").read_bytes()
    yield Path(f"/proc/{pid}/cmdline").read_bytes()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode = line.split()[:2]
            start, end = (int(word, 16) for word in span.split("-"))
            tail = b""
            while mode.startswith("r") and start < end:
                try:
                    data = os.pread(file.fileno(), min(CHUNK, end - start), start)
                except OSError:
                    break  # the kernel's own pages
                if not data:
                    break
                yield tail + data
                tail = data[-256:]
                start += len(data)


def found_in(process: psutil.Process, needles: dict[str, bytes]) -> set[str]:
    """Return the names of the needles that are in a process's memory."""
    found = set()
    size = 0
    for piece in memory(process.pid):
        size += len(piece)
        found |= {name for name, needle in needles.items() if needle in piece}

    assert size > CHUNK
    return found
