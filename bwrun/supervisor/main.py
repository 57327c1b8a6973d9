"""
The supervisor: makes the session's directory, waits for the command, clears, ends as the command ended.

It is what the caller's process became, so it has the pid that the caller knows.
All signals are blocked from before its first line to its end, and taken one by
one: none can interrupt the clearing.
"""

from __future__ import annotations

import fcntl
import os
import time

from bwrun.base import prctl, signals
from bwrun.base.channel import (
    CHECK_DIRECTORY,
    CONFIRM,
    CONFIRMED,
    END,
    EXEC,
    MAKE_DIRECTORY,
    NO_DIRECTORY,
    REFUSED,
    RENEW,
    SET,
    START_AGENT,
    Channel,
)
from bwrun.base.errors import STATUS_FAILED
from bwrun.supervisor import directory, ending, forwarding, proc
from bwrun.supervisor.agent import Agent
from bwrun.supervisor.canary import Canary
from bwrun.supervisor.helper import Helper
from bwrun.supervisor.janitor import Janitor
from bwrun.supervisor.place import Place
from bwrun.supervisor.renewal import Renewal

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from typing import NoReturn

CATCHABLE = signals.valid_signals() - {signals.SIGKILL, signals.SIGSTOP}
ENDING = {signals.SIGTERM, signals.SIGINT, signals.SIGHUP}  # what starts the time of --kill-after
CLEAR_TRIES = 3
CLEAR_PAUSE = 0.05  # seconds
LEFTOVERS_TIME = 60.0  # seconds until the helper that ends them is given up


def main(channel: int, worker: int) -> NoReturn:
    """Supervise the process `worker`, which talks over the descriptor `channel`, and end as it ended."""
    supervisor = Supervisor(channel, worker)
    try:
        supervisor.take_over()
        supervisor.prepare()
        status = supervisor.wait()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        say(f"error: cannot start the processes that guard the session: {why} [session.unguarded]")
        supervisor.abandon()
        status = STATUS_FAILED << 8
    except BaseException as error:  # noqa: BLE001  (whatever happens: clear, and no traceback)
        say(f"error: internal error: {type(error).__name__} in the supervisor [internal]")
        supervisor.abandon()
        status = STATUS_FAILED << 8
    if not supervisor.clear() and status == 0:
        status = STATUS_FAILED << 8
    ending.end_by_status(status, by_code=supervisor.ends_by_code)


