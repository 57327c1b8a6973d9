"""
`make bench`: what a run costs, beside what it could cost at least; medians of rounds that take turns.

Every figure is of whole processes against the test server on this machine.
Ratios say more than milliseconds: they are of one run, on one machine.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.server.control import BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login
from tests.support.program import BWRUN, Surroundings

# The same worker without anybody who supervises it: it becomes the command in place, and nobody clears.
BARE_WORKER = """
import os, signal, sys, time
from bwrun import cli, launch, worker
from bwrun.channel import Channel, encode
from bwrun.console import Console
ours, theirs = launch._socketpair()
os.write(ours, encode([b"go", os.fsencode(sys.argv[1])]))
inherited = launch.Inherited(signal.pthread_sigmask(signal.SIG_BLOCK, ()), ignores_child=False)
inherited.supervisor = os.getppid()
started = time.monotonic()
worker.work(cli.parse(["--", "true"]), Console(verbose=False, started=started), Channel(theirs), inherited)
"""


def main() -> int:
    """Measure, print the table, and return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with TemporaryDirectory(prefix="bwrun-bench-") as folder, BitwardenServer.start() as server:
        surroundings = Surroundings.make(Path(folder))
        item = ItemSpec("prod-db", Login(username="deploy", password="p4ss"))
        account = server.add_account(AccountSpec("ada@example.com", "correct horse", items=(item,)))
        surroundings.use(server, account)
        times = measure(rows(surroundings, Path(folder)), rounds)
        print_times(times, rounds)
        print_memory(surroundings)
    return 0


def rows(surroundings: Surroundings, folder: Path) -> dict[str, Callable[[], float]]:
    """Return what is measured: a name, and a function that runs it once and returns its seconds."""
    counter = iter(range(1_000_000))

    def timed(*words: str | Path) -> float:
        start = time.perf_counter()
        subprocess.run(words, check=True, env=surroundings.environment, cwd=surroundings.work)
        return time.perf_counter() - start

    def bare_worker() -> float:
        directory = folder / f"bare-{next(counter)}"
        directory.mkdir(mode=0o700)
        return timed(sys.executable, "-c", BARE_WORKER, directory)

    def nested() -> float:
        script = f's=$(date +%s%N); "{BWRUN}" true; e=$(date +%s%N); echo $((e - s))'
        done = subprocess.run(
            [BWRUN, "--", "sh", "-c", script],
            check=True,
            env=surroundings.environment,
            cwd=surroundings.work,
            stdout=subprocess.PIPE,
        )
        return int(done.stdout) / 1e9

    return {
        "bare interpreter": lambda: timed(sys.executable, "-c", "pass"),
        "worker alone, nobody supervises": bare_worker,
        "bwrun -- true": lambda: timed(BWRUN, "--", "true"),
        "nested: bwrun -- true inside": nested,
    }


def measure(rows_: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run all rows in turn, `rounds` times after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in rows_}
    for number in range(rounds + 1):
        for name, once in rows_.items():
            taken = once()
            if number:
                times[name].append(taken)
    return times


def print_times(times: dict[str, list[float]], rounds: int) -> None:
    """Print medians, the fastest, and the ratio to the worker alone."""
    base = statistics.median(times["worker alone, nobody supervises"])
    say(f"{'median of ' + str(rounds) + ' rounds':34} {'median':>9} {'fastest':>9} {'ratio':>7}")
    for name, all_times in times.items():
        middle = statistics.median(all_times)
        say(f"{name:34} {middle * 1000:6.0f} ms {min(all_times) * 1000:6.0f} ms {middle / base:7.2f}")


def print_memory(surroundings: Surroundings) -> None:
    """Print what the waiting processes hold while the command runs (PSS: shared pages are divided)."""
    process = subprocess.Popen(
        [BWRUN, "--", "sh", "-c", "echo up; read line"],
        env=surroundings.environment,
        cwd=surroundings.work,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()
    time.sleep(0.5)
    total = 0
    say(f"\n{'while the command runs':34} {'PSS':>9}")
    for pid in [process.pid, *children(process.pid)]:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        if name != "sh":
            size = pss(pid)
            total += size
            say(f"{name:34} {size:6} KiB")
    say(f"{'together':34} {total:6} KiB")
    process.communicate(b"\n")


def children(pid: int) -> list[int]:
    """Return the children of `pid`."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def pss(pid: int) -> int:
    """Return the proportional set size of `pid` in KiB."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found.group(1)) if found else 0


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
