"""
Whether the command waits for its input, so that a prompt which ends like a value begins must be shown.

A process waits for the command's input if it can write to the stream that is held back, and is blocked in a system call
that reads from the command's stdin or from its terminal, or that waits until it can. The kernel says so in
/proc/PID/syscall; where that is closed (Yama), /proc/PID/wchan says it less exactly. A process that sleeps, computes,
or waits for another process, does not wait for input, so nothing is shown because time passes.
"""

from __future__ import annotations

import os

from bwrun.system.common import IS_LINUX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    File = tuple[int, int]  # st_dev and st_ino

TTY = os.makedev(5, 0)  # /dev/tty (Documentation/admin-guide/devices.txt of Linux)
# System calls by their numbers, of arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
CALLS = {
    "x86_64": {
        0: "read", 17: "read", 19: "read", 45: "read", 47: "read", 7: "poll", 271: "poll", 23: "select", 270: "select",
        232: "epoll", 281: "epoll", 441: "epoll",
    },
    "aarch64": {
        63: "read", 65: "read", 67: "read", 207: "read", 212: "read", 73: "poll", 72: "select", 22: "epoll",
        441: "epoll",
    },
}  # fmt: skip
WAITS = ("n_tty_read", "wait_woken", "pipe_read", "anon_pipe_read", "unix_stream_read_generic", "unix_stream_data_wait")
POLLIN, EPOLLIN = 1, 1


class Waiting:
    """Looks for processes that wait for the command's input."""

    def __init__(self, *inputs: File) -> None:
        """`inputs` are the command's stdin and its terminals."""
        self._inputs = set(inputs)
        self._calls = CALLS.get(os.uname().machine, {})

    def is_on(self, stream: File) -> bool:
        """Return whether a process that has the file `stream` open waits for the command's input."""
        if not IS_LINUX:
            return False  # nothing is known of other processes
        own = os.getpid()
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return any(self._waits(pid, stream) for pid in pids if pid != own)

    def _waits(self, pid: int, stream: File) -> bool:
        files: dict[int, os.stat_result] = {}
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                try:
                    files[int(name)] = os.stat(f"/proc/{pid}/fd/{name}")
                except OSError:
                    pass  # it was closed just now
            if not any((one.st_dev, one.st_ino) == stream for one in files.values()):
                return False
            inputs = {
                number
                for number, one in files.items()
                if (one.st_dev, one.st_ino) in self._inputs or one.st_rdev == TTY
            }
            return bool(inputs) and any(
                not inputs.isdisjoint(self._awaited(f"/proc/{pid}/task/{task}", inputs))
                for task in os.listdir(f"/proc/{pid}/task")
            )
        except (OSError, ValueError):
            return False  # it has ended, or belongs to another user

    def _awaited(self, task: str, inputs: set[int]) -> Iterator[int]:
        """Yield the descriptors from which a thread reads, or for which it waits."""
        try:
            with open(f"{task}/syscall", "rb") as file:
                words = file.read().split()
        except PermissionError:
            with open(f"{task}/wchan", encoding="ascii") as file:
                if file.read().partition(".")[0] in WAITS and 0 in inputs:
                    yield 0
            return
        call = self._calls.get(int(words[0])) if len(words) > 6 else None
        if call is None:
            return
        yield from _descriptors(task, call, *(int(word, 16) for word in words[1:3]))


def _descriptors(task: str, call: str, first: int, second: int) -> Iterator[int]:
    """Yield the descriptors that a call is about, by its first two arguments."""
    if call == "read":
        yield first
    elif call == "poll":
        data = _memory(task, first, 8 * min(second, 1024))
        for at in range(0, len(data), 8):  # struct pollfd in poll(2)
            if int.from_bytes(data[at + 4 : at + 6], "little") & POLLIN:
                yield int.from_bytes(data[at : at + 4], "little")
    elif call == "select" and second:
        bits = int.from_bytes(_memory(task, second, (min(first, 1024) + 7) // 8), "little")
        yield from (number for number in range(first) if bits >> number & 1)
    elif call == "epoll":
        process = task.partition("/task/")[0]
        with open(f"{process}/fdinfo/{first}", encoding="ascii") as lines:  # proc(5)
            for line in lines:
                words_of_line = line.split()
                if words_of_line[:1] == ["tfd:"] and int(words_of_line[3], 16) & EPOLLIN:
                    yield int(words_of_line[1])


def _memory(task: str, address: int, size: int) -> bytes:
    with open(f"{task}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)