def say(text: str) -> None:
    """Write one line on stderr, if anybody reads it."""
    try:
        os.write(2, f"bwrun: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


class Supervisor:
    """One run: the worker that becomes the command, and what stands by while it lives."""

    def __init__(self, channel: int, worker: int) -> None:
        """Know the worker and the channel to it; nothing is done yet."""
        self.worker = worker
        self.ends_by_code = False
        self._channel = Channel(channel)
        self._terminal: ending.Terminal | None = None
        self._place = Place()
        self._stale: list[str] = []
        self._janitor: Janitor | None = None
        self._canary: Canary | None = None
        self._seen: set[int] = set()
        self._execs = False
        self._said: int | None = None
        self._settings: dict[bytes, bytes] = {}
        self._renewal: Renewal | None = None
        self._agent: Agent | None = None
        self._kill_at: float | None = None

    def take_over(self) -> None:
        """Block all signals, drop what is the caller's, save the terminal's modes."""
        signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
        channel = self._channel.descriptor
        os.set_inheritable(channel, False)
        os.set_blocking(channel, False)
        proc.close_all_but(channel)
        proc.to_null(0, 1)
        if not _is_open(2):
            proc.to_null(2)
        proc.rename("bwrun")
        ending.no_core()
        self._terminal = ending.Terminal()

    def prepare(self) -> None:
        """Start janitor and canary, so that whatever the worker asks for from here on is guarded."""
        self._janitor = Janitor.start(self._place.candidates, self.worker)
        while (info := signals.sigtimedwait(CATCHABLE - {signals.SIGCHLD}, 0)) is not None:
            self._seen.add(info.si_signo)
            forwarding.forward(info.si_signo, self.worker)  # may be older than the worker: twice beats never
        self._canary = Canary.start()
        prctl.hide_memory()
        # From here on the kernel says with SIGIO that the worker has sent something.
        fcntl.fcntl(self._channel.descriptor, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(self._channel.descriptor, fcntl.F_GETFL)
        fcntl.fcntl(self._channel.descriptor, fcntl.F_SETFL, flags | fcntl.FASYNC)
        os.chdir("/")
        self._listen()  # what came before the kernel told

    def wait(self) -> int:
        """Pass signals on until the worker, or the command it became, has ended; return its wait status."""
        while True:
            info = signals.sigtimedwait(CATCHABLE, 0 if self._stale else self._until_next_timer())
            self._run_timers()
            self._listen()
            if info is None:
                if self._stale:
                    directory.sweep_one(self._stale.pop())  # between signals, one at a time
                continue
            number = info.si_signo
            if number == signals.SIGCHLD:
                status = self._reap()
                if status is not None:
                    return self._judge(status)
            elif number != signals.SIGIO or info.si_code <= 0:  # the kernel's says that the worker wrote
                self._pass_on(info)

    def _until_next_timer(self) -> float:
        waits = [86400.0]  # a day stands for "no timer": sigtimedwait takes no infinity
        if self._kill_at is not None:
            waits.append(max(0.0, self._kill_at - time.monotonic()))
        if self._renewal is not None:
            waits.append(self._renewal.wait())
        if self._agent is not None:
            waits.append(self._agent.wait())
        return min(waits)

    def _run_timers(self) -> None:
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            forwarding.forward(signals.SIGKILL, self.worker)
        if self._renewal is not None and self._renewal.is_due():
            self._renewal.start()

    def _pass_on(self, info: signals.struct_siginfo) -> None:
        number = info.si_signo
        self._seen.add(number)
        if not forwarding.reached_command(info, self.worker, self._canary):
            forwarding.forward(number, self.worker)
        kill_after = self._settings.get(b"kill-after")
        ignored = signals.getsignal(number) == signals.SIG_IGN  # by the caller (nohup), and so by the command
        if kill_after is not None and number in ENDING and not ignored and self._kill_at is None:
            self._kill_at = time.monotonic() + float(kill_after)

    def _listen(self) -> None:
        """Take what the worker has said."""
        for word, *rest in self._channel.drain():
            if word in (MAKE_DIRECTORY, CHECK_DIRECTORY, NO_DIRECTORY):
                self._channel.send(*self._place.answer(word))
                self._stale = self._place.stale()
            elif word == EXEC:
                self._execs = True
            elif word == END:
                self._said = int(rest[0])
            elif word == START_AGENT:
                self._start_agent(*rest)
            elif word == RENEW:
                self._renewal = Renewal(float(rest[0]), rest[1:])
            elif word == SET:
                self._settings[rest[0]] = rest[1]
            elif word == CONFIRM:
                self._confirm()
        news = self._agent and self._agent.news()
        if news:
            self._channel.send(*news)

    def _confirm(self) -> None:
        """Put the settings into force, and say so."""
        self.ends_by_code = b"signal-exit" in self._settings
        if b"kill-leftovers" in self._settings:
            prctl.adopt_orphans()
        self._channel.send(CONFIRMED)

    def _start_agent(self, program: bytes, socket: bytes) -> None:
        try:
            self._agent = None if self._janitor is None else self._janitor.start_agent(program, socket)
        except OSError as error:
            self._channel.send(REFUSED, b"ssh-agent", os.strerror(error.errno or 0).encode())

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
            if self._agent is not None and self._agent.ended(pid):
                say("warning: the ssh-agent of this run was ended, so the command has no SSH keys any more")
            elif pid != self.worker:
                warning = None if self._renewal is None else self._renewal.ended(pid)
                if warning is not None:
                    say(f"warning: cannot renew the session's access token: {warning}")
            elif not os.WIFSTOPPED(status):
                ended = status
            elif ending.has_terminal():
                # So that the shell sees it; SIGCONT wakes bwrun and is then passed on.
                ending.stop_by_signal(os.WSTOPSIG(status))

    def _judge(self, status: int) -> int:
        """Return the status to end with: the command's, or that of a worker that never became it."""
        self._listen()
        if self._said is not None:
            return self._said << 8
        if self._execs:
            return status
        if self._terminal is not None:
            self._terminal.restore()
        self._seen |= signals.sigpending()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in self._seen:
            return status
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        say(f"error: the process that logs in and starts the command ended early, with {how} [internal]")
        return STATUS_FAILED << 8

    def abandon(self) -> None:
        """End a worker that cannot be supervised."""
        forwarding.forward(signals.SIGKILL, self.worker)
        try:
            os.waitpid(self.worker, 0)
        except OSError:
            pass

    def clear(self) -> bool:
        """Remove the session, then let the helpers go; return whether nothing is left."""
        if self._renewal is not None:
            self._renewal.stop()
        if self._agent is not None:
            self._agent.end()
        self._channel.close()
        if self._canary is not None:
            self._canary.end()  # first: its descriptors may be the last that the limit allows
        # All that could have been made, whatever became of it: making one may have failed half way.
        left = [path for path in self._place.candidates if not self._remove(path)]
        cleared = not left
        if b"kill-leftovers" in self._settings and self._execs:
            self._end_leftovers()
        if self._janitor is not None:
            self._janitor.release(cleared=cleared)
        for path in self._stale:
            directory.sweep_one(path)
        if not cleared:
            say(f"error: cannot remove the session at `{left[0]}` [session.not-cleared]")
            say("hint: run `bwrun --clean` to try again; the next run of bwrun tries it too")
        return cleared

    @staticmethod
    def _remove(path: str) -> bool:
        for _ in range(CLEAR_TRIES):
            if directory.remove(path):
                return True
            time.sleep(CLEAR_PAUSE)
        return directory.remove(path)

    def _end_leftovers(self) -> None:
        """Have a helper end all that the command left running; orphans come to this process and are reaped."""
        own = [] if self._janitor is None else [self._janitor.pid]
        try:
            helper = Helper.start("bwrun.helpers.leftovers", [str(os.getpid()), *map(str, own)])
        except OSError as error:
            say(f"warning: cannot end the processes that the command left running: {os.strerror(error.errno or 0)}")
            return
        end = time.monotonic() + LEFTOVERS_TIME  # the helper's own limits end it before
        ended = False
        while not ended and time.monotonic() < end:
            signals.sigtimedwait({signals.SIGCHLD}, 1.0)
            ended = helper.pid in _reap_all()
        count = helper.output().decode("ascii", "replace").strip()
        if self._settings.get(b"verbose") and count:
            say(f"ended {count} process(es) that the command left running")


def _reap_all() -> set[int]:
    found = set()
    try:
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            found.add(pid)
    except ChildProcessError:
        pass
    return found


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
