"""Memory: of the processes that wait while the command runs, and the peak of the one that worked before it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measuring import Runner
from tests.bench.probes import TRUE, as_variables, official_environment, open_run, options_of
from tests.bench.site import Site
from tests.support.program import BWRUN

SETTLING = 0.5  # seconds after the command's start: what the supervisor still does then is done


@dataclass(frozen=True)
class Waiting:
    """A process that waits while the command runs; sizes in KiB, `shared_alike` with shared pages divided (PSS)."""

    name: str
    shared_alike: int
    resident: int


def waiting_processes(site: Site) -> list[Waiting]:
    """Run a command, and look at all processes of bwrun's but the command itself."""
    with open_run(site, ":") as pid:
        time.sleep(SETTLING)
        found = [_look(one) for one in [pid, *_descendants(pid)]]
    return [one for one in found if one.name != "sh"]


def peaks(site: Site) -> dict[tuple[str, int], float]:
    """Return the largest resident size in MB of any process of a run, by row and vault; 10 items, Argon2id as -1."""
    runner = Runner(site.surroundings.work)
    options = options_of(runner)
    found = {}
    for size, vault in site.vaults.items():
        environment = site.environment(vault)
        found["bwrun", size] = runner.peak([BWRUN, *TRUE], environment)
        if vault.references:
            with_references = environment | as_variables(vault.references)
            found["references", size] = runner.peak([BWRUN, *TRUE], with_references)
            if "--no-session" in options:
                found["values", size] = runner.peak([BWRUN, "--no-session", *TRUE], with_references)
        if site.official_bw is not None and vault.names:
            found["official", size] = _official_peak(site, size)
    if site.argon is not None:
        found["bwrun", -1] = runner.peak([BWRUN, *TRUE], site.environment(site.argon))
    return found


def _official_peak(site: Site, size: int) -> float:
    """Return the peak of a `bw get`, in a session that bwrun opened."""
    vault = site.vaults[size]
    words: list[str | Path] = [BWRUN, "--", site.official_bw or "bw", "get", "password", vault.names[0]]
    return Runner(site.surroundings.work, quiet=True).peak(words, official_environment(site, vault))


def _look(pid: int) -> Waiting:
    name = Path(f"/proc/{pid}/comm").read_text().strip()
    sizes = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return Waiting(name, _size(sizes, "Pss"), _size(sizes, "Rss"))


def _size(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def _descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for child in children for one in (child, *_descendants(child))]
