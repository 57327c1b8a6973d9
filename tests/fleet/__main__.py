"""
`make fleet`: simulate a fleet, and write the tables and the plot of docs/fleet.md anew.

    --quick     only the fleets of a thousand hosts, by the model
    --real      only the real processes beside the model
    --print     write no file
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.fleet.model import Outcome
from tests.fleet.plot import draw
from tests.fleet.real import CASES, compare, row
from tests.fleet.scenarios import (
    ADDRESSES,
    HOSTS,
    MANY,
    MILLION,
    SCENARIOS,
    SERVERS,
    WAYS,
    Key,
    Scenario,
    simulate_all,
)

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PLOT = DOCS / "fleet.md", DOCS / "fleet.svg"
LONGEST = 1800.0  # seconds of the plot


def number(value: float, digits: int = 0) -> str:
    """Write a number for a table: large ones without decimals, what is endless as a dash."""
    if value == float("inf"):
        return "-"
    return f"{value:,.{0 if value >= 100 else digits}f}"


def cells(outcome: Outcome) -> list[str]:
    """Return the cells of a table for one server."""
    share = number(100 * outcome.share, 0 if outcome.share >= 0.1 else 1)
    return [f"{share} %", number(outcome.logins_per_done, 2), number(outcome.last), number(outcome.peak)]


def table(scenario: Scenario, outcomes: dict[Key, Outcome]) -> Iterator[str]:
    """Yield the lines of a scenario's table."""
    names = [f"{server}: {what}" for server in SERVERS for what in ("done", "logins", "last", "peak")]
    yield f"| addresses | against limits | {' | '.join(names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    for few in ADDRESSES:
        for way in scenario.ways:
            both = [cell for server in SERVERS for cell in cells(outcomes[scenario.name, few, way, server])]
            yield f"| {few * scenario.fleet.hosts // HOSTS:,} | {way} | {' | '.join(both)} |"


def write(name: str, lines: list[str], text: str) -> str:
    """Return the page's text with other lines between the two marks of a name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    found = re.search(f"{re.escape(begin)}\n.*?{re.escape(end)}", text, re.DOTALL)
    if found is None:
        raise SystemExit(f"{PAGE} has no place for {name}")
    return text.replace(found[0], "\n".join([begin, "", *lines, "", end]))


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet")
    parser.add_argument("--quick", action="store_true", help=f"not the {MANY:,} hosts, and no real processes")
    parser.add_argument("--print", action="store_true", help="write no file")
    parser.add_argument("--real", action="store_true", help="only the real processes beside the model")
    arguments = parser.parse_args()
    scenarios = () if arguments.real else SCENARIOS if arguments.quick else (*SCENARIOS, MILLION)
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        outcomes = simulate_all(scenarios, workers)
    tables = {scenario.name: list(table(scenario, outcomes)) for scenario in scenarios}
    if not arguments.quick:
        tables["real"] = [
            "| fleet and limit | % done: real | model | logins per run done: real | model | last in s: real | model |",
            "|---|---|---|---|---|---|---|",
            *(row(compare(case)) for case in CASES),
        ]
    text = PAGE.read_text("utf-8")
    for name, lines in tables.items():
        sys.stdout.write("\n".join([f"{name}:", *lines, "", ""]))
        text = write(name, lines, text)
    if arguments.print:
        return
    PAGE.write_text(text, "utf-8")
    if scenarios:
        lines_of = {way: outcomes["patient", 10, way, "cloud"] for way in WAYS}
        shown = {way: (one.finished, one.runs) for way, one in lines_of.items()}
        title = "1,000 hosts behind 10 addresses, 12 runs each: done in time"
        PLOT.write_text(draw(title, shown, LONGEST), "utf-8")


if __name__ == "__main__":
    main()
