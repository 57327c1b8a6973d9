"""
GitHub Actions: telling the runner which values to mask in the log, with `::add-mask::` (workflow commands).

The runner reads such lines from the stdout and the stderr of a step. bwrun writes them to stderr, and only if that is
what the runner reads and nobody else does: a pipe, whose reader is outside of the step. `2> file` and `2>&1 | tee log`
would keep the values. Who is inside of the step has GITHUB_ACTIONS=true in its environment; the runner itself has not.
In a container the runner is not to be seen at all.
"""

from __future__ import annotations

import os
import stat

from bwrun.masking.forms import is_masked
from bwrun.system.common import IS_LINUX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STDERR = 2
VARIABLE = "GITHUB_ACTIONS"


def is_runner(environment: Mapping[str, str]) -> bool:
    """Return whether this is a step of GitHub Actions (its default environment variables)."""
    return environment.get(VARIABLE) == "true"


def add_masks(values: Iterable[bytes]) -> bool:
    """Tell the runner the `values`; return False, and tell nothing, if somebody else would read them too."""
    if not _only_the_runner_reads(STDERR):
        return False
    texts = {text for value in values for text in (value, *value.splitlines()) if is_masked(text)}
    data = b"".join(b"::add-mask::%b\n" % escaped(text) for text in sorted(texts))
    try:
        while data:
            data = data[os.write(STDERR, data) :]
    except OSError:
        return False
    return True


def escaped(value: bytes) -> bytes:
    """Return a value as it stands in a workflow command (`escapeData` in actions/toolkit, packages/core)."""
    return value.replace(b"%", b"%25").replace(b"\r", b"%0D").replace(b"\n", b"%0A")


def _only_the_runner_reads(descriptor: int) -> bool:
    try:
        file = os.fstat(descriptor)
    except OSError:
        return False  # it is closed
    if not stat.S_ISFIFO(file.st_mode):
        return False
    if not IS_LINUX:
        return False  # other systems do not tell who reads a pipe
    session, own = os.getsid(0), os.getpid()
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            if pid == own or not _reads(pid, file):
                continue
            with open(f"/proc/{pid}/environ", "rb") as lines:
                if b"%b=true" % VARIABLE.encode() in lines.read().split(b"\0"):
                    return False  # a process of the step
        except PermissionError:
            if _session(pid) == session:
                return False  # a process of another user in this step (sudo tee)
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
            with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as lines:  # proc(5)
                flags = next(int(line.split()[1], 8) for line in lines if line.startswith("flags:"))
        except (FileNotFoundError, StopIteration):
            continue  # it was closed just now
        if flags & os.O_ACCMODE != os.O_WRONLY:
            return True
    return False


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1
