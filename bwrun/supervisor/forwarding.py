"""
Which signals are passed on to the command, so that each arrives exactly once.

The command shares bwrun's process group and terminal.  What the kernel or a
`kill` sent to the whole group has reached it already; what was sent to bwrun
alone has not.  What the command itself sent is not sent back to it: sudo's rule.
"""

from __future__ import annotations

import os

from bwrun.base import signals
from bwrun.supervisor import proc
from bwrun.supervisor.canary import Canary

# What a terminal sends to its whole foreground group.  Not SIGHUP: of a hang-up
# the kernel tells the session leader alone, and that may be bwrun.
FROM_TERMINAL = {
    signals.SIGINT, signals.SIGQUIT, signals.SIGTSTP, signals.SIGTTIN, signals.SIGTTOU, signals.SIGWINCH,
}  # fmt: skip


def reached_command(info: signals.struct_siginfo, since: float, command: int, canary: Canary | None) -> bool:
    """
    Return whether the command got this signal without bwrun's help, or sent it itself.

    `since` is when bwrun began to wait for a signal, in seconds of the monotonic clock.
    """
    by_kernel = info.si_code > 0
    if not by_kernel and _sent_by_command(info.si_pid, command):  # at once: a `kill` does not live long
        return True
    try:
        shares_group = os.getpgid(command) == os.getpgrp()
    except OSError:
        shares_group = False
    heard = shares_group and canary is not None and canary.heard(info.si_signo, since)
    return heard or (shares_group and by_kernel and info.si_signo in FROM_TERMINAL)


def _sent_by_command(sender: int, command: int) -> bool:
    if sender == command:
        return True
    try:
        same_group = os.getpgid(sender) == os.getpgrp()
    except OSError:
        return False
    return same_group and sender != os.getppid() and proc.is_descendant(sender, command)


def forward(number: int, command: int) -> None:
    """Send signal `number` to the command; a command that is gone or another user's is not bwrun's failure."""
    try:
        os.kill(command, number)
    except OSError:
        pass
