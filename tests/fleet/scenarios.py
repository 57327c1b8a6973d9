"""What is simulated: what hosts do, what they do against limits, and how many addresses they are behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

from tests.fleet.model import CLOUD, VAULTWARDEN, Fleet, Outcome, Rule, simulate

HOSTS = 1000
MANY = 1_000_000
ADDRESSES = (1, 10, 1000)
SERVERS = {"cloud": CLOUD, "Vaultwarden": VAULTWARDEN}
SLOWEST = {"cloud": 6.0, "Vaultwarden": 60.0}  # seconds for each login behind one address, once the burst is used up
MARGIN = 1.25  # a jitter with which a server is asked four times for every five that it would answer


@dataclass(frozen=True)
class Scenario:
    """What each host does, and in which ways against limits."""

    name: str
    fleet: Fleet
    ways: tuple[str, ...]


NOTHING, JITTER, REMEMBERED, CACHE, FITTED = (
    "nothing", "`--jitter 60`", "and waits remembered", "and a cache", "a jitter that fits",
)  # fmt: skip


@dataclass(frozen=True)
class Way:
    """What a host does against limits; the fields are those of Fleet."""

    jitter: float = 0.0
    remembers: bool = False
    caches: bool = False


WAYS = {
    NOTHING: Way(),
    JITTER: Way(60.0),
    REMEMBERED: Way(60.0, remembers=True),
    CACHE: Way(60.0, remembers=True, caches=True),
}
ALL = tuple(WAYS)
SCENARIOS = (
    Scenario("once", Fleet(HOSTS), (NOTHING, JITTER, FITTED)),
    Scenario("twelve", Fleet(HOSTS, at_once=12), ALL),
    Scenario("patient", Fleet(HOSTS, at_once=12, timeout=1800.0), ALL),
    Scenario("hour", Fleet(HOSTS, times=12, period=300.0), ALL),
)
MILLION = Scenario("million", Fleet(MANY), (NOTHING, JITTER, FITTED))
Key = tuple[str, int, str, str]  # scenario, addresses, way, server


def fleet_of(scenario: Scenario, way: str, addresses: int, server: str) -> Fleet:
    """Return what the hosts do in one way."""
    if way != FITTED:
        chosen = WAYS[way]
        return replace(scenario.fleet, jitter=chosen.jitter, remembers=chosen.remembers, caches=chosen.caches)
    logins = scenario.fleet.hosts * scenario.fleet.at_once / addresses
    return replace(scenario.fleet, jitter=MARGIN * SLOWEST[server] * logins if logins > 1 else 60.0, remembers=True)


def cases(scenarios: tuple[Scenario, ...]) -> Iterator[tuple[Key, tuple[Rule, ...], Fleet, int]]:
    """Yield what is to be simulated; with more hosts there are more addresses."""
    for scenario in scenarios:
        for few in ADDRESSES:
            addresses = few * scenario.fleet.hosts // HOSTS
            for way in scenario.ways:
                for server, rules in SERVERS.items():
                    yield (
                        (scenario.name, few, way, server),
                        rules,
                        fleet_of(scenario, way, addresses, server),
                        addresses,
                    )


def simulate_all(scenarios: tuple[Scenario, ...], workers: Executor) -> dict[Key, Outcome]:
    """Simulate everything, on all cores."""
    futures: dict[Key, Future[Outcome]] = {
        key: workers.submit(simulate, rules, fleet, addresses) for key, rules, fleet, addresses in cases(scenarios)
    }
    return {key: future.result() for key, future in futures.items()}
