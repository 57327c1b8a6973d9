"""
The worker's side of `--mask`: it puts the masker between the command and the caller's stdout and stderr.

What is a pipe, a file or a socket becomes a pipe. What is a terminal becomes a terminal of the masker's. If stdin is
the same terminal, or it is the one of the process session, the command gets the masker's as its controlling terminal:
password prompts, full-screen programs and job control need that. stdout and stderr that are the same file stay so.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys

from bwrun.base.errors import SessionError
from bwrun.masking.finding import folder_of_packages
from bwrun.masking.handover import Handover, Stream, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bwrun.base.supervisor_link import SupervisorLink

STDOUT, STDERR = 1, 2
F_SETPIPE_SZ = 1031  # of Linux's fcntl.h; the module `fcntl` has its name from Python 3.10 on, not on every system
PIPE_SIZE = 1 << 20  # bytes; with the usual 64 KiB, each side waits for the other more often


class Redirection:
    """The new stdout and stderr of the command, and the process that they lead to."""

    def __init__(self, supervisor: SupervisorLink) -> None:
        """Have the masker started: it gets ready while the worker logs in."""
        self._supervisor = supervisor
        self._socket = supervisor.start_masker(os.fsencode(folder_of_packages()))
        self._targets: dict[int, int] = {}  # what the command gets as these descriptors
        self._has_terminal = False

    def hand_over(self, chosen: Collection[int], values: Iterable[bytes]) -> None:
        """
        Make pipes and terminals for the `chosen` descriptors, and give them and the `values` to the masker.

        Raises SessionError: the masker has died, or the system gives no pipe or terminal.
        """
        try:
            streams, terminal = self._make(chosen)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise SessionError("masker", f"cannot make a pipe or terminal for the command's output: {why}") from None
        try:
            stdin = os.fstat(0)
            identity = (stdin.st_dev, stdin.st_ino)
        except OSError:
            identity = (0, 0)  # it is closed
        sent = send(self._socket, Handover(os.getpid(), identity, tuple(streams), terminal, tuple(values)))
        for stream in streams:
            os.close(stream.source)
        if not sent:
            raise SessionError("masker", "the process that masks the command's output has ended")
        if terminal is not None:
            self._supervisor.announce_terminal()

    def enter(self) -> None:
        """Make the new descriptors those of this process, which is about to become the command."""
        if sys.platform == "linux" and self._has_terminal:
            from bwrun.masking.keeper import lead_session  # noqa: PLC0415  (only on a terminal)

            lead_session(self._targets[STDOUT])
        for number, target in self._targets.items():
            os.dup2(target, number)

    def _make(self, chosen: Collection[int]) -> tuple[list[Stream], int | None]:
        """Return the streams, and the caller's terminal if the command gets a controlling terminal."""
        chosen = [number for number in (STDOUT, STDERR) if number in chosen and not _leads_nowhere(number)]
        if len(chosen) == 1 and _are_same(STDOUT, STDERR):
            chosen = [STDOUT, STDERR]  # one file: what is masked in one is masked in both
        streams: list[Stream] = []
        terminal = None
        if STDOUT in chosen and os.isatty(STDOUT) and _is_used_for_input(STDOUT):
            terminal = STDOUT
            self._has_terminal = True
        for number in chosen:
            same = STDOUT if number == STDERR and STDOUT in self._targets and _are_same(STDOUT, STDERR) else None
            if same is not None:
                self._targets[number] = self._targets[same]
                continue
            if os.isatty(number):
                source, self._targets[number] = _make_terminal(number, is_whole=number == terminal)
            else:
                source, self._targets[number] = _make_pipe()
            streams.append(Stream(source, number, is_pty=os.isatty(number)))
        if terminal is not None:
            for number in (0, STDERR):
                if number not in self._targets and _is_open(number) and _are_same(number, STDOUT):
                    self._targets[number] = self._targets[STDOUT]
        return streams, terminal


def _make_pipe() -> tuple[int, int]:
    source, target = os.pipe()
    try:
        fcntl.fcntl(source, F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        pass  # the user has too many such pipes: it works with less
    return source, target


def _make_terminal(outer: int, *, is_whole: bool) -> tuple[int, int]:
    """
    Return master and slave of a new terminal with the modes and the size of `outer`.

    If it `is_whole`, it takes the place of `outer`. Otherwise it passes on what is written, unchanged, and `outer` does
    with it what its modes say.
    """
    import termios  # noqa: PLC0415  (only on a terminal)

    from bwrun.masking.terminal import OFLAG, copy_size  # noqa: PLC0415

    master, slave = os.openpty()
    modes = termios.tcgetattr(outer)
    if not is_whole:
        modes[OFLAG] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    copy_size(outer, slave)
    return master, slave


def _is_used_for_input(terminal: int) -> bool:
    """Return whether keys typed on a terminal are for the command: it is its stdin, or the controlling terminal."""
    if _is_open(0) and os.isatty(0):
        return _are_same(0, terminal)
    try:
        controlling = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.ttyname(controlling) == os.ttyname(terminal) or os.tcgetpgrp(terminal) >= 0
    except OSError:
        return False
    finally:
        os.close(controlling)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _leads_nowhere(number: int) -> bool:
    """Return whether a descriptor is closed, or is /dev/null: nobody reads it."""
    try:
        found = os.fstat(number)
    except OSError:
        return True
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev


def _are_same(first: int, second: int) -> bool:
    """Return whether two descriptors are the same pipe, socket or terminal, or one open file."""
    one, other = os.fstat(first), os.fstat(second)
    if (one.st_dev, one.st_ino) != (other.st_dev, other.st_ino):
        return False
    if not stat.S_ISREG(one.st_mode):
        return True
    # A file that was opened twice has two positions. Moving one of them shows whether it is the other one too.
    before, place = os.lseek(first, 0, os.SEEK_CUR), os.lseek(second, 0, os.SEEK_CUR)
    os.lseek(first, before + 1, os.SEEK_SET)
    moved = os.lseek(second, 0, os.SEEK_CUR) != place
    os.lseek(first, before, os.SEEK_SET)
    return moved
