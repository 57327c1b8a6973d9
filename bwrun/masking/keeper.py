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

# It starts anew, so that it holds nothing of the worker's memory. 1 is the pid of the command, 2 a pidfd of it.
_KEEPER = """
import os, select, sys
command, watched = int(sys.argv[1]), int(sys.argv[2])
if os.fork() == 0:
    os.setpgid(0, command)
poll = select.poll()
poll.register(watched, select.POLLIN)
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
    first = os.fork()
    if first == 0:
        try:
            _become_keeper(command)
        finally:
            os._exit(1)
    os.waitpid(first, 0)


def _become_keeper(command: int) -> None:
    """Become a keeper whose parent has ended, so that the command has no child that it did not start."""
    signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    watched = os.pidfd_open(command)
    if os.fork() != 0:
        os._exit(0)
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.set_inheritable(watched, True)
    os.closerange(3, watched)
    os.closerange(watched + 1, 1024)
    arguments = [sys.executable, "-I", "-S", "-c", _KEEPER, str(command), str(watched)]
    os.execve(sys.executable, arguments, {})
