"""
The janitor: a process that exists for the supervisor's `kill -9`.

It lives in a session of its own, under another name, and holds nothing but the
read end of a pipe, the command's pidfd, the paths where the session may be, and
the write end of another pipe, with which the run's ssh-agent dies.

    pipe ends without DONE     the supervisor is gone: TERM and CONT to the command, 5 s, KILL; clear
    command ended, no DONE     after 0.2 s CONT to the supervisor (it may be stopped); after 5 s clear
    a pid                      that of the ssh-agent
    DONE                       end

To clear is to kill the ssh-agent and to remove the directory.
"""

from __future__ import annotations

import os
import select

from bwrun.base import prctl, signals
from bwrun.supervisor import directory, proc
from bwrun.supervisor.agent import Agent

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from typing import NoReturn

    Identity = tuple[int, str, int | None]  # pid, start time, pidfd

GRACE = 5000  # milliseconds between TERM and KILL
NUDGE_AFTER = 200  # milliseconds that the supervisor has to say DONE once the command ended
REMOVE_TRIES = 50
REMOVE_PAUSE = 100  # milliseconds


class Janitor:
    """The supervisor's side: started before the directory exists, released when it is gone."""

    def __init__(self, pid: int, pipe: int, life: tuple[int, int]) -> None:
        """`pipe` is the write end whose closing tells the supervisor's death; `life`: see `start_agent()`."""
        self.pid = pid
        self.pipe = pipe
        self._life = life

    @classmethod
    def start(cls, paths: list[str], worker: int) -> Janitor:
        """
        Fork the janitor and wait until it stands.

        Raises OSError: no process, or the janitor did not come up.
        """
        supervisor = os.getpid()
        read_end, write_end = os.pipe()
        ready_read, ready_write = os.pipe()
        life = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _watch((read_end, ready_write, life[1]), paths, worker, supervisor)
            finally:
                os._exit(1)
        os.close(read_end)
        os.close(ready_write)
        ready = os.read(ready_read, 1)
        os.close(ready_read)
        if not ready:
            raise ChildProcessError("the janitor did not start")
        return cls(pid, write_end, life)

    def start_agent(self, program: bytes, socket: bytes) -> Agent:
        """
        Start the run's ssh-agent, and tell the janitor of it.

        It dies when both this process and the janitor are gone: they hold the write end of a pipe that it reads.

        Raises OSError: no process.
        """
        agent = Agent.start(program, socket, self._life[0])
        try:
            os.write(self.pipe, b"%d\n" % agent.pid)
        except OSError:
            pass  # the janitor was killed
        return agent

    def release(self, *, cleared: bool) -> None:
        """Say DONE and reap; without `cleared` leave the directory to the janitor, which goes on trying."""
        if cleared:
            try:
                os.write(self.pipe, b"DONE")
            except OSError:
                pass  # it was killed; nothing is left to do for it
        for descriptor in (self.pipe, *self._life):
            os.close(descriptor)
        if cleared:
            try:
                os.waitpid(self.pid, 0)
            except OSError:
                pass


def _watch(descriptors: tuple[int, int, int], paths: list[str], worker: int, supervisor: int) -> NoReturn:
    pipe, ready, life = descriptors
    signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    os.setsid()
    os.chdir("/")
    proc.rename("session-janitor", command_line=True)
    prctl.hide_memory()  # after it: renaming needs /proc/self/mem
    proc.close_all_but(pipe, ready, life)
    proc.to_null(0, 1, 2)
    command = _identify(worker)
    os.write(ready, b"r")
    os.close(ready)

    agents: list[Identity] = []
    if _supervisor_cleared(pipe, command[2], supervisor, agents):
        os._exit(0)
    _end_command(*command)
    for agent in agents:
        _send(signals.SIGKILL, *agent)
    for _ in range(REMOVE_TRIES):
        left = [path for path in paths if not directory.remove(path)]
        if not left:
            break
        select.poll().poll(REMOVE_PAUSE)
    os._exit(0)


def _identify(pid: int) -> Identity:
    """Return what names the process `pid` whatever becomes of its number."""
    try:
        pidfd: int | None = os.pidfd_open(pid)
    except (OSError, AttributeError):
        pidfd = None  # it is gone; or an old kernel, or not Linux
    return pid, proc.start_time(pid), pidfd


def _supervisor_cleared(pipe: int, command: int | None, supervisor: int, agents: list[Identity]) -> bool:
    """
    Wait; return True for DONE, False when the supervisor is gone or does not clear.

    `command` is a pidfd (None: only the pipe is watched); an ssh-agent that the supervisor names goes into `agents`.
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
            said, newline, rest = os.read(pipe, 64).partition(b"\n")
            if not newline or rest:
                return (rest or said) == b"DONE"
            agents.append(_identify(int(said)))
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
        elif proc.alive(pid, started):
            os.kill(pid, number)
    except OSError:
        pass  # gone already, or another user's by now


def _ended(pid: int, started: str, pidfd: int | None, timeout: int) -> bool:
    """Wait up to `timeout` milliseconds for the command's end; return whether it came."""
    if pidfd is not None:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(timeout))
    for _ in range(timeout // REMOVE_PAUSE + 1):
        if not proc.alive(pid, started):
            return True
        select.poll().poll(REMOVE_PAUSE)
    return False
