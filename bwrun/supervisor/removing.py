"""
Removing the session's directory with everything in it, whatever the command made of it.

A process that the command left running may write faster than files are removed, so removing has limits. The first is of
processor time, because a busy machine gives little of it. The second is for a slow disk, which needs little of it.
"""

from __future__ import annotations

import os
import stat
import time

OWNER_FILE = "owner"  # is removed last
REMOVE_CPU_TIME = 2.0  # seconds
REMOVE_TIME = 10.0  # seconds


def remove(path: str) -> bool:
    """
    Remove the directory and everything in it, without following links; return whether it is gone.

    This raises nothing: the caller tries again.
    """
    parent, name = os.path.split(path)
    try:
        above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return not os.path.lexists(path)
    try:
        root = open_own(above, name)
        try:
            _empty(root)
        finally:
            os.close(root)
        os.rmdir(name, dir_fd=above)
    except OSError:
        pass
    finally:
        os.close(above)
    return not os.path.lexists(path)


def _empty(root: int) -> None:
    """
    Remove as much as possible of what is in the open directory `root`.

    The content of a directory below is moved up into `root` first, so that even a very deep tree needs neither
    recursion nor many descriptors.
    """
    _empty_but_owner(root)
    if os.listdir(root) == [OWNER_FILE]:
        # The file `owner` comes last: while anything is left, a sweep must see that the owner is dead.
        while not _unlink(root, OWNER_FILE) and _flatten(root, OWNER_FILE):
            _empty_but_owner(root)


def _empty_but_owner(root: int) -> None:
    """Remove everything in the open directory `root` except the file `owner`, until nothing more can be removed."""
    cpu_end, end = time.process_time() + REMOVE_CPU_TIME, time.monotonic() + REMOVE_TIME
    progress = True
    while progress:
        progress = False
        for name in os.listdir(root):
            if time.process_time() > cpu_end or time.monotonic() > end:
                return
            if name != OWNER_FILE:
                progress |= _unlink(root, name) or _flatten(root, name)


def _unlink(directory: int, name: str) -> bool:
    """Remove a file or an empty directory; return whether that succeeded."""
    for remove_one in (os.unlink, os.rmdir):
        try:
            remove_one(name, dir_fd=directory)
        except OSError:
            continue
        return True
    return False


def _flatten(root: int, name: str) -> bool:
    """Move the content of the directory `name` up into `root`; return whether anything was moved or removed."""
    try:
        inner = open_own(root, name)
    except OSError:
        return False
    done = False
    try:
        for entry in os.listdir(inner):
            done |= _unlink(inner, entry) or _move(inner, entry, root)
    finally:
        os.close(inner)
    return _unlink(root, name) or done


def _move(source: int, name: str, target: int) -> bool:
    try:
        os.close(open_own(source, name))  # a directory must be writable to be moved
        os.rename(name, f"bwrun-{os.urandom(8).hex()}", src_dir_fd=source, dst_dir_fd=target)
    except OSError:
        return False
    return True


def open_own(parent: int | None, name: str) -> int:
    """
    Open a directory; if it belongs to this user, make it readable and writable first.

    `name` may be a path if `parent` is None. Raises OSError: it is no directory, or cannot be opened.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except PermissionError:
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, flags, dir_fd=parent)
    try:
        os.fchmod(descriptor, 0o700)
    except OSError:
        pass  # it belongs to another user
    return descriptor
