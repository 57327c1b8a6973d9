"""
`make bench-libraries`: each library beside the ones that could have its role; medians of rounds that take turns.

The first of each group, marked with *, is what bwrun has; the last column says what the other would gain a run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import candidates
from tests.bench.http_clients import KINDS
from tests.bench.http_server import http_server
from tests.bench.measuring import Probe, Runner, measure, spread
from tests.bench.relay import relay

CLIENTS = Path(__file__).with_name("http_clients.py")
FAR = 100  # round trip in ms
PRODUCT_CLIENT = "http.client"
CONTEXTS = {
    "the directory of certificates alone": "ssl.create_default_context(capath=ssl.get_default_verify_paths().capath)",
    "ssl.create_default_context()": "ssl.create_default_context()",
    "the same, certifi's certificates": "ssl.create_default_context(cafile=certifi.where())",
    "no certificates (one CA in a file is near this)": "ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)",
}
IMPORTS = {
    "http.client and ssl": "import http.client, ssl",
    "httpx": "import httpx",
    "httpx, its command line kept out": "import sys; sys.modules['httpx._main'] = None; import httpx",
    "httpcore": "import httpcore",
    "urllib3": "import urllib3",
    "h11 and ssl": "import h11, ssl",
}
CRYPTOGRAPHY = "from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC"
SMALL_IMPORTS = {
    "json": "import json",
    "orjson": "import orjson",
    "cryptography's PBKDF2": CRYPTOGRAPHY,
    "the same, argon2-cffi": f"{CRYPTOGRAPHY}; import argon2.low_level",
    "dataclasses": "import dataclasses",
    "python-dotenv": "import dotenv",
}


@dataclass(frozen=True)
class Group:
    """Candidates for one role: what gives the seconds of each; the first is the product's."""

    title: str
    rows: Mapping[str, Callable[[], float]]


def main() -> int:
    """Measure, print, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.libraries", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="rounds of all rows [15]")
    rounds = parser.parse_args().rounds
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with TemporaryDirectory(prefix="bwrun-bench-") as folder, ExitStack() as stack:
        runner = Runner(Path(folder))
        port, ca_file = stack.enter_context(http_server())
        for group in [
            Group("one key derivation, PBKDF2 600,000", timed(candidates.pbkdf2())),
            Group("one key derivation, Argon2id 3 × 64 MiB × 4", timed(candidates.argon2id())),
            Group("10,000 names: base64, HMAC, AES-CBC, padding", timed(candidates.decryption())),
            Group("a sync of 10,000 items, parsed", timed(candidates.parsing())),
            Group("its items, written", timed(candidates.writing())),
            Group("start of a process with other libraries", imports(runner, SMALL_IMPORTS)),
            Group("start of a process with HTTP", imports(runner, IMPORTS)),
            Group("a TLS context, the system's CAs", contexts(runner)),
            *(clients(runner, stack.enter_context(relay(port, ms / 1000)), ca_file, ms) for ms in (0, FAR)),
        ]:
            show(group, rounds)
    return 0


def timed(functions: Mapping[str, Callable[[], object]]) -> dict[str, Callable[[], float]]:
    """Return the functions as what gives their seconds."""

    def timed_one(function: Callable[[], object]) -> Callable[[], float]:
        def once() -> float:
            start = time.perf_counter()
            function()
            return time.perf_counter() - start

        return once

    return {name: timed_one(function) for name, function in functions.items()}


def imports(runner: Runner, codes: Mapping[str, str]) -> dict[str, Callable[[], float]]:
    """Return what starts an interpreter with each import."""

    def start(code: str) -> Callable[[], float]:
        return lambda: runner.time([sys.executable, "-I", "-c", code], {})

    return {name: start(code) for name, code in codes.items()} | {"nothing": start("pass")}


def contexts(runner: Runner) -> dict[str, Callable[[], float]]:
    """Return what makes a TLS context in a fresh process: there it reads its certificates for the first time."""

    def make(code: str) -> Callable[[], float]:
        script = f"import certifi, ssl, time; s = time.perf_counter(); {code}; print(time.perf_counter() - s)"
        return lambda: float(runner.read([sys.executable, "-I", "-c", script], {}))

    return {name: make(code) for name, code in CONTEXTS.items()}


def clients(runner: Runner, port: int, ca_file: Path, distance: int) -> Group:
    """Return what imports a client, connects, logs in and syncs."""
    environment = {"SSL_CERT_FILE": str(ca_file)}

    def run(kind: str) -> Callable[[], float]:
        words = (sys.executable, "-I", CLIENTS, kind, f"https://localhost:{port}")

        def once() -> float:
            parts = runner.read_json(words, environment)
            return parts["import"] + parts["requests"]

        return once

    kinds = sorted(KINDS, key=lambda kind: kind != PRODUCT_CLIENT)
    title = f"import, connect, login, sync at {distance} ms round trip"
    return Group(title, {kind: run(kind) for kind in kinds})


def show(group: Group, rounds: int) -> None:
    """Measure a group and print it."""
    probes = [Probe(lambda name=name, once=once: {name: once()}) for name, once in group.rows.items()]  # type: ignore[misc]
    samples = measure(probes, rounds)
    first = statistics.median(next(iter(samples.values())))
    sys.stdout.write(f"\n{group.title:52} {'median':>9} {'spread':>7} {'gain':>10}\n")
    for number, (name, values) in enumerate(samples.items()):
        middle = statistics.median(values)
        gain = f"{(first - middle) * 1000:7.1f} ms" if number else ""
        mark = " " if number else "*"
        sys.stdout.write(f"{mark} {name:50} {middle * 1000:6.1f} ms {spread(values):6.0%} {gain:>10}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
