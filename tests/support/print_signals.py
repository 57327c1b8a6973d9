"""
A command that writes down each signal it gets, one number a line (the idea is dumb-init's).

    print_signals.py LOG      the first line of LOG is `ready PID PARENT`

What it reads on stdin it does: `exit STATUS`, `group NUMBER` (signal its own
process group, as `kill 0`), `parent NUMBER` (signal the process it was started by).
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

UNCAUGHT = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}


def main(log: Path) -> None:
    """Catch all that can be caught, and wait for words on stdin."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(
        wake_write, warn_on_full_buffer=False
    )  # a byte each time, where a Python handler may merge two
    for number in signal.valid_signals() - UNCAUGHT:
        signal.signal(number, lambda *_: None)
    with log.open("wb", buffering=0) as file:
        file.write(b"ready %d %d\n" % (os.getpid(), os.getppid()))
        inputs = [wake_read, 0]
        while True:
            readable, _, _ = select.select(inputs, [], [])
            if wake_read in readable:
                file.write(lines(wake_read))
            if 0 in readable:
                words = os.read(0, 4096).split()
                if not words:
                    inputs.remove(0)  # nobody is there: only a signal ends this process
                if words[:1] == [b"exit"]:
                    file.write(lines(wake_read))
                    sys.exit(int(words[1]))
                if words:
                    os.kill(0 if words[0] == b"group" else os.getppid(), int(words[1]))


def lines(wake: int) -> bytes:
    """Return the signals that have come since the last look, a line each."""
    try:
        return b"".join(b"%d\n" % number for number in os.read(wake, 4096))
    except BlockingIOError:
        return b""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
