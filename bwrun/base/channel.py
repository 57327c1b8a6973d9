"""
What worker and supervisor say to each other, over a socketpair.

One message a line, words separated by spaces, percent-encoded.  Standard
library only, and no json: the supervisor pays for each import with its start.

    worker → supervisor   place                make the session's directory
                          try                  see whether one could be made
                          bare                 none is needed
    supervisor → worker   go PATH              all stands that guards the worker; the directory (empty: none)
                          refused REASON TEXT  there is none, or no ssh-agent: why
                          agent                the ssh-agent listens
                          ready                the settings sent so far are in force
    worker → supervisor   set NAME VALUE       a setting the supervisor needs
                          ask                  say `ready`
                          agent PROGRAM SOCKET start PROGRAM, an ssh-agent that listens on SOCKET
                          renew SECONDS WORD…  keep these words; give them to a helper when the time has passed
                          exec                 the next thing is execve
                          end STATUS           bwrun has said all there is to say, and ends with STATUS

The descriptors close on exec: the end of the worker's side after `exec` means
that the worker is now the command.
"""

from __future__ import annotations

import os

_KEEP = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")


def encode(words: list[bytes]) -> bytes:
    """Return one message as a line."""
    return b" ".join(b"".join(b"%c" % c if c in _KEEP else b"%%%02x" % c for c in word) for word in words) + b"\n"


def decode(line: bytes) -> list[bytes]:
    """Return a line's words."""
    return [_unquote(word) for word in line.split(b" ")]


def _unquote(word: bytes) -> bytes:
    first, *rest = word.split(b"%")
    return first + b"".join(bytes((int(part[:2], 16),)) + part[2:] for part in rest)


class Channel:
    """One end of the socketpair. The other end's death is the end of its messages, never an exception."""

    def __init__(self, descriptor: int) -> None:
        """Take over `descriptor`, which must not be inheritable."""
        self.descriptor = descriptor
        self._pending = b""

    def send(self, *words: bytes) -> bool:
        """Send a message; return False when nobody is at the other end."""
        data = encode(list(words))
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError:
            return False
        return True

    def receive(self) -> list[bytes] | None:
        """Wait for a message; None when the other end is gone."""
        while b"\n" not in self._pending:
            try:
                data = os.read(self.descriptor, 65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return decode(line)

    def drain(self) -> list[list[bytes]]:
        """Return the messages that have come, without waiting (the descriptor must not block)."""
        try:
            while data := os.read(self.descriptor, 65536):
                self._pending += data
        except OSError:
            pass  # nothing more for now, or the other end died
        *lines, self._pending = self._pending.split(b"\n")
        return [decode(line) for line in lines]

    def close(self) -> None:
        """Close this end."""
        os.close(self.descriptor)
