"""
Masking, beside `cat` and beside other programs that mask: throughput over a pipe, and what comes through.

    python -m tests.bench.masking

The peers are two programs of the npm registry, at the versions in tests/cli/masking. They get the same values in the
form that they want, and run the same `cat` of the same file. A figure is (size of the file) / (time of the run less the
time of a run with an empty file).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import string
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench.table import Target, say
from tests.server.control import BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login, Pbkdf2
from tests.support.program import BWRUN, Surroundings

PEERS = Path(__file__).parents[1] / "cli" / "masking" / "node_modules" / ".bin"
COUNTS = (1, 20, 200)  # values
SIZE = 512 << 20  # bytes
MASKS = 200  # how many values are in the output
START_UP = 15  # runs


@dataclass(frozen=True)
class Row:
    """A program: the words before the command and the folder, for so many values; a slow one gets less of the file."""

    name: str
    words: Callable[[int], list[str | Path]]
    environment: Mapping[str, str]
    folder: Callable[[int], Path]
    is_slow: bool = False


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.masking", description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="bwrun-bench-", dir=in_memory()) as folder:
        print_masking(Path(folder), rounds)


def in_memory() -> str | None:
    """Return a directory in memory, so that no disk is measured; None: the usual one."""
    return next((path for path in ("/dev/shm",) if os.access(path, os.W_OK)), None)  # noqa: S108


def print_masking(root: Path, rounds: int) -> None:
    """Measure in `root`, and print the section."""
    with BitwardenServer.start() as server:
        rows = make_rows(root, server)
        found: dict[tuple[str, int], list[float]] = {}
        write_data(root / "data", SIZE)
        (root / "empty").write_bytes(b"")
        for _ in range(rounds):
            for count in COUNTS:
                for row in rows:
                    found.setdefault((row.name, count), []).append(throughput(row, count, root))
        say(
            f"\n{'masking: MB/s over a pipe, by the number of values':52} "
            + " ".join(f"{count:>8}" for count in COUNTS)
        )
        medians = {key: statistics.median(values) for key, values in found.items()}
        for row in rows:
            say(f"  {row.name:50} " + " ".join(f"{medians[row.name, count]:8.0f}" for count in COUNTS))
        own, *peers = [row.name for row in rows if row.name != "cat"]
        for count in COUNTS:
            best = max((medians[peer, count] for peer in peers), default=None)
            value = None if best is None else medians[own, count] / best
            say(Target(f"masking {count} value(s), in times the better peer", value, least=2).line())
        say(Target("masking 200 values, in times 20 values", medians[own, 200] / medians[own, 20], least=0.8).line())
        say(Target("start-up cost of --mask, ms", start_up(rows[1], rounds * 3) * 1000, most=15).line())
        print_leaks(rows)


def make_rows(root: Path, server: BitwardenServer) -> list[Row]:
    """Return the programs to measure, those that are installed."""
    surroundings = Surroundings.make(root)
    values = {count: secrets(count) for count in COUNTS}
    items = tuple(ItemSpec(f"item {at}", Login(password=value)) for at, value in enumerate(values[max(COUNTS)]))
    surroundings.use(
        server, server.add_account(AccountSpec("b@example.com", "correct horse", Pbkdf2(600_000), items=items))
    )
    for count in COUNTS:
        folder = root / f"values-{count}"
        folder.mkdir()
        lines = "".join(f'S{at}="{value}"\n' for at, value in enumerate(values[count]))
        (folder / ".env").write_text(lines)
        schema = "# @defaultSensitive=true\n# ---\n" + "".join(f"S{at}=\n" for at in range(count))
        (folder / ".env.schema").write_text(schema)

    def bwrun(count: int) -> list[str | Path]:
        references = [word for at in range(count) for word in ("-e", f"S{at}=bw://item {at}/password")]
        return [BWRUN, "--no-session", "--mask", *references, "--"]

    environment = {**os.environ, **surroundings.environment, "PATH": os.environ["PATH"]}
    rows = [
        Row("cat", lambda _: [], environment, lambda _: root),
        Row("bwrun --mask", bwrun, environment, lambda _: surroundings.work),
    ]
    peers = {"dotenvx": ["run", "--quiet", "--redact", "--"], "varlock": ["run", "--"]}
    for name, words in peers.items():
        if (PEERS / name).exists() and shutil.which("node"):
            rows.append(
                Row(name, partial(_always, [PEERS / name, *words]), environment, partial(_folder, root), is_slow=True)
            )
        else:
            say(f"  n/a   {name} is not installed (make bench-masking)")
    return rows


def _always(words: list[str | Path], _: int) -> list[str | Path]:
    return words


def _folder(root: Path, count: int) -> Path:
    return root / f"values-{count}"


def secrets(count: int) -> list[str]:
    """Return so many values, always the same ones."""
    chosen = random.Random(2026)  # noqa: S311
    return ["".join(chosen.choices(string.ascii_letters + string.digits, k=32)) for _ in range(count)]


def write_data(path: Path, size: int) -> None:
    """Write a file that is like a log: lines of English and numbers, and a value now and then."""
    chosen = random.Random(1)  # noqa: S311
    text = Path(random.__file__).read_text().split("\n")
    lines = [f"2026-11-28T07:{at % 60:02}:{at % 59:02}Z worker-{at % 7} {chosen.choice(text)}" for at in range(20_000)]
    block = "\n".join(lines).encode()
    value = secrets(1)[0].encode()
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block)
            file.write(b"\nthe password is " + value + b"\n")
        file.truncate(size)


def throughput(row: Row, count: int, root: Path) -> float:
    """Return the throughput of one run in MB/s."""
    size = SIZE // (16 if count > 20 else 2) if row.is_slow else SIZE
    words = ["head", "-c", str(size)] if row.is_slow else ["cat"]
    return size / 1e6 / (timed(row, count, [*words, root / "data"]) - timed(row, count, [*words, root / "empty"]))


def timed(row: Row, count: int, command: list[str | Path]) -> float:
    """Return the seconds that a run takes whose output another `cat` reads."""
    began = time.perf_counter()
    with subprocess.Popen(
        [*row.words(count), *command], env=row.environment, cwd=row.folder(count), stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as one:  # fmt: skip
        subprocess.run(["cat"], check=True, stdin=one.stdout, stdout=subprocess.DEVNULL)
    assert one.returncode == 0, row.name
    return time.perf_counter() - began


def start_up(row: Row, rounds: int) -> float:
    """Return how many seconds a run takes longer with --mask, in the median."""
    differences = []
    for _ in range(rounds):
        times = []
        for masked in ("1", "0"):
            words = [word for word in row.words(1) if word != "--mask"]
            one = Row(row.name, partial(_always, words), {**row.environment, "BWRUN_MASK": masked}, row.folder)
            times.append(timed(one, 1, ["true"]))
        differences.append(times[0] - times[1])
    return statistics.median(differences)


LEAKS = {
    "plain": "printf '%s\\n' \"$S0\"",
    "on stderr": "printf '%s\\n' \"$S0\" >&2",
    "in two writes, 0.5 s apart": 'printf %.16s "$S0"; sleep 0.5; printf "%s\\n" "${S0#????????????????}"',
    "base64": 'printf %s "$S0" | base64',
    "base64 behind a user": 'printf "user:%s" "$S0" | base64',
    "hex": 'printf %s "$S0" | od -An -v -tx1 | tr -d " \\n"',
}


def print_leaks(rows: list[Row]) -> None:
    """Print what comes through of a value."""
    import base64  # noqa: PLC0415

    value = secrets(1)[0].encode()
    forms = [value[:12], value[-12:], base64.b64encode(value)[:12], base64.b64encode(b"user:" + value)[8:20]]
    forms.append(value.hex()[:24].encode())
    say(f"\n{'what shows of a value':30} " + " ".join(f"{row.name:>14}" for row in rows[1:]))
    for name, script in LEAKS.items():
        cells = []
        for row in rows[1:]:
            done = subprocess.run(
                [*row.words(1), "sh", "-c", script], check=False, env=row.environment, cwd=row.folder(1),
                stdin=subprocess.DEVNULL, capture_output=True,
            )  # fmt: skip
            shown = any(form in done.stdout + done.stderr for form in forms)
            cells.append("SHOWS" if shown else "masked" if done.returncode == 0 else "failed")
        say(f"  {name:28} " + " ".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
