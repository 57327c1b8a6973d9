"""
Starting and ending the ssh-agent of `--ssh-key`, which is OpenSSH's own program.

The agent is a child of the supervisor, which never sees a key: the worker gives the keys to the agent with ssh-add.
The agent has a process session of its own, so that the signals of a terminal do not reach it, and it starts with all
signals blocked, as the janitor does. So only SIGKILL ends it:

    the command ended                    the supervisor kills the agent, then removes the session's directory
    the supervisor was killed            the janitor kills the agent when it has ended the command
    supervisor and janitor were killed   the kernel kills the agent

For the last case, the stdin of the agent is a pipe. Supervisor and janitor hold its write end, and when it is closed,
the kernel sends SIGKILL. Only Linux does that. PR_SET_PDEATHSIG would not work, because Debian's ssh-agent is
set-group-ID: execve clears the setting for such a program (prctl(2)).
"""

from __future__ import annotations

import os
import time

from bwrun.base import signals
from bwrun.base.channel import AGENT_READY, REFUSED
from bwrun.system import descriptors
from bwrun.system.calls import die_with_writers, stop_waking, wake_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

START_TIME = 10.0  # seconds until an agent that does not listen is killed; usually it takes 0.02
LISTENS = b"SSH_AUTH_SOCK="  # in what ssh-agent prints when it listens
MAX_TEXT = 500  # bytes of its output that an error message quotes


class Agent:
    """The supervisor's side of the agent."""

    def __init__(self, pid: int, output: int) -> None:
        """`output` is the read end of its stdout and stderr, which does not block."""
        self.pid = pid
        self._output: int | None = output  # None: the worker knows whether it listens
        self._text = b""
        self._reaped = False
        self._kill_at = time.monotonic() + START_TIME

    @classmethod
    def start(cls, program: bytes, socket: bytes, lifeline: int) -> Agent:
        """
        Start `program` so that it listens on the path `socket`; its stdin is `lifeline`, the read end of a pipe.

        `wait_signal()` returns when `answer()` may have an answer.

        Raises OSError: the system allows no more processes or descriptors.
        """
        output_read, output_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _exec_agent(program, socket, lifeline, output_write)
            except OSError as error:
                os.write(2, os.strerror(error.errno or 0).encode())
            finally:
                os._exit(1)
        os.close(output_write)
        os.set_blocking(output_read, False)
        wake_on(output_read)
        return cls(pid, output_read)

    def answer(self) -> list[bytes] | None:
        """Return the message for the worker when it is known whether the agent listens, once; None otherwise."""
        if self._output is None:
            return None
        try:
            while data := os.read(self._output, 4096):
                self._text += data
        except BlockingIOError:
            if LISTENS not in self._text and self.wait() > 0 and not self._reaped:
                return None
        stop_waking(self._output)
        os.close(self._output)
        self._output = None
        if LISTENS in self._text:
            return [AGENT_READY]
        self.end()
        return [REFUSED, b"ssh-agent", self._text.strip()[-MAX_TEXT:] or b"it does not listen"]

    def wait(self) -> float:
        """Return the seconds until `answer()` gives up an agent that does not listen; a day if the answer was given."""
        return 86400.0 if self._output is None else max(0.0, self._kill_at - time.monotonic())

    def has_ended(self, pid: int) -> bool:
        """Note that child `pid` was reaped; return whether it was an agent that had been listening."""
        if pid != self.pid or self._reaped:
            return False
        self._reaped = True
        return self._output is None

    def end(self) -> None:
        """Kill and reap the agent; also its process group, because a script on PATH may have started the real agent."""
        if self._reaped:
            return
        self._reaped = True
        for kill in (os.killpg, os.kill):
            try:
                kill(self.pid, signals.SIGKILL)
            except OSError:
                pass  # it has no process group of its own yet
        os.waitpid(self.pid, 0)


def _exec_agent(program: bytes, socket: bytes, lifeline: int, output: int) -> NoReturn:
    """Become the agent. This runs in the new process."""
    os.setsid()
    os.dup2(lifeline, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    descriptors.close_all_but()
    die_with_writers(0)
    os.execve(program, [b"ssh-agent", b"-D", b"-a", socket], os.environ)
