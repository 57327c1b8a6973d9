"""The wait of `--jitter`: hosts that start in the same second do not ask the server in the same second."""

from __future__ import annotations

from random import random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.login.context import LoginContext
    from bwrun.network.client import Client


def wait_at_random(longest: float, context: LoginContext, client: Client, *, logs_in: bool) -> None:
    """
    Wait a random time of up to `longest` seconds, which does not count against the timeout.

    `logs_in`: whether the run is sure to log in.

    Raises ServerError: the server asked an earlier run for a wait for which there will be no time either.
    """
    wait = random() * longest  # noqa: S311  (nothing secret depends on it)
    if logs_in:
        client.check_waits(wait)
    context.console.step(f"waiting {wait:.1f} s: a random time of up to {longest:g} s (--jitter)")
    with context.timings.phase("jitter"):
        context.sleep(wait, "a random time (--jitter)")
    context.deadline.extend(wait)
