"""Who reads a pipe, from Linux's /proc (proc(5))."""

from __future__ import annotations

import os
import stat
from itertools import takewhile

from bwrun.system import processes
from bwrun.system.common import IS_LINUX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def are_outside(descriptor: int, variable: bytes) -> bool:
    """
    Return whether `descriptor` is a pipe whose readers all lack a variable, given as `NAME=value`.

    This process may not look into processes of other users, such as that of `sudo tee`: one counts as a reader with the
    variable if both have an ancestor with it. Nor may it look into processes that closed their memory, as bwrun's do;
    those of the same user are left out. Other systems than Linux do not tell who reads a pipe: there, this returns
    False.
    """
    try:
        file = os.fstat(descriptor)
    except OSError:
        return False  # it is closed
    if not IS_LINUX or not stat.S_ISFIFO(file.st_mode):
        return False
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            if pid != os.getpid() and _reads(pid, file) and _has(pid, variable):
                return False
        except PermissionError:
            if _user(pid) != os.geteuid() and not _own_ancestors(variable).isdisjoint(_ancestors(pid)):
                return False
        except OSError:
            continue  # it has ended
    return True


def _reads(pid: int, file: os.stat_result) -> bool:
    """Return whether a process has the file open for reading."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found = os.stat(f"/proc/{pid}/fd/{name}")
            if (found.st_dev, found.st_ino) != (file.st_dev, file.st_ino):
                continue
            with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as lines:
                flags = next(int(line.split()[1], 8) for line in lines if line.startswith("flags:"))
        except (FileNotFoundError, StopIteration):
            continue  # it was closed just now
        if flags & os.O_ACCMODE != os.O_WRONLY:
            return True
    return False


def _has(pid: int, variable: bytes) -> bool:
    """
    Return whether a process had the variable when its program was started.

    Raises OSError: this process may not look into it, or it has ended.
    """
    with open(f"/proc/{pid}/environ", "rb") as lines:
        return variable in lines.read().split(b"\0")


def _user(pid: int) -> int:
    """Return the effective user of a process, -1 if it has ended. The directory tells that of closed memory too."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return -1


def _ancestors(pid: int) -> Iterator[int]:
    """Yield the pids of the ancestors of a process, its parent first."""
    while (pid := processes.parent(pid)) > 0:
        yield pid


def _own_ancestors(variable: bytes) -> set[int]:
    """Return the supervisor, which has few variables, and its ancestors up to the last one that has the variable."""
    supervisor = os.getppid()
    return {supervisor, *takewhile(lambda pid: _is_known_to_have(pid, variable), _ancestors(supervisor))}


def _is_known_to_have(pid: int, variable: bytes) -> bool:
    try:
        return _has(pid, variable)
    except OSError:
        return False
