"""Undoing what Python and bwrun changed in this process, before it becomes the command."""

from __future__ import annotations

from bwrun.base import signals
from bwrun.system.common import IS_LINUX

# Python ignores these signals at its start. Whether the caller ignored SIGPIPE too is not known any more.
PYTHON_IGNORES = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")


def read_initial_environment() -> bytes | None:
    """Return the block of variables that this process was started with; None if there is no /proc."""
    try:
        with open("/proc/self/environ", "rb") as file:
            return file.read()
    except OSError:
        return None


def restore_inherited(mask: set[int], *, ignores_child: bool) -> None:
    """
    Restore the caller's signal mask and limits, and the handling of the signals that Python or bwrun changed.

    `mask` has the signals that the caller blocks; `ignores_child` says whether it ignores SIGCHLD.
    """
    for name in PYTHON_IGNORES:
        number = getattr(signals, name, None)
        if number is not None:
            signals.signal(number, signals.SIG_DFL)
    if ignores_child:
        signals.signal(signals.SIGCHLD, signals.SIG_IGN)
    if not IS_LINUX:
        from bwrun.system.calls import restore_limits  # noqa: PLC0415  (Linux has nothing to restore)

        restore_limits()
    signals.pthread_sigmask(signals.SIG_SETMASK, mask)
