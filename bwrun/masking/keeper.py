"""
The process session of a command that has a terminal of the masker's.

The worker, which becomes the command, leads that session. Its process group would be orphaned: its parent is in another
session. The kernel does not stop such a group at Ctrl-Z (setpgid(2), POSIX 2.4.3). So two keepers are started, which do
nothing: one in a group of its own, and its child in the group of the command. With a parent in the session and outside
of the group, the group is not orphaned. Both end with the command.
"""

from __future__ import annotations

import fcntl
import os
import sys

from bwrun.base import signals

assert sys.platform == "linux"  # noqa: S101  (masking on a terminal is refused elsewhere)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# They start anew, so that they hold nothing of the worker's memory. The argument is a pidfd of the command.
_KEEPER = """
import os, select, sys
poll = select.poll()
poll.register(int(sys.argv[1]), select.POLLIN)
poll.poll()
os._exit(0)
"""
TIOCSCTTY = 0x540E  # of Linux's asm-generic/ioctls.h; `termios` has it too, and costs its import


def lead_session(terminal: int) -> None:
    """
    Make this process the leader of a new session, with `terminal` as its controlling terminal.

    Raises OSError: the system allows no more processes.
    """
    os.setsid()
    fcntl.ioctl(terminal, TIOCSCTTY, 0)
    command = os.getpid()
    ready, tell = os.pipe()
    first = os.fork()
    if first == 0:
        try:
            _fork_keepers(command, tell)
        finally:
            os._exit(1)
    os.close(tell)
    os.read(ready, 1)
    os.close(ready)
    os.waitpid(first, 0)


def _fork_keepers(command: int, tell: int) -> NoReturn:
    """Fork the keepers, and end: so the command has no child that it did not start. Tell when they are in place."""
    signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    watched = os.pidfd_open(command)
    if os.fork() != 0:
        os._exit(0)
    if os.fork() != 0:
        os.setpgid(0, 0)  # the other one stays in the command's group
        os.write(tell, b"r")
    os.closerange(0, watched)
    os.closerange(watched + 1, 1024)
    os.set_inheritable(watched, True)
    for _ in range(3):
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    arguments = [sys.executable, "-I", "-S", "-c", _KEEPER, str(watched)]
    os.execve(sys.executable, arguments, {})
