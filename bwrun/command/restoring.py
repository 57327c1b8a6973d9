"""What the worker gives back before it becomes the command: everything that was Python's or bwrun's own."""

from __future__ import annotations

from bwrun.base import signals

# Python ignores these two at its start. That the caller ignored SIGPIPE itself cannot be known any more.
PYTHON_IGNORES = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")


def initial_environment() -> bytes | None:
    """Return the environment block this process was started with; None where there is no /proc."""
    try:
        with open("/proc/self/environ", "rb") as file:
            return file.read()
    except OSError:
        return None


def restore_signals(mask: set[int], *, ignores_child: bool) -> None:
    """
    Put dispositions and mask back to what the caller gave; the rest of the ignores was never touched.

    `mask`: the signals the caller blocks; `ignores_child`: whether it ignores SIGCHLD.
    """
    for name in PYTHON_IGNORES:
        number = getattr(signals, name, None)
        if number is not None:
            signals.signal(number, signals.SIG_DFL)
    if ignores_child:
        signals.signal(signals.SIGCHLD, signals.SIG_IGN)
    signals.pthread_sigmask(signals.SIG_SETMASK, mask)
