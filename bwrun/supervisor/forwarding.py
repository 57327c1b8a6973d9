"""
Deciding which signals are forwarded to the command, so that it receives each one exactly once.

The command is in bwrun's process group and on its terminal. A signal that was sent to the whole group has reached the
command already; a signal that was sent to bwrun alone has not. A signal that the command itself sent to bwrun is not
forwarded; sudo does the same.
"""

from __future__ import annotations

import os

from bwrun.base import signals
from bwrun.supervisor.canary import Canary
from bwrun.system import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.system.common import Received

# The signals that a terminal sends to its whole foreground group. SIGHUP is not one of them: when a terminal hangs up,
# the kernel sends it to the session leader alone, which may be bwrun.
FROM_TERMINAL = {
    signals.SIGINT, signals.SIGQUIT, signals.SIGTSTP, signals.SIGTTIN, signals.SIGTTOU, signals.SIGWINCH,
}  # fmt: skip


def reached_command(received: Received, since: float, command: int, canary: Canary | None) -> bool:
    """
    Return whether the command has received this signal already, or sent it itself.

    `since` is when bwrun began to wait for a signal, in seconds of time.monotonic().
    """
    if received.sender is not None and _sent_by_command(received.sender, command):  # first: the sender may end soon
        return True
    try:
        shares_group = os.getpgid(command) == os.getpgrp()
    except OSError:
        shares_group = False
    by_group = shares_group and canary is not None and canary.group_received(received.number, since)
    return by_group or (shares_group and received.by_kernel and received.number in FROM_TERMINAL)


def _sent_by_command(sender: int, command: int) -> bool:
    """Return whether process `sender` is the command or a descendant of it in the same process group."""
    if sender == command:
        return True
    try:
        same_group = os.getpgid(sender) == os.getpgrp()
    except OSError:
        return False
    return same_group and sender != os.getppid() and processes.is_descendant(sender, command)


def forward_to_group(number: int, command: int) -> None:
    """Send signal `number` to the process group that `command` leads."""
    try:
        os.killpg(command, number)
    except OSError:
        forward(number, command)


def forward(number: int, command: int) -> None:
    """Send signal `number` to the command. A command that has ended or belongs to another user is not an error."""
    try:
        os.kill(command, number)
    except OSError:
        pass
