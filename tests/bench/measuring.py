"""Rounds in which all rows take turns, and what is said of their times."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Samples = dict[str, list[float]]
# The largest resident size, in KiB, of a program and of all it waited for: the kernel keeps it beyond an exec.
PEAK = """
import os, resource, sys
null = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=null)
status = os.waitpid(pid, 0)[1]
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


@dataclass(frozen=True)
class Probe:
    """Something to measure: `once` gives seconds by key; in the first `rounds` alone, if that is said."""

    once: Callable[[], Mapping[str, float]]
    rounds: int | None = None


@dataclass(frozen=True)
class Runner:
    """Runs programs in one directory; `quiet` drops what they say on stderr."""

    cwd: Path
    quiet: bool = False

    def time(self, words: Sequence[str | Path], environment: Mapping[str, str]) -> float:
        """Run a program, which must succeed, and return its seconds."""
        start = time.perf_counter()
        self._run(words, environment, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    def read(self, words: Sequence[str | Path], environment: Mapping[str, str]) -> str:
        """Run a program, which must succeed, and return what it printed."""
        return self._run(words, environment, stdout=subprocess.PIPE).decode().strip()

    def _run(self, words: Sequence[str | Path], environment: Mapping[str, str], stdout: int) -> bytes:
        stderr = subprocess.DEVNULL if self.quiet else None
        done = subprocess.run(
            words, check=True, env=environment, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )
        return done.stdout or b""

    def read_json(self, words: Sequence[str | Path], environment: Mapping[str, str]) -> dict[str, float]:
        """Run a program that prints numbers by name."""
        return {str(name): float(value) for name, value in json.loads(self.read(words, environment)).items()}

    def peak(self, words: Sequence[str | Path], environment: Mapping[str, str]) -> float:
        """Return the largest resident size, in MB, among a program's process and those it waited for."""
        return int(self.read([sys.executable, "-I", "-S", "-c", PEAK, *words], environment)) / 1000


def measure(probes: Sequence[Probe], rounds: int) -> Samples:
    """
    Run all probes in turn, `rounds` times after one round to warm up.

    hyperfine, pyperf and pytest-benchmark finish one command before they begin the next: a machine that slows down
    in between changes the ratio.  Here both sides of a ratio are always seconds apart.
    """
    samples: Samples = {}
    for number in range(rounds + 1):
        for probe in probes:
            if probe.rounds is not None and (number == 0 or number > probe.rounds):
                continue
            for key, seconds in probe.once().items():
                values = samples.setdefault(key, [])
                if number:
                    values.append(seconds)
        show_progress(number, rounds)
    show_progress(None, rounds)
    return samples


def show_progress(number: int | None, rounds: int) -> None:
    """Say on a terminal which round is done; None wipes it away."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K" if number is None else f"\rround {number} of {rounds}")
        sys.stderr.flush()


def ratio(samples: Samples, one: str, other: str) -> float | None:
    """Return how many times `other` `one` is: the median of the rounds' ratios, where they have the same rounds."""
    ones, others = samples.get(one), samples.get(other)
    if not ones or not others:
        return None
    if len(ones) == len(others):
        return statistics.median(mine / theirs for mine, theirs in zip(ones, others, strict=True))
    return statistics.median(ones) / statistics.median(others)


def add_sums(samples: Samples, total: str, parts: Sequence[str]) -> None:
    """Add a row that is, in each round, the sum of others."""
    if all(samples.get(part) for part in parts):
        samples[total] = [sum(values) for values in zip(*(samples[part] for part in parts), strict=True)]


def spread(values: Sequence[float]) -> float:
    """Return the distance between the quartiles, as a part of the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle if middle else 0.0
