"""Which process is which: start times, ancestry, names. Linux's /proc where there is one, harmless elsewhere."""

from __future__ import annotations

import os


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat that follow the name, from `state` on (proc(5)); [] if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def start_time(pid: int) -> str:
    """
    Return when `pid` was started, in clock ticks since boot; "0" where that cannot be known.

    Together with the pid it names one process for ever, until the next boot.
    """
    fields = _stat(pid)
    return fields[19].decode() if len(fields) > 19 else "0"


def alive(pid: int, started: str) -> bool:
    """Return whether the process `pid` that was started at `started` still runs (a zombie does not)."""
    fields = _stat(pid)
    if fields:
        return fields[0] not in (b"Z", b"X") and fields[19].decode() == started
    # No /proc, or one that hides other processes (hidepid): what is not known to be dead lives.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def sleeps(pid: int) -> bool:
    """Return whether the process `pid` waits for something; one that has been woken and waits for a core does not."""
    return _stat(pid)[:1] == [b"S"]


def is_descendant(pid: int, ancestor: int) -> bool:
    """Return whether `pid` is `ancestor` or comes from it by parentage that still stands."""
    while pid > 1:
        if pid == ancestor:
            return True
        fields = _stat(pid)
        if not fields:
            return False
        pid = int(fields[1])
    return False


def rename(name: str, *, command_line: bool = False) -> None:
    """
    Give this process a name of its own (Linux; best effort).

    With `command_line` the words that `ps` and `pkill -f` see are overwritten
    too, in place: the kernel reads them from the process's own memory, between
    the addresses that fields 48 and 49 of /proc/self/stat tell (proc(5)).
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


def close_all_but(*keep: int) -> None:
    """Close every descriptor from 3 on that is not in `keep`: the caller's pipes must see their end."""
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except (OSError, ValueError):
        lowest = 3
        for descriptor in sorted(keep):
            os.closerange(lowest, descriptor)
            lowest = descriptor + 1
        os.closerange(lowest, os.sysconf("SC_OPEN_MAX"))
        return
    for number in numbers:
        if number > 2 and number not in keep:
            try:
                os.close(number)
            except OSError:
                pass  # the listing's own descriptor


def to_null(*descriptors: int) -> None:
    """Point `descriptors` at /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        if descriptor != null:
            os.dup2(null, descriptor, inheritable=False)
    if null > 2:
        os.close(null)
