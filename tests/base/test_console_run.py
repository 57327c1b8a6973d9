"""`-v`: what is done, step by step with times, never a value."""

from __future__ import annotations

import re

import pytest

from tests.conftest import CANARY
from tests.server.control import Account
from tests.support.program import Ended, Surroundings

STEP = re.compile(r"bwrun: +(\d+\.\d{3}) s  (\S.*)")


def without_steps(done: Ended) -> Ended:
    """Return how a run ended, less the steps on its stderr."""
    lines = [line for line in done.stderr.splitlines(keepends=True) if not STEP.fullmatch(line.rstrip("\n"))]
    return Ended(done.status, done.stdout, "".join(lines))


def test_steps(ready: Surroundings, account: Account) -> None:
    """Each step is a line on stderr with the time since the start; no value is in any, and stdout is the command's."""
    done = ready.run("-v", "--", "sh", "-c", 'echo "$BW_SESSION"')
    session = done.stdout.strip()

    assert done.status == 0
    assert len(session) == 88
    steps = [STEP.fullmatch(line) for line in done.stderr.splitlines()]
    times = [float(step[1]) for step in steps if step is not None]
    assert len(times) == len(steps) >= 6
    assert times == sorted(times)
    assert times[-1] > 0
    for word in (
        "found the command ",
        "logged in to ",
        "unlocked the vault with ",
        "fetched the vault from ",
        "wrote the session to ",
        "starting the command",
    ):
        assert any(word in step[2] for step in steps if step is not None), word
    secrets = (session, account.client_secret, account.user_key_hex, CANARY, "p4ss", "m4il", "prod-db")
    assert [secret for secret in secrets if secret in done.stderr] == []


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["sh", "-c", "echo out; echo err >&2; exit 3"], {}),
        (["sh", "-c", "kill -TERM $$"], {}),
        (["true"], {"BW_PASSWORD": f"wrong {CANARY}"}),
        (["true"], {"BW_CLIENTID": None, "BW_PASSWORD": None}),
    ],
    ids=str,
)
def test_same_result(ready: Surroundings, words: list[str], changes: dict[str, str | None]) -> None:
    """With or without -v a run ends in the same way, prints the same errors, and shows no secret."""
    quiet = ready.run("--", *words, env=changes)
    verbose = ready.run("-v", "--", *words, env=changes)

    assert without_steps(verbose) == quiet
    assert STEP.search(verbose.stderr)
    assert CANARY not in verbose.stderr + quiet.stderr


@pytest.mark.parametrize(("value", "speaks"), [("1", True), ("0", False)])
def test_by_a_variable(ready: Surroundings, value: str, *, speaks: bool) -> None:
    """BWRUN_VERBOSE=1 is -v, BWRUN_VERBOSE=0 is not."""
    done = ready.run("--", "true", env={"BWRUN_VERBOSE": value})

    assert without_steps(done) == Ended(0, "", "")
    assert bool(done.stderr) == speaks
