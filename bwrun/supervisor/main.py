"""
The supervisor: makes the session's directory, waits for the command, clears, ends as the command ended.

It is what the caller's process became, so it has the pid that the caller knows.
All signals are blocked from before its first line to its end, and taken one by
one: none can interrupt the clearing.
"""

from __future__ import annotations

import os
import signal
import time

from bwrun.channel import Channel
from bwrun.supervisor import directory, ending, forwarding, proc
from bwrun.supervisor.canary import Canary
from bwrun.supervisor.janitor import Janitor

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from typing import NoReturn

STATUS_FAILED = 125
CATCHABLE = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
CLEAR_TRIES = 3
CLEAR_PAUSE = 0.05  # seconds


def main(channel: int, worker: int) -> NoReturn:
    """Supervise the process `worker`, which talks over the descriptor `channel`, and end as it ended."""
    supervisor = Supervisor(channel, worker)
    try:
        supervisor.prepare()
        status = supervisor.wait()
    except OSError as error:
        say(f"error: the session cannot be guarded: {os.strerror(error.errno or 0)} [session.unguarded]")
        supervisor.abandon()
        status = STATUS_FAILED << 8
    except BaseException as error:  # noqa: BLE001  (whatever happens: clear, and no traceback)
        say(f"error: internal error: {type(error).__name__} in the supervisor [internal]")
        supervisor.abandon()
        status = STATUS_FAILED << 8
    if not supervisor.clear() and status == 0:
        status = STATUS_FAILED << 8
    ending.end_by_status(status)


def say(text: str) -> None:
    """Write one line on stderr, if anybody reads it."""
    try:
        os.write(2, f"bwrun: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


class Supervisor:
    """One run: the worker that becomes the command, and what stands by while it lives."""

    def __init__(self, channel: int, worker: int) -> None:
        """Block all signals, drop what is the caller's, save the terminal's modes."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.set_inheritable(channel, False)
        proc.close_all_but(channel)
        proc.to_null(0, 1)
        if not _is_open(2):
            proc.to_null(2)
        proc.rename("bwrun")
        ending.no_core()
        self.worker = worker
        self._channel = Channel(channel)
        self._terminal = ending.Terminal()
        self._janitor: Janitor | None = None
        self._canary: Canary | None = None
        self._lock: int | None = None
        self._path: str | None = None
        self._seen: set[int] = set()
        self._execs = False
        self._failed: int | None = None

    def prepare(self) -> None:
        """Start janitor and canary, make the directory, let the worker go; then sweep what others left."""
        try:
            bases = directory.bases(os.environ)
        except directory.UnusableBaseError as error:
            self._channel.send(b"refused", b"runtime-dir", os.fsencode(str(error)))
            return
        paths = [directory.candidate(base) for base in bases]
        self._janitor = Janitor.start(paths, self.worker)
        self._make_directory(paths)
        while (info := signal.sigtimedwait(CATCHABLE - {signal.SIGCHLD}, 0)) is not None:
            self._seen.add(info.si_signo)
            forwarding.forward(info.si_signo, self.worker)  # may be older than the worker: twice beats never
        self._canary = Canary.start()
        if self._path is None:
            return
        self._channel.send(b"go", os.fsencode(self._path))
        os.chdir("/")
        for base in bases:
            directory.sweep(base)

    def _make_directory(self, paths: list[str]) -> None:
        problem = "there is no directory that could hold it"
        for path in paths:
            try:
                self._lock = directory.make(path)
            except OSError as error:
                problem = f"`{os.path.dirname(path)}`: {os.strerror(error.errno or 0)}"
            else:
                self._path = path
                return
        self._channel.send(b"refused", b"no-directory", os.fsencode(problem))

    def wait(self) -> int:
        """Pass signals on until the worker, or the command it became, has ended; return its wait status."""
        while True:
            info = signal.sigwaitinfo(CATCHABLE)
            number = info.si_signo
            if number == signal.SIGCHLD:
                status = self._reap()
                if status is not None:
                    return self._judge(status)
                continue
            self._seen.add(number)
            if not forwarding.reached_command(info, self.worker, self._canary):
                forwarding.forward(number, self.worker)

    def _reap(self) -> int | None:
        """Collect all children that changed (orphans too, as PID 1); return the worker's status if it ended."""
        ended: int | None = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            if pid != self.worker:
                continue
            if not os.WIFSTOPPED(status):
                ended = status
            elif ending.has_terminal():
                # Stop as the command did, so that the shell sees it; SIGCONT wakes bwrun and is then passed on.
                os.kill(os.getpid(), signal.SIGSTOP)

    def _judge(self, status: int) -> int:
        """Return the status to end with: the command's, or that of a worker that never became it."""
        self._drain()
        if self._failed is not None:
            return self._failed << 8
        if self._execs:
            return status
        self._terminal.restore()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in self._seen:
            return status
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        say(f"error: the process that logs in ended with {how} [internal]")
        return STATUS_FAILED << 8

    def _drain(self) -> None:
        while (words := self._channel.receive()) is not None:
            if words[0] == b"exec":
                self._execs = True
            elif words[0] == b"failed":
                self._failed = int(words[1])

    def abandon(self) -> None:
        """End a worker that cannot be supervised."""
        forwarding.forward(signal.SIGKILL, self.worker)
        try:
            os.waitpid(self.worker, 0)
        except OSError:
            pass

    def clear(self) -> bool:
        """Remove the session, then let the helpers go; return whether nothing is left."""
        cleared = self._path is None or self._remove(self._path)
        if self._canary is not None:
            self._canary.end()
        if self._janitor is not None:
            self._janitor.release(cleared=cleared)
        if not cleared:
            say(f"error: the session at `{self._path}` could not be removed [session.not-cleared]")
            say("hint: the next run tries again; its contents open nothing without BW_SESSION")
        return cleared

    @staticmethod
    def _remove(path: str) -> bool:
        for _ in range(CLEAR_TRIES):
            if directory.remove(path):
                return True
            time.sleep(CLEAR_PAUSE)
        return directory.remove(path)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
