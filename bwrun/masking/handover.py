"""
What the worker sends to the masker: the descriptors, the command's pid, and the values.

    words      one line of `bwrun.base.channel`, which comes with all descriptors
               PID DEVICE INODE TERMINAL KIND…
               the command's pid; its stdin (stat(2), or 0 0 if it is closed); `1` if the masker has a terminal to take;
               for each stream `pipe` or `pty`
    values     each as its size in bytes (a line of digits) and its bytes
    end        the worker has closed its side; the masker answers with one byte when it holds all of it

The descriptors are, for each stream, where the masker reads and where it writes; then with TERMINAL the caller's
terminal.
"""

from __future__ import annotations

import os
import sys

from bwrun.base.channel import decode, encode
from bwrun.base.structs import Struct
from bwrun.system.descriptors import receive as receive_descriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PIPE, PTY = b"pipe", b"pty"
READY = b"r"
MOST_DESCRIPTORS = 5


class Stream(Struct):
    """One stream of the command: where the masker reads, where it writes, and whether it reads from a terminal."""

    source: int
    sink: int
    is_pty: bool


class Handover(Struct):
    """All that the masker gets to know."""

    command: int  # pid
    stdin: tuple[int, int]  # st_dev and st_ino
    streams: tuple[Stream, ...]
    terminal: int | None  # the caller's terminal, if the command is on one of the masker's; its stream is the first
    values: tuple[bytes, ...] = ()


def send(socket: int, handover: Handover) -> bool:
    """Send `handover` over the descriptor `socket`; return whether the masker says that it holds all of it."""
    import _socket  # noqa: PLC0415  (only for --mask)

    one = _socket.socket(fileno=socket)
    kinds = [PTY if stream.is_pty else PIPE for stream in handover.streams]
    descriptors = [number for stream in handover.streams for number in (stream.source, stream.sink)]
    words = [b"%d" % number for number in (handover.command, *handover.stdin, handover.terminal is not None)]
    if handover.terminal is not None:
        descriptors.append(handover.terminal)
    packed = b"".join(number.to_bytes(4, sys.byteorder) for number in descriptors)
    try:
        one.sendmsg([encode([*words, *kinds])], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])
        one.sendall(b"".join(b"%d\n%b" % (len(value), value) for value in handover.values))
        one.shutdown(_socket.SHUT_WR)
        return one.recv(1) == READY
    except OSError:
        return False
    finally:
        one.close()


def receive(socket: int) -> Handover | None:
    """Receive what `send()` sends over the descriptor `socket`, but do not answer; None if the worker gave up."""
    import _socket  # noqa: PLC0415

    one = _socket.socket(fileno=os.dup(socket))
    data, descriptors = receive_descriptors(one, 65536, MOST_DESCRIPTORS)
    parts = [data]
    while part := one.recv(1 << 20):
        parts.append(part)
    one.close()
    line, newline, rest = b"".join(parts).partition(b"\n")
    if not newline:
        return None
    pid, device, inode, has_terminal, *kinds = decode(line)
    streams = [Stream(descriptors[2 * at], descriptors[2 * at + 1], kind == PTY) for at, kind in enumerate(kinds)]
    return Handover(
        command=int(pid),
        stdin=(int(device), int(inode)),
        streams=tuple(streams),
        terminal=descriptors[-1] if has_terminal == b"1" else None,
        values=tuple(_values(rest)),
    )


def _values(data: bytes) -> Sequence[bytes]:
    found = []
    at = 0
    while at < len(data):
        newline = data.index(b"\n", at)
        end = newline + 1 + int(data[at:newline])
        found.append(data[newline + 1 : end])
        at = end
    return found
