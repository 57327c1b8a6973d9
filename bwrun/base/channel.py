"""
The messages between worker and supervisor, and the socket pair that carries them.

A message is one line of words that are separated by spaces and percent-encoded. (Not JSON, whose import would delay
the supervisor's start.)

    worker → supervisor   make-directory       make a directory for the session
                          check-directory      say whether one could be made, and make none (`--check`)
                          no-directory         this run needs none
                          set NAME VALUE       a setting for the supervisor
                          confirm              answer `confirmed` when the settings sent so far are in force
                          renew SECONDS WORD…  keep the words, and give them to a helper before SECONDS have passed
                          start-agent PROGRAM SOCKET
                                               start PROGRAM, an ssh-agent that is to listen on SOCKET
                          start-masker FOLDER  start the masker, for `--mask`; FOLDER has installed packages
                          exec                 the worker is about to call execve
                          end STATUS           the worker has printed all messages and ends with STATUS
    supervisor → worker   go PATH              the worker is guarded; PATH is the session's directory, or empty
                          refused REASON TEXT  no directory, ssh-agent or masker: the error's reason and text
                          agent-ready          the ssh-agent listens
                          masker               the masker was started; a socket to it comes with the message
                          confirmed            the settings are in force

Both ends close on exec. When the worker's end closes after `exec`, the worker has become the command.
"""

from __future__ import annotations

import os
import sys

from bwrun.system import descriptors

MAKE_DIRECTORY, CHECK_DIRECTORY, NO_DIRECTORY = b"make-directory", b"check-directory", b"no-directory"
SET, CONFIRM, RENEW, EXEC, END = b"set", b"confirm", b"renew", b"exec", b"end"
GO, REFUSED, CONFIRMED = b"go", b"refused", b"confirmed"
START_AGENT, AGENT_READY = b"start-agent", b"agent-ready"
START_MASKER, MASKER = b"start-masker", b"masker"

CHUNK = 65536  # bytes
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")


def encode(words: list[bytes]) -> bytes:
    """Return a message as a line, with its newline."""
    return b" ".join(b"".join(b"%c" % c if c in _PLAIN else b"%%%02x" % c for c in word) for word in words) + b"\n"


def decode(line: bytes) -> list[bytes]:
    """Return the words of a line, which comes without its newline."""
    return [_unquote(word) for word in line.split(b" ")]


def _unquote(word: bytes) -> bytes:
    first, *rest = word.split(b"%")
    return first + b"".join(bytes((int(part[:2], 16),)) + part[2:] for part in rest)


class Channel:
    """One end of the socket pair. If the process at the other end dies, no method raises an exception."""

    def __init__(self, descriptor: int) -> None:
        """Take over `descriptor`, which must not be inheritable."""
        self.descriptor = descriptor
        self._pending = b""  # the beginning of a message whose end has not come yet

    def send(self, *words: bytes) -> bool:
        """Send a message; return False if the other end is closed."""
        data = encode(list(words))
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError:
            return False
        return True

    def send_with(self, descriptor: int, *words: bytes) -> bool:
        """Send a message and a descriptor, which the other process gets a copy of."""
        import _socket  # noqa: PLC0415  (only for --mask)

        one = _socket.socket(fileno=os.dup(self.descriptor))
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))]
        try:
            return one.sendmsg([encode(list(words))], rights) > 0
        except OSError:
            return False
        finally:
            one.close()

    def receive_with(self) -> tuple[list[bytes] | None, int | None]:
        """Wait for a message that comes with a descriptor or without; return its words, and the descriptor."""
        import _socket  # noqa: PLC0415  (only for --mask)

        one = _socket.socket(fileno=os.dup(self.descriptor))
        descriptor = None
        try:
            while b"\n" not in self._pending:
                data, found = descriptors.receive(one, CHUNK, 1)
                if not data:
                    return None, descriptor
                self._pending += data
                descriptor = found[0] if found else descriptor
        except OSError:
            return None, descriptor
        finally:
            one.close()
        return self.receive(), descriptor

    def receive(self) -> list[bytes] | None:
        """Wait for a message and return its words; None if the other end is closed."""
        while b"\n" not in self._pending:
            try:
                data = os.read(self.descriptor, CHUNK)
            except ConnectionError:
                return None
            if not data:
                return None
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return decode(line)

    def drain(self) -> list[list[bytes]]:
        """Return all messages that have arrived, without waiting. The descriptor must be non-blocking."""
        try:
            while data := os.read(self.descriptor, CHUNK):
                self._pending += data
        except OSError:
            pass  # nothing more has arrived, or the other process died
        *lines, self._pending = self._pending.split(b"\n")
        return [decode(line) for line in lines]

    def close(self) -> None:
        """Close this end."""
        os.close(self.descriptor)
