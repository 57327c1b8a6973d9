"""Many runs at once with `--cache`, a third of them killed at random: the others are right, and nothing is broken."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack

import pytest

from tests.supervisor.clearing import GONE, Run, end
from tests.support.cache_file import names_in
from tests.support.cached import SHOW, WARM, Cached
from tests.support.terminal import wait_until

LEFT = {".cache", ".lock", ".new"}  # what a killed run may leave for later ones


def stale(cached: Cached, how: str) -> None:
    """Make the runs begin with no cache, or with one that has changed, or whose token is refused."""
    if how == "cold":
        cached.surroundings.run("--clean")
    elif how == "changed":
        cached.server.add_items(cached.account)
    elif how == "refused":
        cached.server.expire_tokens(cached.account)
    cached.server.clear_requests()


def killed(run: Run, how: str) -> None:
    """Kill a run with SIGKILL: bwrun itself, its group, or each of its processes."""
    if how == "bwrun":
        run.kill(signal.SIGKILL)
    elif how == "group":
        run.kill_group(signal.SIGKILL)
    else:
        for process in reversed(run.members()):
            end(process)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", ["cold", "changed", "refused"])
def test_random_kills(cached: Cached, seed: int, crowd: int, how: str) -> None:
    """Whoever is killed whenever, the rest wait for the lock at most, and the cache opens or is replaced."""
    print(f"--fuzz-seed={seed}")  # noqa: T201  (shown when the test fails)
    chance = random.Random(seed)  # noqa: S311
    assert cached.ask()
    began = time.monotonic()
    cached.ask("--max-age", "0")
    one = time.monotonic() - began
    stale(cached, how)
    with ExitStack() as stack:
        began = time.monotonic()
        words = ("--cache", "--timeout", "600", *SHOW)
        runs = [stack.enter_context(Run.start(cached.surroundings, *words)) for _ in range(crowd)]
        victims = chance.sample(runs, crowd // 3)
        moments = sorted(chance.uniform(0, one * crowd / (os.cpu_count() or 1)) for _ in victims)
        ways = [chance.choice(("bwrun", "group", "everything")) for _ in victims]
        for victim, moment, way in zip(victims, moments, ways, strict=True):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            killed(victim, way)
        ended = [run.wait(600) for run in runs if run not in victims]
        for victim, way in zip(victims, ways, strict=True):
            # Of everything, bwrun is killed last: it may have told that the login was killed.
            assert victim.wait().status in (0, -signal.SIGKILL, *([125] if way == "everything" else []))

    assert {(done.status, done.stdout, done.stderr) for done in ended} == {(0, "p4ss", "")}
    assert sum(name.startswith("login") for name in cached.asked()) <= 1 + len(victims)
    assert set(names_in(cached.surroundings)) <= LEFT
    assert cached.read().parts["sync"]
    assert cached.ask() == WARM
    wait_until(lambda: cached.surroundings.run("--clean").status == 0 and cached.surroundings.left() == [], GONE)
    assert not cached.path.parent.exists()
