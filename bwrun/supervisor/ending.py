"""Ending or stopping bwrun as the command ended or stopped, and restoring the terminal."""

from __future__ import annotations

import os
import resource
import termios

from bwrun.base import signals
from bwrun.system.calls import has_arrived, set_default, unset_default

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def disable_core_files() -> None:
    """Keep this process from writing a core file when it dies by the signal that killed the command."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    except (OSError, ValueError):
        pass


def end_by_status(status: int, *, by_code: bool) -> NoReturn:
    """
    End as the command did, whose status of waitpid(2) is `status`: with its exit code, or by its signal.

    With `by_code`, end with the exit code 128 + the number of the signal instead.
    """
    if not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status))
    if by_code:
        os._exit(128 + os.WTERMSIG(status))
    end_by_signal(os.WTERMSIG(status))


def end_by_signal(number: int) -> NoReturn:
    """Die by signal `number`; if that is impossible, as for PID 1, end with the exit code 128 + `number`."""
    if number not in (signals.SIGKILL, signals.SIGSTOP):
        try:
            signals.signal(number, signals.SIG_DFL)
        except (OSError, ValueError):
            pass  # the C library keeps this signal for itself
    os.kill(os.getpid(), number)
    signals.pthread_sigmask(signals.SIG_UNBLOCK, {number})
    os._exit(128 + number)


def stop_by_signal(number: int) -> None:
    """Stop this process by the signal that stopped the command; return when it is continued."""
    if has_arrived(signals.SIGCONT):
        return  # somebody has continued it already
    if number == signals.SIGSTOP:
        os.kill(os.getpid(), number)
        return
    set_default(number)
    os.kill(os.getpid(), number)
    signals.pthread_sigmask(signals.SIG_UNBLOCK, {number})  # the process stops here
    signals.pthread_sigmask(signals.SIG_BLOCK, {number})
    unset_default(number)


def stop_group_by_signal(number: int) -> None:
    """
    Stop this process and its process group, as the terminal would if the command were a member; return when continued.

    The command has a terminal of its own, so the caller's terminal has sent no signal to the group.
    """
    if signals.SIGCONT not in signals.sigpending() and number != signals.SIGSTOP:
        try:
            os.killpg(os.getpgrp(), number)
        except OSError:
            pass  # some of it belongs to another user
    stop_by_signal(number)


class Terminal:
    """The modes of the controlling terminal, which are restored if the worker dies at a prompt."""

    def __init__(self) -> None:
        """Save the modes if there is a terminal."""
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
        """Restore the saved modes. SIGTTOU cannot stop this, because all signals are blocked."""
        tty = _open_terminal() if self._modes is not None else None
        if tty is None or self._modes is None:
            return
        try:
            if os.tcgetpgrp(tty) == os.getpgrp():  # a background process must not change the terminal
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
    """Return whether this process has a controlling terminal, so that a shell may react when it stops."""
    tty = _open_terminal()
    if tty is None:
        return False
    os.close(tty)
    return True
