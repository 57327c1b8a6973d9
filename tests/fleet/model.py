"""
The model: hosts, their runs, and a server with limits, in simulated time.

How long a run waits is decided by the product's own code: `bwrun.network.backoff` and `bwrun.network.remembered`.  What
is modelled is when requests arrive, and what the server's counters say.  The hosts behind one address share nothing
with others, so each address is simulated by itself, and a million hosts need no more memory than a thousand.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from bwrun.network.backoff import Backoff
from bwrun.network.remembered import LOGINS, REQUESTS, Record, make_record
from tests.server.limits import Bucket, Window, told

START = 0.25  # seconds from the start of a run to its first request
ANSWER = 0.1  # seconds from a request to what follows from its answer


@dataclass(frozen=True)
class Rule:
    """A limit of a server on one kind of request from one address: `count` in `seconds`, or a bucket (see there)."""

    kind: str
    count: int
    seconds: float
    is_bucket: bool = False


# Protocol notes 1.7.
CLOUD = (Rule(LOGINS, 5, 1.0), Rule(LOGINS, 10, 60.0), Rule(REQUESTS, 200, 60.0))
VAULTWARDEN = (Rule(LOGINS, 10, 60.0, is_bucket=True),)


@dataclass(frozen=True)
class Fleet:
    """
    What the hosts do. Times are in seconds.

    Each host starts `at_once` runs in the same second, and does so `times` times, `period` apart. A run waits a random
    time of up to `jitter` first, and then has `timeout`. `remembers`: the runs of a host heed one another's waits.
    `caches`: one run of a host logs in while its others wait, and later ones only ask whether the vault is current.
    `answer`: from a request to what follows from its answer.
    """

    hosts: int
    at_once: int = 1
    times: int = 1
    period: float = 300.0
    jitter: float = 0.0
    timeout: float = 60.0
    remembers: bool = False
    caches: bool = False
    answer: float = ANSWER
    starts: Sequence[float] = ()  # when each host starts; empty: all at 0


@dataclass
class Outcome:
    """What came of it."""

    runs: int = 0
    done: int = 0
    told_at_once: int = 0  # runs that failed without a request
    logins: int = 0  # requests for a login, those that were refused included
    refused: int = 0  # answers with 429
    requests: int = 0  # all
    last: float = 0.0  # when the last run was done, in seconds from the start
    finished: list[float] = field(default_factory=list)  # when each run was done
    per_second: Counter[int] = field(default_factory=Counter)  # requests

    def add(self, other: Outcome) -> None:
        """Add what came of the hosts behind another address."""
        for name in ("runs", "done", "told_at_once", "logins", "refused", "requests"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.last = max(self.last, other.last)
        self.finished += other.finished
        self.per_second.update(other.per_second)

    @property
    def share(self) -> float:
        """Return the share of runs that were done within their timeout."""
        return self.done / self.runs

    @property
    def logins_per_done(self) -> float:
        """Return the requests for a login per run that was done."""
        return self.logins / self.done if self.done else float("inf")

    @property
    def refused_per_done(self) -> float:
        """Return the requests in vain per run that was done."""
        return self.refused / self.done if self.done else float("inf")

    @property
    def peak(self) -> int:
        """Return the most requests in one second."""
        return max(self.per_second.values(), default=0)


class _Host:
    """What the runs of one host share."""

    __slots__ = ("busy", "cached", "records", "waiting")

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.cached = False
        self.busy = False  # a run is logging in for all
        self.waiting: list[_Run] = []


class _Run:
    """One run: what it asks for next, and how long it still may."""

    __slots__ = ("backoff", "end", "holds", "host", "kinds", "known", "knows", "sent")

    def __init__(self, host: _Host, end: float, draw: Callable[[], float]) -> None:
        self.host = host
        self.end = end
        self.backoff = Backoff(draw)
        self.kinds: list[str] = []  # of its requests, the next at the end; empty: not decided yet
        self.known: Record | None = None
        self.knows = False
        self.holds = False
        self.sent = 0


class _Address:
    """The hosts behind one address, and the server's counters for it."""

    def __init__(self, rules: tuple[Rule, ...], fleet: Fleet, random: Random) -> None:
        self._counters = [
            (rule.kind, not rule.is_bucket, (Bucket if rule.is_bucket else Window)(rule.count, rule.seconds))
            for rule in rules
        ]
        self._fleet = fleet
        self._random = random
        self._events: list[tuple[float, int, _Run]] = []
        self._number = 0
        self.outcome = Outcome()

    def simulate(self, starts: Sequence[float]) -> Outcome:
        """Let a host start at each of these moments; return what comes of it."""
        fleet = self._fleet
        for start in starts:
            host = _Host()
            for number in range(fleet.times):
                for _ in range(fleet.at_once):
                    begin = start + number * fleet.period + self._random.random() * fleet.jitter
                    self._at(begin + START, _Run(host, begin + fleet.timeout, self._random.random))
                    self.outcome.runs += 1
        while self._events:
            now, _, run = heapq.heappop(self._events)
            self._step(now, run)
        return self.outcome

    def _at(self, moment: float, run: _Run) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment, self._number, run))

    def _step(self, now: float, run: _Run) -> None:
        """Let a run do what it does next."""
        if now >= run.end:
            self._fail(now, run)
        elif not run.kinds and not self._begin(run):
            pass  # it waits for the run that logs in
        else:
            wait = self._heed(now, run) if self._fleet.remembers else 0.0
            if wait is None:
                self._fail(now, run)
            elif wait > 0:
                self._at(now + wait, run)
            else:
                self._ask(now, run)

    def _begin(self, run: _Run) -> bool:
        """Decide what a run asks for; return whether it may begin."""
        if self._fleet.caches and run.host.cached:
            run.kinds = [REQUESTS]
        elif self._fleet.caches and run.host.busy:
            run.host.waiting.append(run)
            return False
        else:
            run.host.busy = run.holds = self._fleet.caches
            run.kinds = [REQUESTS, REQUESTS, LOGINS]  # the config, the sync, the login
        return True

    def _heed(self, now: float, run: _Run) -> float | None:
        """Return how long a run waits because of others on its host, None if it has no time for that."""
        record = run.host.records.get(run.kinds[-1])
        if record is None or record == run.known or record.written > now:  # the last: the answer is still on its way
            return 0.0
        run.known = record
        return run.backoff.after_another(max(0.0, record.until - now), record.level, run.end - now)

    def _ask(self, now: float, run: _Run) -> None:
        """Send a request, and do what follows from its answer."""
        kind, outcome = run.kinds[-1], self.outcome
        outcome.requests += 1
        outcome.logins += kind == LOGINS
        outcome.per_second[int(now)] += 1
        run.sent += 1
        for counted, tells, counter in self._counters:
            wait = counter.ask(now) if counted == kind else 0.0
            if wait > 0:
                self._refused(now + self._fleet.answer, run, told(wait) if tells else None)
                return
        if run.known is not None and run.host.records.get(kind) == run.known:
            del run.host.records[kind]
        run.known = None
        if run.backoff.tries or run.backoff.level:
            run.backoff = Backoff(self._random.random)
        run.kinds.pop()
        if run.kinds:
            self._at(now + self._fleet.answer, run)
            return
        outcome.done += 1
        outcome.last = max(outcome.last, now + self._fleet.answer)
        outcome.finished.append(now + self._fleet.answer)
        if run.holds:
            run.host.cached, run.host.busy = True, False
            for one in run.host.waiting:
                self._at(now + self._fleet.answer, one)
            run.host.waiting.clear()

    def _refused(self, now: float, run: _Run, asked: float | None) -> None:
        """Let a run wait after a 429, or fail."""
        self.outcome.refused += 1
        wait = run.backoff.after_limit(asked, run.end - now)
        if self._fleet.remembers:
            record = make_record(429, run.backoff.level, run.backoff.asked, now, told=asked is not None)
            run.known = record
            other = run.host.records.get(run.kinds[-1])
            if other is None or other.until < record.until:
                run.host.records[run.kinds[-1]] = record
        if wait is None:
            self._fail(now, run)
        else:
            self._at(now + wait, run)

    def _fail(self, now: float, run: _Run) -> None:
        """Let a run fail with an error, and those that wait for its login with it."""
        self.outcome.told_at_once += run.sent == 0
        if run.holds:
            run.host.busy = False
            failing, run.host.waiting = run.host.waiting, []
            run.holds = False
            for one in failing:
                self._fail(now, one)


def simulate(rules: tuple[Rule, ...], fleet: Fleet, addresses: int, seed: int = 1) -> Outcome:
    """Simulate a fleet whose hosts are evenly behind so many addresses."""
    random = Random(seed)  # noqa: S311  (nothing secret depends on it)
    starts = fleet.starts or [0.0] * fleet.hosts
    total = Outcome()
    for number in range(addresses):
        total.add(_Address(rules, fleet, random).simulate(starts[number::addresses]))
    return total
