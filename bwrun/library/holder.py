"""
The command of the run behind `open_session()`: `python -I -S …/bwrun/library/holder.py SOCKET CALLER`.

It sends its environment, which is what a command gets, to the caller over the SOCKET, and waits for the caller's end:
the end of the block, or that of the process CALLER (a pidfd, or -1). Then it ends, and the supervisor clears.

A process that the caller has forked may keep the socket open for longer than the caller lives: hence CALLER.
"""

import os
import select
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from bwrun.base import signals
from bwrun.library.messages import VARIABLES, send
from bwrun.system.calls import hide_memory

# Those that a terminal sends to all processes of a group: the caller decides what they mean for the session.
FROM_TERMINAL = (signals.SIGINT, signals.SIGQUIT, signals.SIGHUP)


def hold(channel: int, caller: int) -> None:
    """Send the environment to the descriptor `channel`, and wait until the session is not needed any more."""
    variables = read_variables()  # from a file that hide_memory() closes
    hide_memory()
    for number in FROM_TERMINAL:
        signals.signal(number, signals.SIG_IGN)
    if not send(channel, VARIABLES, variables):
        return
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    if caller >= 0:
        poll.register(caller, select.POLLIN)
    poll.poll()


def read_variables() -> bytes:
    """Return the variables as the process was started with them: Python may have changed one of them (PEP 538)."""
    try:
        with open("/proc/self/environ", "rb") as file:
            return file.read()
    except OSError:
        return b"\0".join(name + b"=" + value for name, value in os.environb.items())


if __name__ == "__main__":
    hold(int(sys.argv[1]), int(sys.argv[2]))
