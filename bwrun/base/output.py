"""Writing what an option asks for (`--list`, `--get`, `--help` and the like) to stdout."""

from __future__ import annotations

import errno
import os

from bwrun.base.errors import STATUS_FAILED, OutputError

STDOUT = 1
CONTROL = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0)))) - frozenset("\n\t")  # in Unicode, category Cc


def would_control_terminal(data: bytes) -> bool:
    """Return whether stdout is a terminal that would take a part of `data` for a command, and not as text."""
    if not os.isatty(STDOUT):
        return False
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return True  # in a terminal of 8 bits, the byte 0x9B begins a command
    return not CONTROL.isdisjoint(text.replace("\r\n", "\n"))


def write_out(text: str) -> int:
    """Write `text` to stdout in UTF-8; return bwrun's exit status. Raises OutputError, as `write_bytes`."""
    return write_bytes(text.encode("utf-8", "backslashreplace"))


def write_bytes(content: bytes) -> int:
    """
    Write `content` to stdout; return bwrun's exit status.

    The status is STATUS_FAILED, without a message, if the reader of a pipe has gone away: `bwrun --list | head -1`.

    Raises OutputError: stdout is closed, or cannot be written to, for example because the disk is full.
    """
    data = memoryview(content)
    try:
        # A descriptor that the caller gave survived an execve. One that closes on exec is bwrun's own /dev/null, which
        # stands in for a stdout that the caller had closed (`bwrun.launch.plug_standard_descriptors`).
        if not os.get_inheritable(STDOUT):
            raise _cannot_write("stdout is closed")
        while data:
            data = data[os.write(STDOUT, data) :]
    except OSError as error:
        if error.errno == errno.EPIPE:
            return STATUS_FAILED
        raise _cannot_write(
            "stdout is closed" if error.errno == errno.EBADF else os.strerror(error.errno or 0)
        ) from None
    return 0


def _cannot_write(why: str) -> OutputError:
    return OutputError("write", f"cannot write the output: {why}")
