"""Clearing what a run leaves: the session's directory, and with --kill-leftovers the processes that still run."""

from __future__ import annotations

import os
import time

from bwrun.base import signals
from bwrun.supervisor.helper import Helper
from bwrun.supervisor.printing import print_line
from bwrun.supervisor.removing import remove
from bwrun.system.calls import wait_signal

CLEAR_TRIES = 3
CLEAR_PAUSE = 0.05  # seconds between two tries
LEFTOVERS_TIME = 60.0  # seconds to wait for the helper of --kill-leftovers


def remove_patiently(path: str) -> bool:
    """Remove a session's directory, with a few more tries; return whether it is gone."""
    for _ in range(CLEAR_TRIES):
        if remove(path):
            return True
        time.sleep(CLEAR_PAUSE)
    return remove(path)


def end_leftovers(spared: list[int], *, verbose: bool) -> None:
    """Start a helper that ends all processes the command left running, and reap them; those in `spared` stay."""
    try:
        helper = Helper.start("bwrun.helpers.leftovers", list(map(str, [os.getpid(), *spared])))
    except OSError as error:
        print_line(f"warning: cannot end the processes that the command left running: {os.strerror(error.errno or 0)}")
        return
    end = time.monotonic() + LEFTOVERS_TIME  # the helper has shorter limits itself
    ended = False
    while not ended and time.monotonic() < end:
        wait_signal({signals.SIGCHLD}, 1.0)
        ended = helper.pid in _reap_all()
    count = helper.output().decode("ascii", "replace").strip()
    if verbose and count:
        print_line(f"ended {count} process(es) that the command left running")


def _reap_all() -> set[int]:
    found = set()
    try:
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            found.add(pid)
    except ChildProcessError:
        pass
    return found
