"""The two terminals of a masked run: the caller's, which becomes a mere line, and the one on which the command is."""

from __future__ import annotations

import fcntl
import os
import select
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TIOCGPTPEER = 0x5441  # of Linux's asm-generic/ioctls.h: opens the terminal that belongs to a master
MOST_TYPED = 4096  # bytes that were typed and not yet taken by the command's terminal
IFLAG, OFLAG, CFLAG, LFLAG, CC = 0, 1, 2, 3, 6  # in the list of termios.tcgetattr()


def open_slave(master: int) -> int:
    """Open the terminal that belongs to a master, whatever is mounted at /dev/pts."""
    return fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def copy_size(source: int, target: int) -> None:
    """Give terminal `target` the window size of `source`; the kernel tells the programs on it if that is a change."""
    try:
        fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        pass  # one of the two has hung up


class OuterTerminal:
    """
    The caller's terminal. While the masker has taken it, every key goes to the command's terminal as it is.

    That one gives the keys their meanings: editing a line, Ctrl-C, Ctrl-Z. All signals for this process are blocked, so
    none of its calls stops it in the background.
    """

    def __init__(self, outer: int, master: int) -> None:
        """`outer` is the caller's terminal; `master` belongs to the command's."""
        self._outer = outer
        self._master: int | None = os.dup(master)
        self._slave = open_slave(master)  # kept open: the kernel resets the modes when nobody has it open
        os.set_blocking(self._master, False)
        self._saved: list[Any] | None = None  # the modes of the caller's terminal, while it is taken
        self._first_inner = termios.tcgetattr(master)
        self._typed = b""
        self._hung_up = False

    def take(self) -> None:
        """Take the terminal, if bwrun is in the foreground."""
        self.copy_size()
        if self._saved is not None or self._hung_up or not self._is_in_foreground():
            return
        try:
            self._saved = termios.tcgetattr(self._outer)
            termios.tcsetattr(self._outer, termios.TCSANOW, _raw(self._saved))
        except termios.error:
            self._saved = None  # it has hung up

    def give_back(self) -> None:
        """Restore the modes; but if the command has changed those of its own terminal (`stty`), copy them instead."""
        if self._saved is None:
            return
        modes, self._saved = self._saved, None
        try:
            if self._master is not None:
                inner = termios.tcgetattr(self._master)
                if inner != self._first_inner:
                    modes = [*inner[:CFLAG], modes[CFLAG], inner[LFLAG], *modes[LFLAG + 1 : CC], inner[CC]]
            if self._is_in_foreground():
                termios.tcsetattr(self._outer, termios.TCSANOW, modes)
        except termios.error:
            pass  # it has hung up

    def copy_size(self) -> None:
        """Give the command's terminal the size of the window."""
        if self._master is not None:
            copy_size(self._outer, self._master)

    def register(self, poll: select.poll) -> None:
        """Register in `poll` what is waited for."""
        if self._master is None:
            return
        if self._saved is not None and len(self._typed) < MOST_TYPED:
            poll.register(self._outer, select.POLLIN)
        if self._typed:
            poll.register(self._master, select.POLLOUT)

    def move(self, descriptor: int, events: int) -> None:
        """Move what was typed, when `descriptor` is ready."""
        if descriptor == self._outer and events:
            try:
                data = os.read(self._outer, MOST_TYPED)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._hang_up()
            self._typed += data
        if self._typed and self._master is not None:
            try:
                self._typed = self._typed[os.write(self._master, self._typed) :]
            except BlockingIOError:
                pass  # the command reads slowly
            except OSError:
                self._typed = b""  # the command's terminal is closed

    def _hang_up(self) -> None:
        self._hung_up = True
        self._saved = None
        if self._master is not None:
            os.close(self._master)
            self._master = None

    def _is_in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._outer) == os.getpgrp()
        except OSError:
            return True  # it is not the controlling terminal, so there is no background


def _raw(modes: list[Any]) -> list[Any]:
    """Return `modes` without any meaning of a byte, as cfmakeraw(3)."""
    raw = [*modes[:CC], list(modes[CC])]
    raw[IFLAG] &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
        | termios.ICRNL | termios.IXON
    )  # fmt: skip
    raw[OFLAG] &= ~termios.OPOST
    raw[LFLAG] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    raw[CC][termios.VMIN], raw[CC][termios.VTIME] = 1, 0
    return raw
