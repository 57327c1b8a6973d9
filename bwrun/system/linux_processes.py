"""Start times, ancestry and names of processes, from Linux's /proc."""

from __future__ import annotations

import os


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat after the name, `state` first (proc(5)); [] if the file does not exist."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def start_time(pid: int) -> str:
    """
    Return when process `pid` was started, in clock ticks since boot; "0" if that is not known.

    Pid and start time together name one process until the next boot, even if the pid is used again.
    """
    fields = _stat(pid)
    return fields[19].decode() if len(fields) > 19 else "0"


def is_alive(pid: int, started: str) -> bool:
    """Return whether the process `pid` that was started at `started` still runs. A zombie does not."""
    fields = _stat(pid)
    if fields:
        return fields[0] not in (b"Z", b"X") and fields[19].decode() == started
    # No /proc, or one that hides other processes (hidepid): a process counts as alive unless it is known to be dead.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def is_asleep(pid: int) -> bool | None:
    """Return whether process `pid` waits for an event. A process that has work to do, but no core, is not asleep."""
    return _stat(pid)[:1] == [b"S"]


def parent(pid: int) -> int:
    """Return the pid of the parent of process `pid`; 0 if that is not known or outside of the pid namespace."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def is_descendant(pid: int, ancestor: int) -> bool:
    """Return whether `pid` is `ancestor` or a descendant of it, as far as no parent between the two has ended."""
    while pid > 1 and pid != ancestor:
        pid = parent(pid)
    return pid > 1


def set_name(name: str, *, command_line: bool = False) -> None:
    """
    Change the name of this process, if the system allows it.

    With `command_line`, the command line that `ps` and `pkill -f` see becomes the name too. The kernel reads it from
    the memory of the process, between the addresses in fields 48 and 49 of /proc/self/stat (proc(5)).
    """
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(name[:15])
        if command_line:
            fields = _stat(os.getpid())
            start, end = int(fields[45]), int(fields[46])
            with open("/proc/self/mem", "r+b", buffering=0) as memory:
                memory.seek(start)
                memory.write(name.encode()[: end - start - 1].ljust(end - start, b"\0"))
    except (OSError, ValueError, IndexError):
        pass
