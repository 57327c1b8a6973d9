"""
The session's directory: its name, making it, and the lock and mark of its owner.

The directory is called `bwrun.PID.RANDOM`, has mode 0700, and is made directly in a base directory. A common parent
directory would remain afterwards, and somebody else could make it first.

The owner (the supervisor) locks the directory with flock(2), and writes its pid and start time into the file `owner`,
so that a sweep never removes the directory of a live run.
"""

from __future__ import annotations

import errno
import fcntl
import os

from bwrun.supervisor.removing import OWNER_FILE, remove
from bwrun.system import processes

PREFIX = "bwrun"
RANDOM_SIZE = 8  # bytes, written as 16 hexadecimal digits


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
    # Before the directory is there: this may take 20 ms, and a directory without a mark stays for ten minutes.
    owner = f"{os.getpid()} {processes.start_time(os.getpid())}\n".encode()
    while True:
        before = os.umask(0o077)
        try:
            os.mkdir(path, 0o700)
        finally:
            os.umask(before)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            lock(descriptor, wait=True)  # another bwrun may be sweeping it just now
        except OSError:
            remove(path)
            raise
        if is_same(path, descriptor):
            break
        os.close(descriptor)  # that bwrun removed it: make it again
    try:
        mark = os.open(OWNER_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=descriptor)
        try:
            os.fchmod(mark, 0o600)  # whatever the umask
            os.write(mark, owner)
        finally:
            os.close(mark)
    except OSError:
        remove(path)
        os.close(descriptor)
        raise
    return descriptor


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Lock the open directory; return whether that succeeded. Without locks in the file system it always does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
    return True


def is_same(path: str, descriptor: int) -> bool:
    """Return whether the open directory is still the one at `path`."""
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
