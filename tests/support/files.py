"""Files as a user should have them: readable by nobody else."""

from __future__ import annotations

from pathlib import Path


def write_private(path: Path, *lines: str, newline: str = "\n") -> Path:
    """Write `lines` to `path`, mode 0600; lone surrogates stand for bytes that are no UTF-8."""
    data = "".join(line + newline for line in lines)
    path.touch(mode=0o600)
    path.write_bytes(data.encode("utf-8", "surrogateescape"))
    return path
