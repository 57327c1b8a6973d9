"""`--timings`: how long each phase of a run took, said before the command starts; no clock is judged here."""

from __future__ import annotations

import re
import time

import pytest

from tests.server.control import BitwardenServer
from tests.server.faults import Delay, Fault
from tests.support.program import BWRUN, Ended, Surroundings

LINE = re.compile(r"^bwrun: timing: ([a-z]+) +([0-9]+\.[0-9]) ms  \(began at ([0-9]+\.[0-9]) ms\)$")
BEFORE = ["start", "import", "guard", "connect", "token", "kdf", "sync"]
REFERENCE = {"ONE": "bw://prod-db/password"}


def phases(done: Ended) -> dict[str, tuple[float, float]]:
    """Return what each phase took, and when it began, in ms; nothing else may stand on stderr."""
    found = [LINE.match(line) for line in done.stderr.splitlines()]

    assert done.status == 0
    assert all(found), done.stderr
    return {one[1]: (float(one[2]), float(one[3])) for one in found if one is not None}


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        ((), {}, [*BEFORE, "decrypt", "write", "spawn", "total"]),
        ((), REFERENCE, [*BEFORE, "decrypt", "write", "spawn", "total"]),
        (("--no-session",), REFERENCE, [*BEFORE, "decrypt", "spawn", "total"]),
        (("--no-session",), {}, ["start", "guard", "spawn", "total"]),
    ],
    ids=["session", "session and reference", "reference alone", "nothing"],
)
def test_phases(ready: Surroundings, words: tuple[str, ...], variables: dict[str, str], expected: list[str]) -> None:
    """Each phase that a run has is named, in order; together with the command's own output."""
    done = ready.run("--timings", *words, "--", "echo", "out", env=variables)

    assert list(phases(done)) == expected
    assert done.stdout == "out\n"


def test_by_variable_only_if_asked(ready: Surroundings) -> None:
    """The variable asks for it too; without either nothing is said."""
    assert "total" in phases(ready.run("--", "true", env={"BWRUN_TIMINGS": "1"}))
    assert ready.run("--", "true").stderr == ""


@pytest.mark.parametrize("words", [("--check", "--", "true"), ("--list",)])
def test_trials(ready: Surroundings, words: tuple[str, ...]) -> None:
    """What starts no command says how long it took as well."""
    assert {"token", "kdf", "sync", "decrypt", "total"} <= phases(ready.run("--timings", *words)).keys()


def test_nested(ready: Surroundings) -> None:
    """A run inside another has nothing but its own start."""
    done = ready.run("--", "sh", "-c", '"$0" --timings -- true', BWRUN)

    assert list(phases(done)) == ["total"]


@pytest.mark.parametrize(("path", "phase"), [("/connect/token", "token"), ("/sync", "sync")])
def test_time_is_counted_where_it_passes(ready: Surroundings, server: BitwardenServer, path: str, phase: str) -> None:
    """
    A server that takes 3 s for one answer shows in that phase, in the whole, and in no other phase.

    Where another phase is as long, because the machine is busy, it shows that it does not grow with a longer delay.
    """
    for delay in (3000, 12_000, 48_000):
        server.clear_faults()
        server.set_fault(Fault(path, Delay(delay)))
        start = time.monotonic()
        found = phases(ready.run("--timings", "--", "true"))
        passed = (time.monotonic() - start) * 1000

        assert delay <= found[phase][0] <= found["total"][0] <= passed
        assert all(took + began <= found["total"][0] + 1 for took, began in found.values())
        as_long = {name for name, (took, _) in found.items() if took >= delay - 100}
        if as_long == {phase, "total"}:
            break

    assert as_long == {phase, "total"}
