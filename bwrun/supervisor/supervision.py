"""
Supervising a run: the worker, which becomes the command, and the processes and files that exist while it runs.

One loop takes the signals, the worker's messages and the ends of processes, one at a time.
"""

from __future__ import annotations

import os
import time

from bwrun.base import signals
from bwrun.base.channel import (
    CHECK_DIRECTORY,
    CONFIRM,
    CONFIRMED,
    END,
    EXEC,
    MAKE_DIRECTORY,
    MASKER,
    NO_DIRECTORY,
    REFUSED,
    RENEW,
    SET,
    START_AGENT,
    START_MASKER,
    Channel,
)
from bwrun.base.errors import STATUS_FAILED
from bwrun.supervisor import clearing, ending, forwarding
from bwrun.supervisor.agent import Agent
from bwrun.supervisor.canary import Canary
from bwrun.supervisor.janitor import Janitor
from bwrun.supervisor.masker import Masker
from bwrun.supervisor.printing import print_line
from bwrun.supervisor.renewal import Renewal
from bwrun.supervisor.session_directory import SessionDirectory
from bwrun.supervisor.sweeping import sweep_one
from bwrun.system import calls, descriptors, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.system.common import Received

CATCHABLE = signals.valid_signals() - {signals.SIGKILL, signals.SIGSTOP}
ENDING = {signals.SIGTERM, signals.SIGINT, signals.SIGHUP}  # the first of these starts the time of --kill-after


