"""Reading files and descriptors that may be pipes: a writer may be slow, so each read has a deadline."""

from __future__ import annotations

import os
import select

from bwrun.base.deadline import Deadline

CHUNK = 65536  # bytes


def read_file(path: str, limit: int, deadline: Deadline) -> bytes:
    """
    Return the content of a file, or all that comes through a pipe, but at most `limit` bytes.

    Raises OSError; ValueError: the path contains a NUL byte; NetworkError: the deadline has passed.
    """
    return read_file_and_status(path, limit, deadline)[0]


def read_file_and_status(path: str, limit: int, deadline: Deadline) -> tuple[bytes, os.stat_result]:
    """
    Return the same, and the status (owner, mode) of the very file that was read.

    Raises OSError; ValueError: the path contains a NUL byte; NetworkError: the deadline has passed.
    """
    # Without O_NONBLOCK the open of a pipe would wait for its writer, without a deadline.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.set_blocking(descriptor, True)
        status = os.fstat(descriptor)
        data = b""
        while len(data) < limit and (part := _read(descriptor, CHUNK, f"`{path}`", deadline)):
            data += part
        return data[:limit], status
    finally:
        os.close(descriptor)


def read_line(descriptor: int, limit: int, deadline: Deadline) -> bytes:
    """
    Return one line with its newline, but at most `limit` bytes; what follows the line is not read.

    Raises OSError; NetworkError: the deadline has passed.
    """
    data = b""
    while len(data) < limit and not data.endswith(b"\n"):
        part = _read(descriptor, 1, f"descriptor {descriptor}", deadline)
        if not part:
            break
        data += part
    return data


def _read(descriptor: int, size: int, what: str, deadline: Deadline) -> bytes:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(max(0.0, deadline.left() * 1000)):
        raise deadline.exceeded(what, "check that a program writes to it and then closes it")
    return os.read(descriptor, size)
