"""
The session's directory: where it may be, made, marked, removed, and swept when its owner is gone.

A directory is `bwrun.PID.RANDOM` (0700) straight in a base directory: no parent
of bwrun's own that somebody else could make first, and nothing that stays.  It
is locked (flock on the directory) and marked with its owner's pid and start
time, so that a sweep never touches a live one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from bwrun.supervisor import proc

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER_FILE = "owner"
PREFIX = "bwrun"
RANDOM_SIZE = 8  # bytes
REMOVE_TIME = 2.0  # seconds: what the command left running may write faster than this can remove
UNMARKED_AGE = 600  # seconds after which a directory without an owner's mark is nobody's


class UnusableBaseError(Exception):
    """A base directory that was asked for by name cannot be used; the text says why."""


def bases(environment: Mapping[str, str]) -> list[str]:
    """
    Return the base directories that can be used, best first: RAM before disk.

    Raises UnusableBaseError: BWRUN_RUNTIME_DIR is set and cannot be used (an explicit wish is not replaced).
    """
    chosen = environment.get("BWRUN_RUNTIME_DIR")
    if chosen:
        problem = unusable(chosen)
        if problem:
            raise UnusableBaseError(f"`{chosen}` (from BWRUN_RUNTIME_DIR) {problem}")
        return [os.path.realpath(chosen)]
    wanted = (environment.get("XDG_RUNTIME_DIR"), "/dev/shm", environment.get("TMPDIR"), "/tmp")  # noqa: S108
    found = [os.path.realpath(base) for base in wanted if base and unusable(base) is None]
    return list(dict.fromkeys(found))


def unusable(base: str) -> str | None:
    """Return why `base` cannot hold a session, or None: a directory of ours alone, or a sticky one of root's."""
    if not os.path.isabs(base):
        return "is not an absolute path"
    try:
        status = os.stat(base)
    except OSError as error:
        return f"cannot be used: {os.strerror(error.errno or 0)}"
    if not stat.S_ISDIR(status.st_mode):
        return "is not a directory"
    if status.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        return "is writable by other users"
    if not os.access(base, os.W_OK | os.X_OK):
        return "is not writable by you"
    return None


def candidate(base: str) -> str:
    """Return the path of a session directory that may be made in `base`."""
    return os.path.join(base, f"{PREFIX}.{os.getpid()}.{os.urandom(RANDOM_SIZE).hex()}")


def is_session_name(name: str) -> bool:
    """Return whether `name` is one that `candidate()` makes."""
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
    Make, lock and mark the directory; return the descriptor that holds the lock.

    Raises OSError.
    """
    while True:
        before = os.umask(0o077)
        try:
            os.mkdir(path, 0o700)
        finally:
            os.umask(before)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            _lock(descriptor, wait=True)  # a sweeper may be looking at it
        except OSError:
            remove(path)
            raise
        if _same(path, descriptor):
            break
        os.close(descriptor)  # it removed it
    try:
        mark = os.open(OWNER_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=descriptor)
        try:
            os.fchmod(mark, 0o600)  # whatever the umask
            os.write(mark, f"{os.getpid()} {proc.start_time(os.getpid())}\n".encode())
        finally:
            os.close(mark)
    except OSError:
        remove(path)
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, *, wait: bool = False) -> bool:
    """Take the lock; return whether it was free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise  # a file system without locks: the owner's mark guards alone
    return True


def _same(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def owner_lives(directory: int) -> bool | None:
    """Return whether the process in the owner's mark of the open `directory` runs; None: there is no mark."""
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
    return proc.alive(int(pid), started) if pid.isascii() and pid.isdigit() and len(pid) < 12 else None


def remove(path: str) -> bool:
    """
    Remove the directory and all in it, following no link; return whether it is gone.

    Raises nothing: what cannot be removed now is tried again by the caller.
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
    Remove what is in the open directory `root`, as far as that can be.

    Directories that are not empty are emptied into `root` first, so that no
    depth needs a stack or many descriptors.
    """
    _empty_but_owner(root)
    if os.listdir(root) == [OWNER_FILE]:
        # The last: as long as something is left, a sweep has to see that its owner is gone.
        while not _unlink(root, OWNER_FILE) and _dissolve(root, OWNER_FILE):
            _empty_but_owner(root)


def _empty_but_owner(root: int) -> None:
    end = time.monotonic() + REMOVE_TIME
    progress = True
    while progress:
        progress = False
        for name in os.listdir(root):
            if time.monotonic() > end:
                return
            if name != OWNER_FILE:
                progress |= _unlink(root, name) or _dissolve(root, name)


def _unlink(directory: int, name: str) -> bool:
    for remove_one in (os.unlink, os.rmdir):
        try:
            remove_one(name, dir_fd=directory)
        except OSError:
            continue
        return True
    return False


def _dissolve(root: int, name: str) -> bool:
    """Move what is in the directory `name` up into `root`; return whether anything came of it."""
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
        os.close(_open_own(source, name))  # a directory has to be writable to be moved
        os.rename(name, f"{PREFIX}-{os.urandom(RANDOM_SIZE).hex()}", src_dir_fd=source, dst_dir_fd=target)
    except OSError:
        return False
    return True


def _open_own(parent: int, name: str) -> int:
    """Open a directory, even if its mode forbids that to its owner, and make it writable if it is ours."""
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
        pass  # another user's: what can be removed is removed
    return descriptor


def sweep(base: str) -> int:
    """Remove the directories in `base` whose owner is gone; return how many."""
    return sum(sweep_one(path) for path in sessions(base))


def sessions(base: str) -> list[str]:
    """Return the paths in `base` that have a session's name."""
    try:
        return [os.path.join(base, name) for name in os.listdir(base) if is_session_name(name)]
    except OSError:
        return []


def sweep_one(path: str) -> bool:
    """Remove the directory if its owner is gone; return whether it was removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or not _lock(descriptor) or not _same(path, descriptor):
            return False  # another's, live, or just removed by another sweeper
        lives = owner_lives(descriptor)
        if lives or (lives is None and time.time() - status.st_mtime < UNMARKED_AGE):
            return False
        return remove(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
