"""What is measured: each row's program, by the key that its times go under."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measuring import Probe, Runner
from tests.bench.site import SECRETS, Site, Vault
from tests.support.program import BWRUN

REFERENCE = Path(__file__).with_name("reference.py")
BARE = (sys.executable, "-I", "-c", "pass")
TRUE = ("--", "true")
INTERPRETER = "bare interpreter"
NESTED = "nested"
NESTED_REFERENCE = "nested reference"
NESTED_SIZE = 100  # items in the vault of the outer run
CROWD = 'for _ in $(seq 30); do "$0" "$@" & done; wait'  # 30 runs at once
PHASE = re.compile(r"(?P<name>[a-z][a-z ,+-]*?)[\s:=]+(?P<number>\d+(?:\.\d+)?)\s*ms\b")


def key(row: str, distance: int, size: int) -> str:
    """Return the key of a row's times at a round trip and a vault's size."""
    return f"{row} | {distance} ms | {size}"


def options_of(runner: Runner) -> frozenset[str]:
    """Return the options that this bwrun has."""
    return frozenset(re.findall(r"--[a-z][a-z-]+", runner.read([BWRUN, "--help"], {})))


@contextmanager
def open_run(site: Site, first: str, *words: str, size: int | None = None) -> Iterator[int]:
    """
    Keep a run open until the end of the block, and give its pid; its command does `first` and waits.

    `size`: the items of its vault; None: the smallest one.
    """
    process = subprocess.Popen(
        [BWRUN, "--", "sh", "-c", f"{first}; echo up; read line", "sh", *words],
        env=site.environment(site.vaults[site.small if size is None else size]),
        cwd=site.surroundings.work,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
    finally:
        process.communicate(b"\n")


@contextmanager
def outer_run(site: Site) -> Iterator[dict[str, str]]:
    """Keep a run open until the end of the block, and give the environment of its command."""
    size = NESTED_SIZE if NESTED_SIZE in site.vaults else site.small
    with (
        tempfile.NamedTemporaryFile(dir=site.surroundings.work) as file,
        open_run(site, 'env -0 > "$1"', file.name, size=size),
    ):
        text = Path(file.name).read_text()
        yield dict(entry.split("=", 1) for entry in text.split("\0") if entry)


class Probes:
    """All probes of one site."""

    def __init__(self, site: Site, nested_environment: Mapping[str, str], official_rounds: int) -> None:
        """`official_rounds`: how many rounds the official CLI takes part in; each is many seconds."""
        self.site = site
        self.runner = Runner(site.surroundings.work)
        self.options = options_of(self.runner)
        self._nested_environment = nested_environment
        self._official_rounds = official_rounds

    def all(self) -> list[Probe]:
        """Return them in the order of a round: what is compared stands close together."""
        site = self.site
        probes = [
            Probe(lambda: {INTERPRETER: self.runner.time(BARE, {})}),
            Probe(lambda: {NESTED: self.runner.time([BWRUN, *TRUE], self._nested_environment)}),
        ]
        references = site.vaults[NESTED_SIZE if NESTED_SIZE in site.vaults else site.small].references
        if references:
            words = (BWRUN, "-e", f"SECRET={references[0]}", *TRUE)
            probes.append(Probe(lambda: {NESTED_REFERENCE: self.runner.time(words, self._nested_environment)}))
        for distance in site.urls:
            probes += self._at(distance, site.small)
        for size in site.vaults:
            if size != site.small:
                probes += self._at(site.near, size, straight=False)
            probes.append(self._official(size))
        return [probe for probe in probes if probe.rounds != 0]

    def _at(self, distance: int, size: int, *, straight: bool = True) -> list[Probe]:
        """Return the probes at one round trip with one vault."""
        vault = self.site.vaults[size]
        environment = self.site.environment(vault, distance)
        url = environment["BWRUN_SERVER"]

        def timed(row: str, *words: str | Path, variables: Mapping[str, str] | None = None) -> Probe:
            run_environment = environment | dict(variables or {})
            return Probe(lambda: {key(row, distance, size): self.runner.time(words, run_environment)})

        def floor() -> dict[str, float]:
            parts = self.runner.read_json([sys.executable, "-I", REFERENCE, "floor", url], environment)
            return {key(name, distance, size): value for name, value in parts.items()}

        probes = [Probe(floor)]
        if straight:
            kinds = ("straight", "straight-httpx")
            probes += [timed(kind, sys.executable, "-I", REFERENCE, kind, url) for kind in kinds]
        probes.append(timed("bwrun", BWRUN, *TRUE))
        if straight and vault.user_key:
            variables = {"BW_PASSWORD": "", "BWRUN_USER_KEY": vault.user_key}
            probes.append(timed("user key", BWRUN, *TRUE, variables=variables))
        if vault.references:
            probes.append(timed("references", BWRUN, *TRUE, variables=as_variables(vault.references)))
            if "--no-session" in self.options:
                alone = (BWRUN, "--no-session", *TRUE)
                probes.append(timed("values", *alone, variables=as_variables(vault.references)))
                probes.append(timed("values by id", *alone, variables=as_variables(vault.by_id)))
        if "--cache" in self.options:
            probes += self._cached(environment, distance, size)
        if "--timings" in self.options:
            probes.append(self._phases(environment, distance, size))
        return probes

    def _cached(self, environment: Mapping[str, str], distance: int, size: int) -> list[Probe]:
        """Return the probes of runs with the cache: without a file in it, with one, and without a question."""
        folder = Path(environment["XDG_RUNTIME_DIR"]) / "bwrun"

        def cold() -> dict[str, float]:
            for path in folder.glob("*.cache"):
                path.unlink()
            return {key("cold", distance, size): self.runner.time([BWRUN, "--cache", *TRUE], environment)}

        def timed(row: str, *options: str) -> Probe:
            words: list[str | Path] = [BWRUN, *options, *TRUE]
            return Probe(lambda: {key(row, distance, size): self.runner.time(words, environment)})

        def crowd(row: str, *options: str) -> Probe:
            words = ["sh", "-c", CROWD, str(BWRUN), *options, *TRUE]
            return Probe(lambda: {key(row, distance, size): self.runner.time(words, environment)}, rounds=3)

        probes = [Probe(cold), timed("warm", "--cache"), timed("max-age", "--cache", "--max-age", "86400")]
        if (distance, size) == (self.site.near, self.site.small):
            probes += [crowd("crowd"), crowd("crowd warm", "--cache")]
        return probes

    def _phases(self, environment: Mapping[str, str], distance: int, size: int) -> Probe:
        def once() -> dict[str, float]:
            done = subprocess.run(
                [BWRUN, "--timings", *TRUE],
                check=True,
                env=environment,
                cwd=self.site.surroundings.work,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
            )
            found = PHASE.finditer(done.stderr)
            return {key(f"phase {one['name']}", distance, size): float(one["number"]) / 1000 for one in found}

        return Probe(once)

    def _official(self, size: int) -> Probe:
        """Return the probe of the official CLI: (b) is (c) without its `bw get`s, of the same run."""
        bw = self.site.official_bw
        if bw is None:
            return Probe(dict, rounds=0)
        vault = self.site.vaults[size]
        distance = self.site.near
        environment = official_environment(self.site, vault)

        runner = Runner(self.runner.cwd, quiet=True)

        def once() -> dict[str, float]:
            with tempfile.TemporaryDirectory(dir=self.site.surroundings.home) as folder:
                variables = environment | {"BITWARDENCLI_APPDATA_DIR": folder}
                session = runner.time([bw, "config", "server", environment["BWRUN_SERVER"]], variables)
                session += runner.time([bw, "login", "--apikey"], variables)
                unlock, variables["BW_SESSION"] = timed_unlock(runner, bw, variables)
                gets = sum(runner.time([bw, "get", "password", name], variables) for name in vault.names)
                session += unlock + runner.time([bw, "lock"], variables)
            times = {key("official", distance, size): session}
            return times | {key("official gets", distance, size): session + gets} if vault.names else times

        rounds = self._official_rounds if size == self.site.small else min(1, self._official_rounds)
        return Probe(once, rounds)


def as_variables(references: tuple[str, ...]) -> dict[str, str]:
    """Return one variable for each reference."""
    return {f"SECRET_{number}": text for number, text in enumerate(references[:SECRETS])}


def official_environment(site: Site, vault: Vault) -> dict[str, str]:
    """Return the variables for the official CLI."""
    environment = site.environment(vault) | {"BW_NOINTERACTION": "true"}
    ca_file = environment.get("SSL_CERT_FILE")
    return environment | ({"NODE_EXTRA_CA_CERTS": ca_file} if ca_file else {})


def timed_unlock(runner: Runner, bw: Path, variables: Mapping[str, str]) -> tuple[float, str]:
    """Return the seconds of `bw unlock`, and the session key it prints."""
    start = time.perf_counter()
    session = runner.read([bw, "unlock", "--passwordenv", "BW_PASSWORD", "--raw"], variables)
    return time.perf_counter() - start, session
