"""
`make bench`: one table, measured side by side in one run; medians of rounds in which all rows take turns.

Ratios say more than milliseconds: they are of one run, on one machine.  A target that is missed fails nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.masking import in_memory, print_masking
from tests.bench.measuring import measure
from tests.bench.memory import peaks, waiting_processes
from tests.bench.probes import Probes, outer_run
from tests.bench.site import CREDENTIALS, Site, find_official_bw, foreign_site, own_site
from tests.bench.table import Table, say

DISTANCES = (0, 20, 100)  # round trip in ms
SIZES = (10, 100, 1_000, 10_000)  # items
EPILOG = """\
--server takes the credentials from BW_CLIENTID, BW_CLIENTSECRET and BW_PASSWORD, and a private CA from
SSL_CERT_FILE; round trips and vaults are then what they are. Each round logs in several times: some servers
limit that.
"""


def main() -> int:
    """Measure, print the table, and return 0."""
    arguments = parse_arguments()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    official_rounds = min(arguments.rounds, arguments.official_rounds)
    if arguments.quick:
        arguments.rounds, official_rounds = min(arguments.rounds, 3), min(official_rounds, 1)
    with TemporaryDirectory(prefix="bwrun-bench-") as folder, site_of(arguments, Path(folder)) as site:
        introduce(arguments.rounds, official_rounds)
        with outer_run(site) as nested_environment:
            samples = measure(Probes(site, nested_environment, official_rounds).all(), arguments.rounds)
        Table(site, samples, waiting_processes(site), peaks(site)).print()
    if not arguments.server:
        with TemporaryDirectory(prefix="bwrun-bench-", dir=in_memory()) as folder:
            print_masking(Path(folder), min(arguments.rounds, 5))
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="rounds of all rows [15]")
    parser.add_argument("--official-rounds", type=int, default=3, metavar="N", help="of them with `bw`, 0: none [3]")
    parser.add_argument("--quick", action="store_true", help="3 rounds, one of them with `bw`, up to 1,000 items")
    parser.add_argument("--server", metavar="URL", help="measure against this server")
    parser.add_argument("--reference", action="append", default=[], metavar="bw://…", help="one that it holds")
    arguments = parser.parse_args()
    if arguments.server and not all(name in os.environ for name in CREDENTIALS):
        parser.error(f"--server needs {', '.join(CREDENTIALS)} in the environment")
    return arguments


def site_of(arguments: argparse.Namespace, root: Path) -> AbstractContextManager[Site]:
    """Return where to measure."""
    if arguments.server:
        return foreign_site(root, arguments.server, tuple(arguments.reference))
    return own_site(root, DISTANCES, SIZES[:-1] if arguments.quick else SIZES)


def introduce(rounds: int, official_rounds: int) -> None:
    """Say what the figures are of."""
    python = f"Python {platform.python_version()}"
    say(f"{python}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start")
    with_bw = official_rounds if find_official_bw() else 0
    say(f"medians of {rounds} rounds, {with_bw} of them with `bw` (one in larger vaults);")
    say("spread is the distance of the quartiles; ratios are medians of the rounds' own ratios")


if __name__ == "__main__":
    sys.exit(main())
