"""
Making, marking and removing the session's directory, and sweeping directories whose owner is dead.

The directory is called `bwrun.PID.RANDOM`, has mode 0700, and is made directly in a base directory. A common parent
directory would remain afterwards, and somebody else could make it first.

The owner (the supervisor) locks the directory with flock(2), and writes its pid and start time into the file `owner`,
so that a sweep never removes the directory of a live run.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from bwrun.supervisor import processes

OWNER_FILE = "owner"
PREFIX = "bwrun"
RANDOM_SIZE = 8  # bytes, written as 16 hexadecimal digits
# A process that the command left running may write faster than files are removed, so removing has limits. The first is
# of processor time, because a busy machine gives little of it. The second is for a slow disk, which needs little of it.
REMOVE_CPU_TIME = 2.0  # seconds
REMOVE_TIME = 10.0  # seconds
UNMARKED_AGE = 600  # seconds; an older directory without the file `owner` is abandoned


def new_path(base: str) -> str:
    """Return a new path for a session's directory in `base`."""
    return os.path.join(base, f"{PREFIX}.{os.getpid()}.{os.urandom(RANDOM_SIZE).hex()}")


def is_session_name(name: str) -> bool:
    """Return whether `name` has the form that `new_path()` makes."""
    prefix, _, rest = name.partition(".")
    pid, _, random = rest.partition(".")
    digits = set("0123456789abcdef")
    return (
        prefix == PREFIX
        and pid.isascii()
        and pid.isdigit()
        and len(random) == 2 * RANDOM_SIZE
        and digits >= set(random)
    )


def make(path: str) -> int:
    """
    Make the directory, lock it, and write the file `owner`; return the descriptor that holds the lock.

    Raises OSError: the directory cannot be made.
    """
    while True:
        before = os.umask(0o077)
        try:
            os.mkdir(path, 0o700)
        finally:
            os.umask(before)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            _lock(descriptor, wait=True)  # another bwrun may be sweeping it just now
        except OSError:
            remove(path)
            raise
        if _is_same(path, descriptor):
            break
        os.close(descriptor)  # that bwrun removed it: make it again
    try:
        mark = os.open(OWNER_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=descriptor)
        try:
            os.fchmod(mark, 0o600)  # whatever the umask
            os.write(mark, f"{os.getpid()} {processes.start_time(os.getpid())}\n".encode())
        finally:
            os.close(mark)
    except OSError:
        remove(path)
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, *, wait: bool = False) -> bool:
    """Lock the open directory; return whether that succeeded. Without locks in the file system it always does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
    return True


def _is_same(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def is_owner_alive(directory: int) -> bool | None:
    """Return whether the process that the file `owner` in the open `directory` names still runs; None: no such file."""
    try:
        descriptor = os.open(OWNER_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        return None
    try:
        pid, _, started = os.read(descriptor, 100).decode("ascii", "replace").strip().partition(" ")
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return processes.is_alive(int(pid), started) if pid.isascii() and pid.isdigit() and len(pid) < 12 else None


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
        root = _open_own(above, name)
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
        inner = _open_own(root, name)
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
        os.close(_open_own(source, name))  # a directory must be writable to be moved
        os.rename(name, f"{PREFIX}-{os.urandom(RANDOM_SIZE).hex()}", src_dir_fd=source, dst_dir_fd=target)
    except OSError:
        return False
    return True


def _open_own(parent: int, name: str) -> int:
    """Open a directory; if it belongs to this user, make it readable and writable first."""
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


def sweep(base: str) -> int:
    """Remove the session directories in `base` whose owner is dead; return how many."""
    return sum(sweep_one(path) for path in find_sessions(base))


def find_sessions(base: str) -> list[str]:
    """Return the paths in `base` whose names are those of session directories."""
    try:
        return [os.path.join(base, name) for name in os.listdir(base) if is_session_name(name)]
    except OSError:
        return []


def sweep_one(path: str) -> bool:
    """Remove a session directory if its owner is dead; return whether it was removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or not _lock(descriptor) or not _is_same(path, descriptor):
            return False  # another user's, in use, or just removed by another sweep
        lives = is_owner_alive(descriptor)
        if lives or (lives is None and time.time() - status.st_mtime < UNMARKED_AGE):
            return False
        return remove(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
