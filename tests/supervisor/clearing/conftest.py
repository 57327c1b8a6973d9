"""The number of random kills, and a keeper that sees what a test's runs leave running."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

import psutil
import pytest

from tests.supervisor.clearing import GONE, is_alive
from tests.support.terminal import wait_until

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> int:
    """Return how often to kill."""
    return int(request.config.getoption("--fuzz"))


@pytest.fixture
def crowd(request: pytest.FixtureRequest) -> int:
    """Return how many runs go on at once."""
    return 50 if request.config.getoption("--thorough") else 20


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return a seed, a new one each time unless one was given."""
    given = request.config.getoption("--fuzz-seed")
    return int.from_bytes(os.urandom(4)) if given is None else int(given)


@pytest.fixture(autouse=True)
def keeper() -> Iterator[None]:
    """
    Adopt all that the test's runs orphan; at its end nothing of it may run.

    Parentage finds every process, whatever its name, group and session, and needs no privilege.
    """
    me = psutil.Process()
    before = set(me.children(recursive=True))
    adopt(yes=True)
    try:
        yield
        wait_until(lambda: not left_running(me, before), GONE)
    finally:
        for process in left_running(me, before):
            process.kill()
        adopt(yes=False)
        for process in set(me.children()) - before:
            process.wait(GONE)


def left_running(keeper: psutil.Process, before: set[psutil.Process]) -> list[psutil.Process]:
    """Return the descendants that were not there before."""
    return [process for process in keeper.children(recursive=True) if process not in before and is_alive(process)]


def adopt(*, yes: bool) -> None:
    """Become (or no longer be) the parent of descendants whose own parent has ended."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)
