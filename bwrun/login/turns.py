"""Waiting for a parallel run that logs in to the same account."""

from __future__ import annotations

from bwrun.base.console import can_rewrite
from bwrun.base.tasks import Task
from bwrun.cache.store import CacheStore
from bwrun.login.context import LoginContext

WORTH_SAYING = 1.0  # seconds; longer waits are told
WHO = "another run of bwrun, which is logging in to this account"


def wait_for_turn(store: CacheStore, context: LoginContext) -> None:
    """
    Take the lock of a cache, and wait until no other run has it.

    Raises NetworkError: the deadline has passed.
    """
    wait = store.try_lock()
    if wait is None:
        return
    turn = Task(wait)
    if not turn.wait(max(0.0, min(WORTH_SAYING, context.deadline.left()))):
        context.deadline.watched += WORTH_SAYING
        if context.console.verbose or not can_rewrite():
            context.console.tell(f"waiting for {WHO}")
        context.wait(turn, WHO)
