"""
The janitor: a process that ends the command and removes the session if the supervisor is killed (`kill -9`).

It has a process session and a name of its own, so that a signal for bwrun does not reach it. It holds the read end of a
pipe from the supervisor, the command's pidfd, and the paths where the session's directory may be. Together with the
supervisor it also holds the write end of a pipe that keeps the run's ssh-agent alive (`bwrun.supervisor.agent`).

    the pipe is closed without DONE   the supervisor is dead: send TERM and CONT to the command, KILL after 5 s, then
                                      kill the ssh-agent and remove the directory
    the command ended without DONE    after 0.2 s send CONT to the supervisor, which may be stopped; after 5 s more
                                      kill the ssh-agent and remove the directory
    a pid                             the ssh-agent was started
    DONE                              the supervisor has removed the directory: end
"""

from __future__ import annotations

import os
import select

from bwrun.base import prctl, signals
from bwrun.supervisor import processes
from bwrun.supervisor.agent import Agent
from bwrun.supervisor.removing import remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    ProcessId = tuple[int, str, int | None]  # pid, start time, pidfd

GRACE = 5000  # milliseconds between TERM and KILL, and for a supervisor that was continued
NUDGE_AFTER = 200  # milliseconds after the command's end until the supervisor gets CONT
REMOVE_TRIES = 50
REMOVE_PAUSE = 100  # milliseconds between two tries


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


def _run_janitor(descriptors: tuple[int, int, int], paths: list[str], worker: int, supervisor: int) -> NoReturn:
    """Watch supervisor and command, and clear if the supervisor does not. This runs in the janitor's process."""
    pipe, ready, _ = descriptors
    signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    os.setsid()
    os.chdir("/")
    processes.set_name("session-janitor", command_line=True)
    prctl.hide_memory()  # after set_name(), which writes to /proc/self/mem
    processes.close_all_but(*descriptors)
    processes.redirect_to_null(0, 1, 2)
    command = _identify(worker)
    os.write(ready, b"r")
    os.close(ready)

    agents: list[ProcessId] = []
    if _supervisor_cleared(pipe, command[2], supervisor, agents):
        os._exit(0)
    _end_command(*command)
    for agent in agents:
        _send(signals.SIGKILL, *agent)
    for _ in range(REMOVE_TRIES):
        left = [path for path in paths if not remove(path)]
        if not left:
            break
        select.poll().poll(REMOVE_PAUSE)
    os._exit(0)


def _identify(pid: int) -> ProcessId:
    """Return what names the process `pid` even if its pid is used again."""
    try:
        pidfd: int | None = os.pidfd_open(pid)
    except (OSError, AttributeError):
        pidfd = None  # there are no pidfds here, or the process is dead
    return pid, processes.start_time(pid), pidfd


def _supervisor_cleared(pipe: int, command: int | None, supervisor: int, agents: list[ProcessId]) -> bool:
    """
    Wait until DONE comes (True), or until the supervisor is dead or does not clear in time (False).

    `command` is a pidfd; if it is None, only the pipe is watched. An ssh-agent that is started is added to `agents`.
    """
    poll = select.poll()
    poll.register(pipe, select.POLLIN | select.POLLHUP)
    if command is not None:
        poll.register(command, select.POLLIN)
    wait: int | None = None
    nudged = False
    while True:
        events = [number for number, _ in poll.poll(wait)]
        if pipe in events:
            pid, newline, rest = os.read(pipe, 64).partition(b"\n")
            if not newline or rest:
                return (rest or pid) == b"DONE"
            agents.append(_identify(int(pid)))
            continue
        if command in events and command is not None:
            poll.unregister(command)
            wait = NUDGE_AFTER
        elif not nudged:
            nudged = True
            wait = GRACE
            if os.getppid() == supervisor:
                os.kill(supervisor, signals.SIGCONT)
        else:
            return False


def _end_command(pid: int, started: str, pidfd: int | None) -> None:
    """End the command if it still runs; `started` is its start time, for systems without pidfds."""
    if _ended(pid, started, pidfd, 0):
        return
    _send(signals.SIGTERM, pid, started, pidfd)
    _send(signals.SIGCONT, pid, started, pidfd)
    if not _ended(pid, started, pidfd, GRACE):
        _send(signals.SIGKILL, pid, started, pidfd)
        _ended(pid, started, pidfd, GRACE)


def _send(number: int, pid: int, started: str, pidfd: int | None) -> None:
    try:
        if pidfd is not None:
            signals.pidfd_send_signal(pidfd, number)
        elif processes.is_alive(pid, started):
            os.kill(pid, number)
    except OSError:
        pass  # it has ended, or belongs to another user by now


def _ended(pid: int, started: str, pidfd: int | None, timeout: int) -> bool:
    """Wait up to `timeout` milliseconds for the command to end; return whether it ended."""
    if pidfd is not None:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(timeout))
    for _ in range(timeout // REMOVE_PAUSE + 1):
        if not processes.is_alive(pid, started):
            return True
        select.poll().poll(REMOVE_PAUSE)
    return False
