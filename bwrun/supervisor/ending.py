"""Ending as the command ended, and the terminal as it was."""

from __future__ import annotations

import os
import resource
import termios

from bwrun.base import signals

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from typing import Any, NoReturn


def no_core() -> None:
    """Let this process write no core file: the command's own core is enough."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    except (OSError, ValueError):
        pass


def end_by_status(status: int, *, by_code: bool) -> NoReturn:
    """End with the wait status `status`: the same exit code, or the same signal (`by_code`: 128 + its number)."""
    if not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status))
    if by_code:
        os._exit(128 + os.WTERMSIG(status))
    end_by_signal(os.WTERMSIG(status))


def end_by_signal(number: int) -> NoReturn:
    """Die of signal `number`; 128 + number where that is impossible (PID 1 cannot kill itself)."""
    if number not in (signals.SIGKILL, signals.SIGSTOP):
        try:
            signals.signal(number, signals.SIG_DFL)
        except (OSError, ValueError):
            pass  # a signal of the C library's own
    os.kill(os.getpid(), number)
    signals.pthread_sigmask(signals.SIG_UNBLOCK, {number})
    os._exit(128 + number)


def stop_by_signal(number: int) -> None:
    """Stop this process by the signal that stopped the command; return when it was continued."""
    if signals.SIGCONT in signals.sigpending():
        return  # it goes on already
    os.kill(os.getpid(), number)
    if number != signals.SIGSTOP:
        signals.pthread_sigmask(signals.SIG_UNBLOCK, {number})  # here it stops
        signals.pthread_sigmask(signals.SIG_BLOCK, {number})


class Terminal:
    """The controlling terminal's modes, to be put back when the worker died in a prompt."""

    def __init__(self) -> None:
        """Save the modes, if there is a terminal."""
        self._modes: list[Any] | None = None
        tty = _open_terminal()
        if tty is None:
            return
        try:
            self._modes = termios.tcgetattr(tty)
        except termios.error:
            pass
        finally:
            os.close(tty)

    def restore(self) -> None:
        """Put the saved modes back; all signals are blocked, so SIGTTOU cannot stop this."""
        tty = _open_terminal() if self._modes is not None else None
        if tty is None or self._modes is None:
            return
        try:
            if os.tcgetpgrp(tty) == os.getpgrp():  # in the background the terminal is another's
                termios.tcsetattr(tty, termios.TCSADRAIN, self._modes)
        except (OSError, termios.error):
            pass
        finally:
            os.close(tty)


def _open_terminal() -> int | None:
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None


def has_terminal() -> bool:
    """Return whether this process has a controlling terminal, so that a shell may be watching its stops."""
    tty = _open_terminal()
    if tty is None:
        return False
    os.close(tty)
    return True
