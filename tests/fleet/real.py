"""
The model beside real processes: the same fleet, once simulated and once with bwrun against a server on this machine.

The limits are those of the servers at a tenth of the time, so that it takes minutes.  A header stands for the address
of a host.  A machine of two cores cannot start a hundred programs in the same second, so hosts start one after another,
and the model gets the same starts, and the times that a burst and an answer take as they were measured without limits.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median

from bwrun.network.remembered import LOGINS
from tests.fleet.model import START, Fleet, Outcome, Rule, simulate
from tests.server.control import Account, BitwardenServer
from tests.server.limits import Limit
from tests.server.specs import AccountSpec, Pbkdf2
from tests.support.program import BWRUN, Surroundings

PASSWORD = "correct horse"
PACE = 0.3  # seconds between the starts of two runs: what two cores can keep up with
SEEDS = range(20)
BURSTS = 5  # how often the times of a burst and of an answer are measured
TOKEN = "/connect/token"


@dataclass(frozen=True)
class Case:
    """A fleet and a server small enough for this machine."""

    name: str
    rule: Rule
    fleet: Fleet
    addresses: int


WINDOW, NARROW, BUCKET = Rule(LOGINS, 10, 6.0), Rule(LOGINS, 3, 6.0), Rule(LOGINS, 10, 3.0, is_bucket=True)
BURST = Fleet(hosts=10, at_once=12, timeout=45)
CASES = (
    Case("100 hosts, 1 address, 10 in 6 s", WINDOW, Fleet(hosts=100, timeout=20), 1),
    Case("100 hosts, 2 addresses, 10 in 6 s, `--jitter 6`", WINDOW, Fleet(hosts=100, timeout=20, jitter=6), 2),
    Case("60 hosts, 1 address, 10 at once, then 1 in 3 s, no time told", BUCKET, Fleet(hosts=60, timeout=40), 1),
    Case("10 hosts, 12 runs each, 3 in 6 s, nothing remembered", NARROW, BURST, 10),
    Case("10 hosts, 12 runs each, 3 in 6 s, remembered", NARROW, replace(BURST, remembers=True), 10),
)


@dataclass(frozen=True)
class Compared:
    """What came of a case: in reality, and by the model with several seeds."""

    case: Case
    real: Outcome
    modelled: list[Outcome]


@contextmanager
def running_server(hosts: int) -> Iterator[tuple[BitwardenServer, list[Account]]]:
    """Give a server with an account for each host."""
    with BitwardenServer.start() as server:
        specs = (AccountSpec(f"host{number}@example.com", PASSWORD, kdf=Pbkdf2(5_000)) for number in range(hosts))
        yield server, [server.add_account(spec) for spec in specs]


def compare(case: Case) -> Compared:
    """Run a case and simulate it."""
    fleet = case.fleet
    with running_server(fleet.hosts) as (server, accounts), tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        burst = mean(burst_of(server, accounts[0], fleet, Path(folder, f"burst{number}")) for number in range(BURSTS))
        answer = answer_of(server, accounts[0], Path(folder, "answer"))
        server.clear_requests()
        server.set_limit(
            Limit(TOKEN, case.rule.count, case.rule.seconds, is_bucket=case.rule.is_bucket, header="x-forwarded-for")
        )
        real = run(server, accounts, case, Path(folder))
    starts = tuple(number * PACE * fleet.at_once for number in range(fleet.hosts))
    modelled = replace(fleet, starts=starts, jitter=max(fleet.jitter, burst), answer=answer)
    return Compared(case, real, [simulate((case.rule,), modelled, case.addresses, seed) for seed in SEEDS])


def burst_of(server: BitwardenServer, account: Account, fleet: Fleet, folder: Path) -> float:
    """Return the seconds between the first and the last login of one host's runs, without limits and without jitter."""
    server.clear_requests()
    where = surroundings(server, account, folder, "burst")
    processes = [start(where, fleet.timeout, 0.0) for _ in range(fleet.at_once)]
    for process in processes:
        process.wait()
    times = [request.time for request in server.requests() if request.path.endswith(TOKEN)]
    return max(times) - min(times)


def answer_of(server: BitwardenServer, account: Account, folder: Path) -> float:
    """Return the seconds from a login to the sync that follows from its answer, for a run alone."""
    server.clear_requests()
    where = surroundings(server, account, folder, "answer")
    for _ in range(BURSTS):
        start(where, 60.0, 0.0).wait()
    moments = [[one.time for one in server.requests() if one.path.endswith(path)] for path in (TOKEN, "/api/sync")]
    return float(median(sync - login for login, sync in zip(*moments, strict=True)))


def surroundings(server: BitwardenServer, account: Account, folder: Path, address: str) -> Surroundings:
    """Return those of a host: a runtime directory and an account of its own, and its address as a header."""
    folder.mkdir(parents=True)
    found = Surroundings.make(folder)
    found.use(server, account)
    header = folder / "headers"
    header.write_text(f"X-Forwarded-For: {address}\n")
    header.chmod(0o600)
    found.environment["BWRUN_HEADER_FILE"] = str(header)
    return found


def start(where: Surroundings, timeout: float, jitter: float) -> subprocess.Popen[bytes]:
    """Start a run on a host."""
    words: list[str | Path] = [BWRUN, "--timeout", str(timeout), "--jitter", str(jitter or 0), "--", "true"]
    return subprocess.Popen(
        words, env=where.environment, cwd=where.work, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def run(server: BitwardenServer, accounts: list[Account], case: Case, folder: Path) -> Outcome:
    """Start all runs of a case, wait for them, and return what came of it, as the server saw it."""
    fleet = case.fleet
    processes = []
    began = time.monotonic()
    for number, account in enumerate(accounts):
        time.sleep(max(0.0, began + number * PACE * fleet.at_once - time.monotonic()))
        address = f"192.0.2.{number % case.addresses}"
        shared = surroundings(server, account, folder / f"host{number}", address)
        for one in range(fleet.at_once):
            # Runs that do not share a runtime directory cannot tell one another anything.
            own = folder / f"host{number}-{one}"
            where = shared if fleet.remembers else surroundings(server, account, own, address)
            processes.append(start(where, fleet.timeout, fleet.jitter))
    outcome = Outcome(runs=len(processes))
    outcome.done = sum(process.wait() == 0 for process in processes)
    logins = [request for request in server.requests() if request.path.endswith(TOKEN)]
    first = min(request.time for request in logins)
    outcome.logins = len(logins)
    outcome.refused = sum(request.status == 429 for request in logins)
    outcome.last = max(request.time for request in logins if request.status == 200) - first + START
    return outcome


def row(compared: Compared) -> str:
    """Return a row for the table: real, and by the model the mean and the least and most of all seeds."""
    real, modelled = compared.real, compared.modelled

    def both(name: str, form: str, scale: float = 1.0) -> str:
        values = [getattr(one, name) * scale for one in modelled]
        spread = f"{min(values):{form}} to {max(values):{form}}"
        return f"{getattr(real, name) * scale:{form}} | {mean(values):{form}} ({spread})"

    return (
        f"| {compared.case.name} | {both('share', '.0f', 100)} | {both('logins_per_done', '.2f')}"
        f" | {both('last', '.0f')} |"
    )
