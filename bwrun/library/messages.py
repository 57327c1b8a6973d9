"""
The messages between `open_session()` and the process that it starts, and the socket that carries them.

A message has one byte for its kind, four for the size of its content, and the content.

    caller → process    OPTIONS      JSON: what the run is asked for
    process → caller    LOG          JSON: a level of `logging`, and a text
                        ERROR        JSON: the error for which there will be no session
                        VARIABLES    the environment of a command, as /proc/PID/environ has it: there is a session

The caller says nothing more. When its end of the socket is closed, the session is to end.
"""

from __future__ import annotations

import os

OPTIONS, LOG, ERROR, VARIABLES = b"O", b"L", b"E", b"V"
HEAD = 5  # bytes
CHUNK = 65536  # bytes


def encode(kind: bytes, content: bytes) -> bytes:
    """Return a message."""
    return kind + len(content).to_bytes(4, "big") + content


def send(descriptor: int, kind: bytes, content: bytes) -> bool:
    """Send a message; return False if nobody reads it any more."""
    data = memoryview(encode(kind, content))
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return False
    return True


class Received:
    """Takes messages out of the bytes that have come."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Take what has come next."""
        self._data += data

    def take(self) -> tuple[bytes, bytes] | None:
        """Return kind and content of the next message; None if it has not come, or not all of it."""
        size = HEAD + int.from_bytes(self._data[1:HEAD], "big")
        if len(self._data) < HEAD or len(self._data) < size:
            return None
        kind, content = bytes(self._data[:1]), bytes(self._data[HEAD:size])
        del self._data[:size]
        return kind, content


def receive(descriptor: int) -> tuple[bytes, bytes] | None:
    """Wait for one message, before which nothing has been read; None if the other end is closed."""
    received = Received()
    while (message := received.take()) is None:
        data = os.read(descriptor, CHUNK)
        if not data:
            return None
        received.add(data)
    return message
