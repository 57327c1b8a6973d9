"""
The janitor: a process that ends the command and removes the session if the supervisor is killed (`kill -9`).

It has a process session and a name of its own, so that a signal for bwrun does not reach it. It holds the read end of a
pipe from the supervisor, the command's pidfd, and the paths where the session's directory may be.

    the pipe is closed without DONE   the supervisor is dead: send TERM and CONT to the command, KILL after 5 s, then
                                      remove the directory
    the command ended without DONE    after 0.2 s send CONT to the supervisor, which may be stopped; after 5 s more
                                      remove the directory
    DONE                              the supervisor has removed the directory: end
"""

from __future__ import annotations

import os
import select

from bwrun.base import prctl, signals
from bwrun.supervisor import directory, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

GRACE = 5000  # milliseconds between TERM and KILL, and for a supervisor that was continued
NUDGE_AFTER = 200  # milliseconds after the command's end until the supervisor gets CONT
REMOVE_TRIES = 50
REMOVE_PAUSE = 100  # milliseconds between two tries


class Janitor:
    """The supervisor's side of the janitor, which is started before the directory is made."""

    def __init__(self, pid: int, pipe: int) -> None:
        """`pipe` is the write end of the pipe to the janitor; the kernel closes it when the supervisor dies."""
        self.pid = pid
        self.pipe = pipe

    @classmethod
    def start(cls, paths: list[str], worker: int) -> Janitor:
        """
        Fork the janitor, and wait until it watches. `paths` are where the session's directory may be.

        Raises OSError: the system allows no more processes or descriptors, or the janitor did not start.
        """
        supervisor = os.getpid()
        read_end, write_end = os.pipe()
        ready_read, ready_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _run_janitor(read_end, ready_write, paths, worker, supervisor)
            finally:
                os._exit(1)
        os.close(read_end)
        os.close(ready_write)
        ready = os.read(ready_read, 1)
        os.close(ready_read)
        if not ready:
            raise ChildProcessError("the janitor did not start")
        return cls(pid, write_end)

    def release(self, *, cleared: bool) -> None:
        """Send DONE and reap the janitor; if the directory is not `cleared`, let the janitor go on trying instead."""
        if cleared:
            try:
                os.write(self.pipe, b"DONE")
            except OSError:
                pass  # it was killed
        os.close(self.pipe)
        if cleared:
            try:
                os.waitpid(self.pid, 0)
            except OSError:
                pass


def _run_janitor(pipe: int, ready: int, paths: list[str], worker: int, supervisor: int) -> NoReturn:
    """Watch supervisor and command, and clear if the supervisor does not. This runs in the janitor's process."""
    signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    os.setsid()
    os.chdir("/")
    processes.set_name("session-janitor", command_line=True)
    prctl.hide_memory()  # after set_name(), which writes to /proc/self/mem
    processes.close_all_but(pipe, ready)
    processes.redirect_to_null(0, 1, 2)
    try:
        command: int | None = os.pidfd_open(worker)
    except (OSError, AttributeError):
        command = None  # no pidfds here: only the pipe is watched
    started = processes.start_time(worker)
    os.write(ready, b"r")
    os.close(ready)

    if _supervisor_cleared(pipe, command, supervisor):
        os._exit(0)
    _end_command(worker, started, command)
    for _ in range(REMOVE_TRIES):
        left = [path for path in paths if not directory.remove(path)]
        if not left:
            break
        select.poll().poll(REMOVE_PAUSE)
    os._exit(0)


def _supervisor_cleared(pipe: int, command: int | None, supervisor: int) -> bool:
    """Wait until DONE comes (True), or until the supervisor is dead or does not clear in time (False)."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN | select.POLLHUP)
    if command is not None:
        poll.register(command, select.POLLIN)
    wait: int | None = None
    nudged = False
    while True:
        events = [number for number, _ in poll.poll(wait)]
        if pipe in events:
            return os.read(pipe, 16) == b"DONE"
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
