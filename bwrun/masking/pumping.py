"""Pumping one stream: read, mask, write."""

from __future__ import annotations

import errno
import os
import select
import time

from bwrun.masking.stream import Forms, MaskedStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _thread
    from collections.abc import Callable

    from bwrun.masking.handover import Stream
    from bwrun.masking.waiting import Waiting

SIZE = 1 << 16  # bytes that are read at a time, at most; with 256 KiB the throughput is a third less
FIRST_LOOK, LAST_LOOK = 5, 200  # milliseconds between looks whether the command waits for its input
SETTLE_TIME = 1.0  # seconds
GONE = (errno.EPIPE, errno.EIO, errno.ECONNRESET)  # the reader of the output has gone, which is his affair


class Pump:
    """The pump of one stream, which runs in a thread of its own."""

    def __init__(
        self, stream: Stream, forms: Forms, lock: _thread.LockType, waiting: Waiting, when_ended: Callable[[], None]
    ) -> None:
        """`lock` is held during each search; `when_ended` is called at the end."""
        self.is_running = True
        self.error = 0  # of a write, if one failed in an unusual way
        self._stream = stream
        self._masked = MaskedStream(forms)
        self._lock = lock
        self._waiting = waiting
        self._when_ended = when_ended
        self._file = file_of(stream)
        self._woken, self._wake = os.pipe()
        self._finishes = False
        self._is_idle = False

    def run(self) -> None:
        """Pump until the command has no more to say, or nobody listens."""
        try:
            self._pump()
            self._write(self._masked.release())
        except OSError as error:
            self.error = 0 if error.errno in GONE else error.errno or errno.EIO
        finally:
            # Who still writes gets SIGPIPE or EIO from now on.
            os.close(self._stream.source)
            os.close(self._stream.sink)
            self.is_running = False
            self._when_ended()

    def finish(self) -> None:
        """Have `run()` end as soon as all is written that was written to the stream by now."""
        self._finishes = True
        os.write(self._wake, b"f")

    def settle(self) -> None:
        """Wait until all is written that was written to the stream by now, but not for ever: the reader may be slow."""
        end = time.monotonic() + SETTLE_TIME
        while self.is_running and time.monotonic() < end:
            poll = select.poll()
            poll.register(self._stream.source, select.POLLIN)
            if self._is_idle and not poll.poll(0):
                return
            time.sleep(0.001)

    def _pump(self) -> None:
        look = FIRST_LOOK
        poll = select.poll()
        poll.register(self._stream.source, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            self._is_idle = True
            ready = {
                number for number, _ in poll.poll(0 if self._finishes else look if self._masked.is_holding else None)
            }
            self._is_idle = False
            if self._stream.source in ready:
                data = self._read()
                if data is None:
                    continue
                if not data:
                    return
                with self._lock:
                    data = self._masked.feed(data)
                self._write(data)
                look = FIRST_LOOK
            elif self._finishes:
                return
            elif not ready:
                if self._waiting.is_on(self._file):
                    self._write(self._masked.release())
                look = min(2 * look, LAST_LOOK)

    def _read(self) -> bytes | None:
        """Return what was written to the stream; empty: nobody has it open any more; None: it was taken back."""
        try:
            return os.read(self._stream.source, SIZE)
        except BlockingIOError:
            return None  # Ctrl-C makes a terminal forget what was written to it (termios(3), NOFLSH)
        except OSError:
            return b""  # of a terminal: nobody has it open any more

    def _write(self, data: bytes) -> None:
        """Write all of `data`; this waits as long as the reader takes."""
        written = os.write(self._stream.sink, data) if data else 0
        if written < len(data):
            rest = memoryview(data)[written:]
            while rest:
                rest = rest[os.write(self._stream.sink, rest) :]


def file_of(stream: Stream) -> tuple[int, int]:
    """Return the device and inode of the file that the command writes to."""
    if stream.is_pty:
        from bwrun.masking.terminal import open_slave  # noqa: PLC0415  (not on a pipe)

        slave = open_slave(stream.source)
        found = os.fstat(slave)
        os.close(slave)
    else:
        found = os.fstat(stream.source)
    return found.st_dev, found.st_ino
