"""Protecting the process that becomes the command, before it reads the first setting."""

from __future__ import annotations

import os

from bwrun.base import signals
from bwrun.command.environment import without_interpreter_changes
from bwrun.command.restoring import read_initial_environment
from bwrun.system.calls import die_with_parent, hide_memory


def protect(supervisor: int, mask: set[int]) -> dict[str, str]:
    """
    Hide this process from others, and let it end with its `supervisor`; return the caller's environment.

    `mask` has the signals that the caller blocks; no others are blocked from here on.
    """
    # This reads /proc/self/environ, which hide_memory() closes.
    environment = without_interpreter_changes(os.environ, read_initial_environment())
    hide_memory()
    die_with_parent(supervisor)
    signals.pthread_sigmask(signals.SIG_SETMASK, mask)
    return environment
