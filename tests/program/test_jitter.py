"""`--jitter`: a random wait before the first request, which counts for nothing else."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.program.test_waits import TOKEN, asked, record_file, text_of, write
from tests.server.control import Account, BitwardenServer
from tests.server.faults import RATE_LIMITED_OFFICIAL, Fault
from tests.supervisor import started
from tests.support.program import BWRUN, TIMEOUT, Ended, Surroundings

DAY = "86400"  # the longest: the chance that such a wait ends within a test is one in thousands
WAITING = re.compile(r"waiting ([0-9.]+) s: a random time of up to ([0-9.]+) s \(--jitter\)\n")


def connections_to(server: BitwardenServer) -> int:
    """Return how many connections there are to the server's port, by /proc/net/tcp (proc(5))."""
    port = int(server.url.rpartition(":")[2])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return sum(int(row[2].rpartition(":")[2], 16) == port and row[3] == "01" for row in rows)


def test_waits_before_the_first_request(ready: Surroundings, server: BitwardenServer) -> None:
    """It is told with -v, and nothing is sent before; no two runs wait equally long."""
    waits = []
    for _ in range(2):
        server.clear_requests()
        before = time.time()

        done = ready.run("-v", "--jitter", "1.5", "--", "echo", "ran")

        found = WAITING.search(done.stderr)
        assert found is not None
        assert (done.status, done.stdout, found[2]) == (0, "ran\n", "1.5")
        assert 0 <= float(found[1]) <= 1.5
        assert server.requests()[0].time - before >= float(found[1]) - 0.06
        waits.append(found[1])
    found = WAITING.search(ready.run("-v", "--", "true", env={"BWRUN_JITTER": "0.01"}).stderr)
    assert found is not None


def test_does_not_count_against_the_timeout(ready: Surroundings, server: BitwardenServer) -> None:
    """After the wait, as much of the timeout is left as without it."""
    server.set_fault(Fault(TOKEN, RATE_LIMITED_OFFICIAL, count=1))
    before = time.monotonic()

    done = ready.run("-v", "--jitter", "8", "--timeout", "50", "--", "true")

    took = time.monotonic() - before
    waited, left = WAITING.search(done.stderr), re.search(r"(\d+) s of the timeout are left", done.stderr)
    assert waited is not None
    assert left is not None
    assert int(left[1]) >= 50 - (took - float(waited[1])) - 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_wait(ready: Surroundings, server: BitwardenServer, number: signal.Signals) -> None:
    """It ends the run as before any other command; the server was neither asked nor connected to."""
    with started(ready, "-v", "--jitter", DAY, "--", "true", stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert any(b"a random time" in line for line in process.stderr)
        connections = connections_to(server)
        process.send_signal(number)
        process.communicate(timeout=TIMEOUT)

    assert process.returncode == -number
    assert server.requests() == []
    assert connections == 1  # the test's own, for commands


def test_what_fails_without_the_server_fails_at_once(ready: Surroundings) -> None:
    """Nobody waits for the news that a credential, the command or a reference is wrong."""
    for words, env, code in (
        (("--", "true"), {"BW_PASSWORD": None}, "credentials.missing"),
        (("--", "nonexistent-command"), {}, "command.not-found"),
        (("-e", "A=bw://", "--", "true"), {}, "reference.invalid"),
    ):
        assert ready.run("--jitter", DAY, *words, env=env).codes == [code]


def test_does_not_wait_where_no_login_is_needed(ready: Surroundings, server: BitwardenServer) -> None:
    """A nested run has the outer session, and a run without session and references has nothing to ask."""
    assert ready.run("--", BWRUN, "--jitter", DAY, "--", "echo", "ran") == Ended(0, "ran\n", "")
    assert len(asked(server, TOKEN)) == 1
    assert ready.run("--jitter", DAY, "--no-session", "--", "echo", "ran") == Ended(0, "ran\n", "")


def test_does_not_wait_where_the_cache_is_enough(ready: Surroundings, server: BitwardenServer) -> None:
    """With `--max-age`, a run may ask nothing; a run that asks whether the vault is current waits first."""
    assert ready.run("--cache", "--", "true").status == 0
    server.clear_requests()

    assert ready.run("--cache", "--max-age", "3600", "--jitter", DAY, "--", "true") == Ended(0, "", "")
    assert server.requests() == []
    done = ready.run("-v", "--cache", "--jitter", "0.5", "--", "true")
    assert WAITING.search(done.stderr) is not None
    assert asked(server, TOKEN) == []


@pytest.mark.parametrize("mode", ["--check", "--list"])
def test_does_not_wait_for_a_report(ready: Surroundings, mode: str) -> None:
    """Somebody waits for what `--check` and `--list` print."""
    assert ready.run("--jitter", DAY, mode).status == 0


def test_does_not_wait_in_vain(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """If an earlier run was told to wait so long that there will be no time, the error comes before the wait."""
    write(record_file(ready, account, server), text_of(3600))
    before = time.monotonic()

    done = ready.run("-v", "--jitter", "600", "--timeout", "60", "--", "true")

    assert done.codes == ["server.rate-limit"]
    assert WAITING.search(done.stderr) is None
    assert time.monotonic() - before < TIMEOUT
    assert server.requests() == []


@pytest.mark.parametrize("value", ["-1", "x", "nan", "inf", "86401", "1 s"])
def test_values_that_are_none(ready: Surroundings, value: str) -> None:
    """A value that is no number of seconds up to a day is an error."""
    done = ready.run("--", "true", env={"BWRUN_JITTER": value})

    assert done.codes == ["config.jitter"]
    assert "from 0 to 86400" in done.stderr


def test_zero_is_off(ready: Surroundings) -> None:
    """An option of 0 takes back what the environment says."""
    assert ready.run("--jitter", "0", "--", "true", env={"BWRUN_JITTER": DAY}) == Ended(0, "", "")
