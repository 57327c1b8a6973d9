"""Writing what an option asks for (`--list`, `--check`, `--help` and the like) to stdout."""

from __future__ import annotations

import errno
import os

from bwrun.base.errors import STATUS_FAILED, OutputError

STDOUT = 1


def write_out(text: str) -> int:
    """
    Write `text` to stdout; return bwrun's exit status.

    The status is STATUS_FAILED, without a message, if the reader of a pipe has gone away: `bwrun --list | head -1`.

    Raises OutputError: stdout is closed, or cannot be written to, for example because the disk is full.
    """
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    try:
        # A descriptor that the caller gave survived an execve. One that closes on exec is bwrun's own /dev/null, which
        # stands in for a stdout that the caller had closed (`bwrun.launch.plug_standard_descriptors`).
        if not os.get_inheritable(STDOUT):
            raise OutputError("stdout is closed")
        while data:
            data = data[os.write(STDOUT, data) :]
    except OSError as error:
        if error.errno == errno.EPIPE:
            return STATUS_FAILED
        raise OutputError("stdout is closed" if error.errno == errno.EBADF else os.strerror(error.errno or 0)) from None
    return 0