class Supervision:
    """One run: the worker, which becomes the command, and the processes and files that exist while it runs."""

    def __init__(self, channel: int, worker: int) -> None:
        """Remember the worker and the channel to it, without doing anything yet."""
        self.worker = worker
        self.ends_by_code = False  # True: --signal-exit
        self.interrupted: int | None = None  # the signal that ended bwrun while output of the command was left
        self._channel = Channel(channel)
        self._terminal: ending.Terminal | None = None
        self._directory = SessionDirectory()
        self._stale_directories: list[str] = []
        self._janitor: Janitor | None = None
        self._canary: Canary | None = None
        self._received: set[int] = set()  # all signals so far
        self._command_started = False  # the worker is about to call execve, or has done so
        self._reported_status: int | None = None  # with which the worker ends, without a command
        self._settings: dict[bytes, bytes] = {}
        self._renewal: Renewal | None = None
        self._agent: Agent | None = None
        self._masker: Masker | None = None
        self._kill_at: float | None = None  # when to kill the command, for --kill-after

    def take_over(self) -> None:
        """Block all signals, close the caller's descriptors, and save the terminal's modes."""
        signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
        channel = self._channel.descriptor
        os.set_inheritable(channel, False)
        os.set_blocking(channel, False)
        descriptors.close_all_but(channel)
        descriptors.redirect_to_null(0, 1)
        if not descriptors.is_open(2):
            descriptors.redirect_to_null(2)
        calls.prepare_signals()
        processes.set_name("bwrun")
        ending.disable_core_files()
        self._terminal = ending.Terminal()

    def prepare(self) -> None:
        """Start janitor and canary, before the worker gets a directory."""
        self._janitor = Janitor.start(self._directory.candidates, self.worker)
        while (received := calls.wait_signal(CATCHABLE - {signals.SIGCHLD}, 0)) is not None:
            self._received.add(received.number)
            # The worker may have received it too, but twice is better than never.
            forwarding.forward(received.number, self.worker)
        self._canary = Canary.start()
        calls.hide_memory()
        calls.wake_on(self._channel.descriptor)
        os.chdir("/")
        self._handle_messages()  # those that arrived before

    def wait(self) -> int:
        """Forward signals until the worker, or the command it became, has ended; return its status of waitpid(2)."""
        while True:
            since = time.monotonic()
            received = calls.wait_signal(CATCHABLE, 0 if self._stale_directories else self._until_next_timer())
            self._run_timers()
            self._handle_messages()
            if received is None:
                if self._stale_directories:
                    sweep_one(self._stale_directories.pop())  # one at a time, so that signals do not wait long
                continue
            if received.number == signals.SIGCHLD:
                status = self._reap()
                if status is not None:
                    return self._final_status(status)
            else:
                self._handle_signal(received, since)

    def _until_next_timer(self) -> float:
        waits = [86400.0]  # a day, because wait_signal() cannot wait without a limit
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

    def _handle_signal(self, received: Received, since: float) -> None:
        number = received.number
        self._received.add(number)
        if self._masker is not None and number == signals.SIGCONT and self._has_own_terminal():
            self._masker.resume()
            forwarding.forward_to_group(number, self.worker)
            return
        if not forwarding.reached_command(received, since, self.worker, self._canary):
            forwarding.forward(number, self.worker)
        kill_after = self._settings.get(b"kill-after")
        ignored = signals.getsignal(number) == signals.SIG_IGN  # as nohup(1) does; the command ignores it too
        if kill_after is not None and number in ENDING and not ignored and self._kill_at is None:
            self._kill_at = time.monotonic() + float(kill_after)

    def _handle_messages(self) -> None:
        """Handle the messages that the worker has sent."""
        for word, *rest in self._channel.drain():
            if word in (MAKE_DIRECTORY, CHECK_DIRECTORY, NO_DIRECTORY):
                self._channel.send(*self._directory.answer(word))
                self._stale_directories = self._directory.stale_directories()
            elif word == EXEC:
                self._command_started = True
            elif word == END:
                self._reported_status = int(rest[0])
            elif word in (START_AGENT, START_MASKER):
                (self._start_agent if word == START_AGENT else self._start_masker)(*rest)
            elif word == RENEW:
                self._renewal = Renewal(float(rest[0]), rest[1:])
            elif word == SET:
                self._settings[rest[0]] = rest[1]
            elif word == CONFIRM:
                self._apply_settings()
        answer = self._agent and self._agent.answer()
        if answer:
            self._channel.send(*answer)

    def _apply_settings(self) -> None:
        self.ends_by_code = b"signal-exit" in self._settings
        if b"kill-leftovers" in self._settings:
            calls.adopt_orphans()
        self._channel.send(CONFIRMED)

    def _start_agent(self, program: bytes, socket: bytes) -> None:
        try:
            self._agent = None if self._janitor is None else self._janitor.start_agent(program, socket)
        except OSError as error:
            self._channel.send(REFUSED, b"ssh-agent", os.strerror(error.errno or 0).encode())

    def _start_masker(self, packages: bytes) -> None:
        try:
            self._masker, socket = Masker.start(packages)
        except OSError as error:
            self._channel.send(REFUSED, b"masker", os.strerror(error.errno or 0).encode())
            return
        self._channel.send_with(socket, MASKER)
        os.close(socket)

    def _has_own_terminal(self) -> bool:
        """Return whether the command is on a terminal of the masker's, in a process session of its own."""
        return self._masker is not None and b"masked-terminal" in self._settings

    def _reap(self) -> int | None:
        """Reap all children that ended, even orphans if this is PID 1; return the status of the worker if it ended."""
        ended: int | None = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            if pid != self.worker:
                self._note_end(pid, status)
            elif not os.WIFSTOPPED(status):
                ended = status
            elif ending.has_terminal():
                self._stop(os.WSTOPSIG(status))

    def _note_end(self, pid: int, status: int) -> None:
        """Tell the user what it means that another child than the worker ended."""
        if self._agent is not None and self._agent.has_ended(pid):
            print_line("warning: the ssh-agent was killed: the command has no SSH keys any more")
        elif self._masker is not None and self._masker.has_ended(pid, status):
            if self._has_own_terminal() and self._terminal is not None:
                self._terminal.restore()
        elif self._renewal is not None and (warning := self._renewal.ended(pid)) is not None:
            print_line(f"warning: cannot renew the session's access token: {warning}")

    def _stop(self, number: int) -> None:
        """Stop as the command did, for the shell must see that; its SIGCONT for bwrun is forwarded to the command."""
        if self._masker is not None and self._has_own_terminal():
            self._masker.pause()
            ending.stop_group_by_signal(number)
        else:
            ending.stop_by_signal(number)

    def _final_status(self, status: int) -> int:
        """Return the status to end with, in the form of waitpid(2); `status` is that of the worker or the command."""
        self._handle_messages()
        if self._reported_status is not None:
            return self._reported_status << 8
        if self._command_started:
            return status
        if self._terminal is not None:
            self._terminal.restore()
        self._received |= signals.sigpending()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in self._received:
            return status
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        print_line(f"error: the process that logs in and starts the command ended early, with {how} [internal]")
        return STATUS_FAILED << 8

    def abandon(self) -> None:
        """Kill the worker, because it cannot be supervised."""
        forwarding.forward(signals.SIGKILL, self.worker)
        if self._masker is not None:
            self._masker.kill()
        try:
            os.waitpid(self.worker, 0)
        except OSError:
            pass

    def clear(self) -> bool:
        """Remove the session's directory and end all helpers; return whether nothing is left of the session."""
        if self._renewal is not None:
            self._renewal.stop()
        if self._agent is not None:
            self._agent.end()
        calls.stop_waking(self._channel.descriptor)
        self._channel.close()
        if self._canary is not None:
            self._canary.end()  # first, because removing may need the descriptors that it frees
        # All candidates, because making one of them may have failed half way.
        left = [path for path in self._directory.candidates if not clearing.remove_patiently(path)]
        cleared = not left
        if b"kill-leftovers" in self._settings and self._command_started:
            spared = [one.pid for one in (self._janitor, self._masker) if one is not None]
            clearing.end_leftovers(spared, verbose=bool(self._settings.get(b"verbose")))
        if self._janitor is not None:
            self._janitor.release(cleared=cleared)
        for path in self._stale_directories:
            sweep_one(path)
        if self._masker is not None:
            self.interrupted = self._masker.finish()
            if self.interrupted is not None and self._has_own_terminal() and self._terminal is not None:
                self._terminal.restore()
        if not cleared:
            print_line(f"error: cannot remove the session at `{left[0]}` [session.not-cleared]")
            print_line("hint: run `bwrun --clean` to try again; the next run of bwrun tries it too")
        return cleared
