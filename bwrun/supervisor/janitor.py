"""
The janitor: a process that ends the command and removes the session if the supervisor is killed (`kill -9`).

It has a process session and a name of its own, so that a signal for bwrun does not reach it. It holds the read end of a
pipe from the supervisor, watches the command, and knows the paths where the session's directory may be. Together with
the supervisor it also holds the write end of a pipe that keeps the run's ssh-agent alive (`bwrun.supervisor.agent`).

    the pipe is closed without DONE   the supervisor is dead: send TERM and CONT to the command, KILL after 5 s, then
                                      kill the ssh-agent and remove the directory
    the command ended without DONE    after 0.2 s send CONT to the supervisor, which may be stopped; after 5 s more
                                      kill the ssh-agent and remove the directory
    a pid                             the ssh-agent was started
    DONE                              the supervisor has removed the directory: end
"""

from __future__ import annotations

import os
import time

from bwrun.base import signals
from bwrun.supervisor.agent import Agent
from bwrun.supervisor.removing import remove
from bwrun.system import calls, descriptors, processes
from bwrun.system.common import ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from bwrun.system.common import Watch

GRACE = 5.0  # seconds between TERM and KILL, and for a supervisor that was continued
NUDGE_AFTER = 0.2  # seconds after the command's end until the supervisor gets CONT
REMOVE_TRIES = 50
REMOVE_PAUSE = 0.1  # seconds between two tries


class Janitor:
    """The supervisor's side of the janitor, which is started before the directory is made."""

    def __init__(self, pid: int, pipe: int, lifeline: tuple[int, int]) -> None:
        """
        `pipe` is the write end of the pipe to the janitor; the kernel closes it when the supervisor dies.

        `lifeline` are both ends of the pipe that keeps an ssh-agent alive.
        """
        self.pid = pid
        self.pipe = pipe
        self._lifeline = lifeline

    @classmethod
    def start(cls, paths: list[str], worker: int) -> Janitor:
        """
        Fork the janitor, and wait until it watches. `paths` are where the session's directory may be.

        Raises OSError: the system allows no more processes or descriptors, or the janitor did not start.
        """
        supervisor = os.getpid()
        read_end, write_end = os.pipe()
        ready_read, ready_write = os.pipe()
        lifeline = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _run_janitor((read_end, ready_write, lifeline[1]), paths, worker, supervisor)
            finally:
                os._exit(1)
        os.close(read_end)
        os.close(ready_write)
        ready = os.read(ready_read, 1)
        os.close(ready_read)
        if not ready:
            raise ChildProcessError("the janitor did not start")
        return cls(pid, write_end, lifeline)

    def start_agent(self, program: bytes, socket: bytes) -> Agent:
        """
        Start an ssh-agent, and tell the janitor its pid.

        Raises OSError: the system allows no more processes or descriptors.
        """
        agent = Agent.start(program, socket, self._lifeline[0])
        try:
            os.write(self.pipe, b"%d\n" % agent.pid)
        except OSError:
            pass  # the janitor was killed
        return agent

    def release(self, *, cleared: bool) -> None:
        """Send DONE and reap the janitor; if the directory is not `cleared`, let the janitor go on trying instead."""
        if cleared:
            try:
                os.write(self.pipe, b"DONE")
            except OSError:
                pass  # it was killed
        for descriptor in (self.pipe, *self._lifeline):
            os.close(descriptor)
        if cleared:
            try:
                os.waitpid(self.pid, 0)
            except OSError:
                pass


def _run_janitor(kept: tuple[int, int, int], paths: list[str], worker: int, supervisor: int) -> NoReturn:
    """Watch supervisor and command, and clear if the supervisor does not. This runs in the janitor's process."""
    pipe, ready, _ = kept
    signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    os.setsid()
    os.chdir("/")
    processes.set_name("session-janitor", command_line=True)
    calls.hide_memory()  # after set_name(), which writes to /proc/self/mem
    descriptors.close_all_but(*kept)
    descriptors.redirect_to_null(0, 1, 2)
    command = calls.watch_process(worker)
    os.write(ready, b"r")
    os.close(ready)

    agents: list[Watch] = []
    if _supervisor_cleared(pipe, command, supervisor, agents):
        os._exit(0)
    _end_command(command)
    for agent in agents:
        agent.send(signals.SIGKILL)
    for _ in range(REMOVE_TRIES):
        left = [path for path in paths if not remove(path)]
        if not left:
            break
        time.sleep(REMOVE_PAUSE)
    os._exit(0)


def _supervisor_cleared(pipe: int, command: Watch, supervisor: int, agents: list[Watch]) -> bool:
    """
    Wait until DONE comes (True), or until the supervisor is dead or does not clear in time (False).

    An ssh-agent that is started is added to `agents`.
    """
    command.add(pipe)
    wait: float | None = None
    nudged = False
    while True:
        ready = command.wait(wait)
        if pipe in ready:
            pid, newline, rest = os.read(pipe, 64).partition(b"\n")
            if not newline or rest:
                return (rest or pid) == b"DONE"
            agents.append(calls.watch_process(int(pid)))
        if ENDED in ready:
            wait = NUDGE_AFTER
        elif not ready and not nudged:
            nudged = True
            wait = GRACE
            if os.getppid() == supervisor:
                os.kill(supervisor, signals.SIGCONT)
        elif not ready:
            return False


def _end_command(command: Watch) -> None:
    """End the command if it still runs."""
    if command.has_ended(0):
        return
    command.send(signals.SIGTERM)
    command.send(signals.SIGCONT)
    if not command.has_ended(GRACE):
        command.send(signals.SIGKILL)
        command.has_ended(GRACE)
