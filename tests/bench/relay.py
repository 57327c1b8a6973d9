"""
A TCP relay on loopback that adds a network's round trip, in a process of its own.

    with relay(port, round_trip=0.1) as other_port: ...

A delay of each request alone would hide what a new connection costs.  So every byte takes half a round trip in its
direction, TLS's flights included, and what a client sends first a whole one more: the TCP handshake, which loopback
ends at once.  Bandwidth is not limited, and there is no slow start.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]


@contextmanager
def relay(port: int, round_trip: float) -> Iterator[int]:
    """Relay to `port` until the end of the block, `round_trip` in seconds; give the port to connect to."""
    command = [sys.executable, "-m", "tests.bench.relay", str(port), str(round_trip)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


class Direction:
    """One direction of a connection: what comes in goes out later, in order; None stands for the end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, delay: float, not_before: float) -> None:
        """Delay by `delay` seconds what is sent; what is sent before `not_before` is sent then."""
        self.target: asyncio.Transport | None = None
        self._loop = loop
        self._delay = delay
        self._not_before = not_before
        self._waiting: deque[tuple[float, bytes | None]] = deque()

    def take(self, data: bytes | None) -> None:
        """Take what one side has sent."""
        due = max(self._loop.time(), self._not_before) + self._delay
        self._waiting.append((due, data))
        if len(self._waiting) == 1:
            self._later()

    def connected(self, target: asyncio.Transport) -> None:
        """Learn where to send to."""
        self.target = target
        if self._waiting:
            self._later()

    def _later(self) -> None:
        due = self._waiting[0][0]
        if due <= self._loop.time():
            self._send_due()
        else:
            self._loop.call_at(due, self._send_due)

    def _send_due(self) -> None:
        if self.target is None:
            return
        while self._waiting and self._waiting[0][0] <= self._loop.time():
            data = self._waiting.popleft()[1]
            if data is None:
                self.target.close()
            else:
                self.target.write(data)
        if self._waiting:
            self._later()


class End(asyncio.Protocol):
    """One end of a relayed connection: reads into one direction, is the target of the other."""

    def __init__(self, reads_into: Direction, target_of: Direction) -> None:
        """Stand between two directions."""
        self._reads_into = reads_into
        self._target_of = target_of

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the other end's bytes out."""
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._target_of.connected(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        """Send it on, later."""
        self._reads_into.take(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio names it)
        """Close the other end, after all that was sent."""
        self._reads_into.take(None)


async def serve(port: int, round_trip: float) -> None:
    """Relay until killed."""
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[object]] = set()

    def accept() -> asyncio.Protocol:
        now = loop.time()
        up = Direction(loop, round_trip / 2, now + round_trip)
        down = Direction(loop, round_trip / 2, now)
        outward = loop.create_task(loop.create_connection(lambda: End(down, up), HOST, port))
        pending.add(outward)
        outward.add_done_callback(pending.discard)
        return End(up, down)

    server = await loop.create_server(accept, HOST, 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)  # who started it holds this open: it cannot outlive it
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
