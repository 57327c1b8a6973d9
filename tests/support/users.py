"""Running bwrun as another user, which only root can do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.program import Surroundings

ANOTHER_USER = 12345
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can run programs and make files as another user, trace any process, or mount"
)

# The way to Python may be closed to other users (root's pyenv), and that to the surroundings is: every start of pytest
# closes the folder with all its temporary folders again. So both are opened in a mount namespace, where nobody else
# sees it, and nobody can close it. The arguments: two folders, and the outermost closed one above each, or nothing.
OPEN_THE_WAY = """\
set -e
mount -t tmpfs none /mnt
mkdir /mnt/1 /mnt/2
mount --bind "$1" /mnt/1
mount --bind "$2" /mnt/2
for closed in "$3" "$4"; do
    if test -n "$closed"; then mount -t tmpfs -o mode=755 none "$closed"; fi
done
if test -n "$3"; then mkdir -p "$1"; mount --move /mnt/1 "$1"; fi
if test -n "$4"; then mkdir -p "$2"; mount --move /mnt/2 "$2"; fi
shift 4
exec "$@"
"""
TEMPORARY = ("pytest-", "popen-")  # how folders of pytest's begin


def as_user(surroundings: Surroundings, user: int) -> list[str]:
    """Give the surroundings to a user (only root can); return the words before a program that runs as that user."""
    root = surroundings.home.parent
    certificate = surroundings.environment.get("SSL_CERT_FILE")
    if certificate is not None:
        copy = root / "ca.pem"
        copy.write_bytes(Path(certificate).read_bytes())
        surroundings.environment["SSL_CERT_FILE"] = str(copy)
    for path in (root, *root.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)
    python = Path(sys.base_prefix).resolve()
    ways = [str(python), str(root), closed_above(python), closed_above(root)]
    way = ["unshare", "-m", "sh", "-c", OPEN_THE_WAY, "sh", *ways]
    return [*way, "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]


def closed_above(path: Path) -> str:
    """Return the outermost folder above or at `path` that is closed to other users, or that pytest may close; or ""."""
    folders = [
        folder
        for folder in (*reversed(path.parents), path)
        if folder.name.startswith(TEMPORARY) or not folder.stat().st_mode & 0o001
    ]
    return str(folders[0]) if folders else ""
