"""The N-th request goes wrong, for N = 1, 2, 3 … until a run passes untouched: nothing is ever left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.login.test_login_failures import assert_failed, assert_nothing_left, assert_tells_no_secret
from tests.server.control import BitwardenServer
from tests.server.faults import Action, Fault, Hang, NotJson, Reset, Signal, Status
from tests.support.program import BWRUN, TIMEOUT, Ended, Surroundings
from tests.support.terminal import wait_until
from tests.support.users import needs_root

MOST_STEPS = 6
OPTIONAL = "/api/config"


class Run:
    """A bwrun that waits for `go` before it begins, so that its pid is known before its first request."""

    def __init__(self, surroundings: Surroundings, *options: str) -> None:
        """Start a shell that becomes bwrun."""
        command = [str(BWRUN), *options, "--", "touch", str(surroundings.work / "started")]
        self.process = subprocess.Popen(
            ["sh", "-c", 'read go; exec "$@"', "sh", *command],
            env=surroundings.environment,
            cwd=surroundings.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    def go(self) -> Ended:
        """Let it begin, and wait for its end."""
        with self.process:
            try:
                stdout, stderr = self.process.communicate("go\n", TIMEOUT)
            finally:
                if self.process.poll() is None:
                    os.killpg(self.process.pid, signal.SIGKILL)
        return Ended(self.process.returncode, stdout, stderr)


def wait_until_clear(surroundings: Surroundings) -> None:
    """Give the janitor its time."""
    wait_until(lambda: surroundings.left() == [])


def steps(
    surroundings: Surroundings, server: BitwardenServer, action: Callable[[int], Action], count: int | None,
    *options: str,
) -> list[tuple[list[str], Ended]]:  # fmt: skip
    """
    Disturb the N-th request (and with `count` None all later ones), N from 1, until a run passes untouched.

    `action` gets the pid of that run's bwrun.  Return for each run the paths that were disturbed, and how it ended.
    """
    ended = []
    for skip in range(MOST_STEPS):
        run = Run(surroundings, *options)
        server.clear_faults()
        server.clear_requests()
        server.set_fault(Fault("", action(run.process.pid), skip=skip, count=count))
        done = run.go()
        paths = [request.path for request in server.requests()][skip:]
        ended.append((paths if count is None else paths[:count], done))
        if not paths:
            return ended
        if done.status == -signal.SIGKILL:
            wait_until_clear(surroundings)  # by the janitor: nobody waits for it
        if done.status == 125:
            assert_failed(surroundings, done, surroundings.environment)
        assert_tells_no_secret(done, surroundings.environment)
        assert_nothing_left(surroundings)
        (surroundings.work / "started").unlink(missing_ok=True)
    pytest.fail(f"{MOST_STEPS} runs, and none passed untouched")


@pytest.mark.parametrize(
    ("action", "options", "codes"),
    [
        (Reset(), (), {"network.interrupted"}),
        (Status(500, "oops"), (), {"server.unavailable"}),
        (NotJson(), (), {"server.not-json"}),
        pytest.param(Hang(), ("--timeout", "8"), {"network.timeout"}, marks=pytest.mark.slow),
    ],
    ids=["reset", "500", "HTML", "hang"],
)
def test_everything_fails_from_the_nth_request_on(
    ready: Surroundings, server: BitwardenServer, action: Action, options: tuple[str, ...], codes: set[str]
) -> None:
    """From any request on all go wrong: one error of the right kind, unless only the optional one was hit."""
    *disturbed, untouched = steps(ready, server, lambda _: action, None, *options)

    assert len(disturbed) >= 2
    for paths, done in disturbed:
        needed = any(not path.endswith(OPTIONAL) for path in paths)
        assert (done.status, set(done.codes)) == ((125, codes) if needed else (0, set())), (paths, done.stderr)
    assert (untouched[1].status, untouched[1].stderr) == (0, "")
    assert (ready.work / "started").exists()


def test_one_failure_at_the_nth_request(ready: Surroundings, server: BitwardenServer) -> None:
    """One failure for a moment, at whichever request, is nothing that a run fails by."""
    runs = steps(ready, server, lambda _: Reset(handled=True), 1)

    assert len(runs) >= 3  # login, sync, untouched; mostly the optional request too
    assert [(done.status, done.stderr) for _, done in runs] == [(0, "")] * len(runs)


def ended_by(number: signal.Signals, paths: list[str]) -> set[int]:
    """Return the statuses that are right: a signal at the optional request may come too late for the run."""
    return {-number, 0} if paths[0].endswith(OPTIONAL) else {-number}


def test_sigterm_at_the_nth_request(ready: Surroundings, server: BitwardenServer) -> None:
    """SIGTERM at whichever request ends bwrun by that signal, and quickly; the command is not started."""
    begun = time.monotonic()
    *disturbed, untouched = steps(ready, server, lambda pid: Signal(signal.SIGTERM, pid, hold_ms=60_000), 1)

    assert len(disturbed) >= 2
    for paths, done in disturbed:
        assert done.status in ended_by(signal.SIGTERM, paths), paths
        assert (done.stdout, done.stderr) == ("", ""), paths
    assert untouched[1].status == 0
    assert (ready.work / "started").exists()
    assert time.monotonic() - begun < 60  # one that waited for its answer would have taken that alone


@needs_root
def test_worker_killed_at_the_nth_request(ready: Surroundings, server: BitwardenServer) -> None:
    """The process that holds the secrets is killed from outside at whichever request: a failure, and nothing left."""
    *disturbed, untouched = steps(ready, server, lambda _: Signal(signal.SIGKILL, None, hold_ms=300), 1)

    assert len(disturbed) >= 2
    for paths, done in disturbed:
        assert done.status in ended_by(signal.SIGKILL, paths) - {-signal.SIGKILL} | {125}, paths
    assert untouched[1].status == 0


def test_bwrun_killed_at_the_nth_request(ready: Surroundings, server: BitwardenServer) -> None:
    """Bwrun itself is killed at whichever request: nothing of it goes on, and nothing is left."""
    *disturbed, untouched = steps(ready, server, lambda pid: Signal(signal.SIGKILL, pid, hold_ms=300), 1)

    assert len(disturbed) >= 2
    for paths, done in disturbed:
        assert done.status in ended_by(signal.SIGKILL, paths), paths
    assert untouched[1].status == 0
