"""
The masker: the process between the command and the caller's stdout and stderr, with `--mask`.

It holds the values, so it is closed to ptrace and core files, and it ends with the command. One thread pumps each
stream: it reads, masks and writes, and does not read on before that is written. So a slow reader slows the command, and
memory stays flat. The main thread listens to the supervisor, and moves what the user types if there is a terminal.
"""

from __future__ import annotations

import _thread
import os
import select

from bwrun.base import signals
from bwrun.masking import finding, handover
from bwrun.masking.forms import all_forms
from bwrun.masking.pumping import Pump, file_of
from bwrun.masking.stream import Forms
from bwrun.masking.waiting import Waiting
from bwrun.supervisor.masker import ENDED, PAUSE, PAUSED, RESUME
from bwrun.system import descriptors
from bwrun.system.calls import watch_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from bwrun.masking.terminal import OuterTerminal
    from bwrun.system.common import Watch

LOOK = 1000  # milliseconds between looks whether the command still runs, when the supervisor was killed


def main(socket: int, link: int, packages: str) -> NoReturn:
    """Mask; `socket` leads to the worker, `link` to the supervisor; `packages` is the folder that has Hyperscan."""
    descriptors.close_all_but(socket, link)
    descriptors.redirect_to_null(0, 1, 2)
    os.chdir("/")
    finding.load(packages)  # while the worker logs in
    given = handover.receive(socket)
    if given is None:
        os._exit(0)
    terminal: OuterTerminal | None = None
    if given.terminal is not None:
        from bwrun.masking.terminal import OuterTerminal as Outer  # noqa: PLC0415

        terminal = Outer(given.terminal, given.streams[0].source)
        terminal.take()
    os.write(socket, handover.READY)
    os.close(socket)
    os._exit(Masker(given, link, terminal).run())


class Masker:
    """The main thread."""

    def __init__(self, given: handover.Handover, link: int, terminal: OuterTerminal | None) -> None:
        """Prepare the search; the command may be starting by now, and what it writes waits in the pipes."""
        self._link: int | None = link
        self._terminal = terminal
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        waiting = Waiting(given.stdin, *(file_of(stream) for stream in given.streams if stream.is_pty))
        lock = _thread.allocate_lock()  # of the search, whose memory the streams share
        forms = Forms(all_forms(given.values))
        self._pumps = [Pump(stream, forms, lock, waiting, self._pump_ended) for stream in given.streams]
        self._command: Watch | None = watch_process(given.command)
        if terminal is not None:
            signals.signal(signals.SIGWINCH, lambda *_: None)
            signals.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
            signals.pthread_sigmask(signals.SIG_UNBLOCK, {signals.SIGWINCH})

    def run(self) -> int:
        """Work until all is written; return the exit status: 0, or the number of the error of a write."""
        for pump in self._pumps:
            _thread.start_new_thread(pump.run, ())
        while any(pump.is_running for pump in self._pumps):
            self._wait()
        if self._terminal is not None:
            self._terminal.give_back()
        return max(pump.error for pump in self._pumps)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        wait = None
        if self._link is not None:
            poll.register(self._link, select.POLLIN)
        elif self._command is not None:  # the supervisor was killed: the janitor ends the command
            wait = self._register_command(poll, self._command)
        if self._terminal is not None:
            self._terminal.register(poll)
        for descriptor, events in poll.poll(wait):
            if descriptor == self._woken:
                os.read(self._woken, 4096)
                if self._terminal is not None:
                    self._terminal.copy_size()
            elif descriptor == self._link:
                self._hear(descriptor)
            elif self._terminal is not None:
                self._terminal.move(descriptor, events)
        if self._link is None and self._command is not None and self._command.has_ended(0):
            self._command = None
            self._finish()

    def _register_command(self, poll: select.poll, command: Watch) -> int | None:
        """Register in `poll` the end of the command; return how long to wait at most, in milliseconds."""
        if command.descriptor is None:
            return LOOK
        poll.register(command.descriptor, select.POLLIN)
        return None

    def _hear(self, link: int) -> None:
        """Do what the supervisor says."""
        try:
            words = os.read(link, 64)
        except OSError:
            words = b""
        if not words:
            self._link = None
        for word in (words[at : at + 1] for at in range(len(words))):
            if word == ENDED:
                self._finish()
            elif word == PAUSE:
                self._pause(link)
            elif word == RESUME and self._terminal is not None:
                self._terminal.take()

    def _finish(self) -> None:
        for pump in self._pumps:
            pump.finish()

    def _pause(self, link: int) -> None:
        """Give the terminal back when all that the command has written is on it, for that was meant for its modes."""
        if self._terminal is not None:
            for pump in self._pumps:
                pump.settle()
            self._terminal.give_back()
        os.write(link, PAUSED)

    def _pump_ended(self) -> None:
        try:
            os.write(self._wake, b"e")
        except OSError:
            pass  # full: the main thread will wake up anyway
