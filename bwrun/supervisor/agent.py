"""
The ssh-agent of a run with `--ssh-key`: OpenSSH's own program, a child of the supervisor.

The supervisor never sees a key: the worker hands them to the agent.  The agent is in a process session of its own, so
the terminal's signals do not reach it.  It has all signals blocked, as the janitor has, so only SIGKILL ends it.

    the command ended              the supervisor kills the agent before it removes the session
    the supervisor is killed       the janitor kills it when it has ended the command
    both are killed                the kernel kills it: nobody holds the write end of its stdin any more

A parent-death signal would not do: Debian's ssh-agent is set-group-ID, and execve clears the setting for such a
program (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import fcntl
import os
import select
import time

from bwrun.base import signals
from bwrun.base.channel import AGENT_READY, REFUSED
from bwrun.supervisor import proc

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from typing import NoReturn

START_TIME = 10.0  # seconds until an agent that is not ready is given up; 20 ms is the median
READY = b"SSH_AUTH_SOCK="  # ssh-agent prints it when it listens
MAX_TEXT = 500  # bytes of what it says that go into a message


class Agent:
    """The supervisor's side."""

    def __init__(self, pid: int, output: int) -> None:
        """`output` is the read end of its stdout and stderr, which does not block."""
        self.pid = pid
        self._output: int | None = output
        self._said = b""
        self._reaped = False
        self._give_up = time.monotonic() + START_TIME

    @classmethod
    def start(cls, program: bytes, socket: bytes, life: int) -> Agent:
        """
        Start `program`, which is to listen at the path `socket`; `life` is the read end that becomes its stdin.

        The kernel says with SIGIO that `news()` may have something to tell.

        Raises OSError: no process.
        """
        output_read, output_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _become(program, socket, life, output_write)
            except OSError as error:
                os.write(2, os.strerror(error.errno or 0).encode())
            finally:
                os._exit(1)
        os.close(output_write)
        os.set_blocking(output_read, False)
        fcntl.fcntl(output_read, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(output_read, fcntl.F_SETFL, fcntl.fcntl(output_read, fcntl.F_GETFL) | fcntl.FASYNC)
        return cls(pid, output_read)

    def news(self) -> list[bytes] | None:
        """Return what the worker has to know: once, whether the agent listens; None: nothing (new)."""
        if self._output is None:
            return None
        try:
            while data := os.read(self._output, 4096):
                self._said += data
        except BlockingIOError:
            if READY not in self._said and self.wait() > 0 and not self._reaped:
                return None
        os.close(self._output)
        self._output = None
        if READY in self._said:
            return [AGENT_READY]
        self.end()
        return [REFUSED, b"ssh-agent", self._said.strip()[-MAX_TEXT:] or b"it does not listen"]

    def wait(self) -> float:
        """Return the seconds until `news()` gives up an agent that does not listen; a day if it does."""
        return 86400.0 if self._output is None else max(0.0, self._give_up - time.monotonic())

    def ended(self, pid: int) -> bool:
        """Take note that child `pid` was reaped; return whether it was an agent that had been listening."""
        if pid != self.pid or self._reaped:
            return False
        self._reaped = True
        return self._output is None

    def end(self) -> None:
        """Kill the agent with its process group (a script on PATH may have started the real one), and reap it."""
        if self._reaped:
            return
        self._reaped = True
        for kill in (os.killpg, os.kill):
            try:
                kill(self.pid, signals.SIGKILL)
            except OSError:
                pass  # no group of its own yet
        os.waitpid(self.pid, 0)


def _become(program: bytes, socket: bytes, life: int, output: int) -> NoReturn:
    os.setsid()
    os.dup2(life, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    proc.close_all_but()
    _die_with_writers(0)
    os.execve(program, [b"ssh-agent", b"-D", b"-a", socket], os.environ)


def _die_with_writers(pipe: int) -> None:
    """
    Have the kernel kill this process group when the last write end of a pipe is closed; end at once if it is already.

    `pipe` is the read end.  This lasts through every execve, as long as a process keeps the descriptor.
    """
    fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signals.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | fcntl.FASYNC)
    poll = select.poll()
    poll.register(pipe, 0)
    if poll.poll(0):
        os._exit(1)
