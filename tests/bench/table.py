"""The table: times, vault sizes, phases, memory, and the targets with a mark whether they are met."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.bench.measuring import Samples, add_sums, ratio, spread
from tests.bench.memory import Waiting
from tests.bench.probes import INTERPRETER, NESTED, NESTED_REFERENCE, key
from tests.bench.site import DEFAULT_KDF, SECRETS, Site

Peaks = Mapping[tuple[str, int], float]
ROWS = {
    "floor": "(a) floor: interpreter + KDF + 2 requests",
    "straight": "(a') straight script: login, sync, KDF",
    "straight-httpx": "  the same script with httpx",
    "bwrun": "bwrun -- true",
    "user key": "  with BWRUN_USER_KEY, no password",
    "cold": "  --cache, nothing in it",
    "warm": "  --cache, current",
    "max-age": "  --cache --max-age, no request",
    "crowd": "30 × bwrun -- true at once",
    "crowd warm": "  the same with --cache, current",
    "references": f"  with {SECRETS} references by name",
    "values": f"  --no-session, {SECRETS} references by name",
    "values by id": f"  --no-session, {SECRETS} references by id",
    "official": "(b) bw config, login, unlock, lock",
    "official gets": "(c) the same and a bw get per reference",
}
FLOOR_PARTS = ("kdf", "token", "sync")
LARGE = 10_000


@dataclass(frozen=True)
class Target:
    """A claim: `value` is at most or at least so much."""

    claim: str
    value: float | None
    most: float | None = None
    least: float | None = None

    def line(self) -> str:
        """Return the claim, what was measured, and the mark."""
        wanted = f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"
        if self.value is None:
            return f"  n/a   {self.claim:58} {wanted:>8}       n/a"
        met = (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)
        return f"  {'met ' if met else 'NOT '}  {self.claim:58} {wanted:>8}  {self.value:8.2f}"


class Table:
    """What was measured at one site, ready to print."""

    def __init__(self, site: Site, samples: Samples, waiting: Sequence[Waiting], peaks: Peaks) -> None:
        """Add the rows that are sums of others."""
        self.site = site
        self.samples = samples
        self.waiting = waiting
        self.peaks = peaks
        for distance in site.urls:
            parts = [key(part, distance, site.small) for part in FLOOR_PARTS]
            add_sums(samples, key("floor", distance, site.small), [INTERPRETER, *parts])

    def print(self) -> None:
        """Print all parts."""
        self._times()
        self._sizes()
        self._phases()
        self._memory()
        self._targets()

    def _times(self) -> None:
        site = self.site
        for distance in site.urls:
            where = f"round trip {distance} ms" if site.own else "the server as it is"
            heads = " ".join(f"{f'× {base}':>7}" for base in ("(a)", "(a')"))
            say(f"\n{where:44} {'median':>9} {'spread':>7} {heads}")
            alone = [
                (INTERPRETER, INTERPRETER),
                ("nested bwrun -- true", NESTED),
                ("  with a reference by name", NESTED_REFERENCE),
            ]
            alone = alone if distance == site.near else []
            rows = [(title, key(row, distance, site.small)) for row, title in ROWS.items()]
            for title, name in alone + rows:
                if name not in self.samples and distance != site.near:
                    continue  # measured at the shortest round trip alone
                self._line(title, name, [key(base, distance, site.small) for base in ("floor", "straight")])
            parts = ", ".join(
                f"{part} {statistics.median(values) * 1000:.1f} ms"
                for part in FLOOR_PARTS
                if (values := self.samples.get(key(part, distance, site.small)))
            )
            say(f"  (a) is {parts}, each alone, and the interpreter")

    def _line(self, title: str, name: str, bases: Sequence[str]) -> None:
        values = self.samples.get(name)
        if not values:
            say(f"{title:44} {'n/a':>9}")
            return
        ratios = [ratio(self.samples, name, base) for base in bases]
        words = " ".join(f"{'' if one is None else f'{one:.2f}':>7}" for one in ratios)
        say(f"{title:44} {statistics.median(values) * 1000:6.0f} ms {spread(values):6.0%}  {words}")

    def _sizes(self) -> None:
        sizes = list(self.site.vaults)
        near, small = self.site.near, self.site.small
        say(f"\n{'items in the vault':44} " + " ".join(f"{f'{size:,}' if size else '?':>14}" for size in sizes))
        for row in (
            "sync",
            "bwrun",
            "cold",
            "warm",
            "max-age",
            "references",
            "values",
            "values by id",
            "official",
            "official gets",
        ):
            cells = []
            for size in sizes:
                values = self.samples.get(key(row, near, size))
                times = ratio(self.samples, key(row, near, size), key(row, near, small))
                cells.append(
                    f"{statistics.median(values) * 1000:5.0f} ms {times:4.1f} ×" if values and times else "n/a"
                )
            title = "the server's part: the sync alone" if row == "sync" else ROWS[row]
            say(f"{title:44} " + " ".join(f"{cell:>14}" for cell in cells))
        bytes_ = [statistics.median(self.samples[key("sync bytes", near, size)]) / 1e6 for size in sizes]
        say(f"{'size of the sync':44} " + " ".join(f"{size:11.2f} MB" for size in bytes_))
        self._size_peaks(sizes)

    def _size_peaks(self, sizes: Sequence[int]) -> None:
        rows = {
            "bwrun": "peak of the worker (PBKDF2 takes none)",
            "references": f"  with {SECRETS} references by name",
            "values": f"  --no-session, {SECRETS} references by name",
            "official": "peak of a bw get",
        }
        for row, title in rows.items():
            cells = [f"{peak:.0f} MB" if (peak := self.peaks.get((row, size))) else "n/a" for size in sizes]
            say(f"{title:44} " + " ".join(f"{cell:>14}" for cell in cells))
        if len(sizes) < 2:
            return
        growths = [""]
        for less, more in pairwise(sizes):
            growths.append(f"{(self.peaks['bwrun', more] - self.peaks['bwrun', less]) * 1000 / (more - less):.1f} kB")
        say(f"{'  growth for each item more':44} " + " ".join(f"{cell:>14}" for cell in growths))

    def _phases(self) -> None:
        say(f"\n{'phases (bwrun --timings)':44} " + " ".join(f"{f'{one} ms':>9}" for one in self.site.urls))
        suffix = key("", self.site.near, self.site.small)
        names = [name.removesuffix(suffix) for name in self.samples if name.startswith("phase ")]
        names = [name for name in names if key(name, self.site.near, self.site.small) in self.samples]
        if not names:
            say("  n/a: this bwrun has no --timings")
        for name in names:
            cells = [self.samples.get(key(name, one, self.site.small)) for one in self.site.urls]
            words = " ".join(f"{statistics.median(cell) * 1000:9.1f}" if cell else f"{'n/a':>9}" for cell in cells)
            say(f"  {name.removeprefix('phase '):42} {words}")

    def _memory(self) -> None:
        say(f"\n{'while the command runs':44} {'PSS':>9} {'RSS':>9}")
        for one in self.waiting:
            say(f"  {one.name:42} {one.shared_alike:5} KiB {one.resident:5} KiB")
        say(f"  {'together':42} {sum(one.shared_alike for one in self.waiting):5} KiB")
        argon = self.peaks.get(("bwrun", -1))
        if argon is not None:
            say(f"  peak of the worker with Argon2id of 64 MiB: {argon:.0f} MB")

    def _targets(self) -> None:
        say(f"\ntargets (PBKDF2 {DEFAULT_KDF.iterations:,}; ratios of this run)" if self.site.own else "\ntargets")
        for target in self._all_targets():
            say(target.line())

    def _all_targets(self) -> list[Target]:
        near, far, small = self.site.near, max(self.site.urls), self.site.small

        def times(row: str, base: str, distance: int = near, size: int = small) -> float | None:
            return ratio(self.samples, key(row, distance, size), key(base, distance, small))

        found = [
            Target("bwrun -- true, in times (a')", times("bwrun", "straight"), most=1.15),
            Target("bwrun -- true, in times (a)", times("bwrun", "floor"), most=1.9),
        ]
        if far != near:
            value = times("bwrun", "floor", far) if far == 100 else None
            found.append(Target("bwrun -- true, in times (a), round trip 100 ms", value, most=1.3))
        found.append(Target("with BWRUN_USER_KEY, in times bwrun -- true", times("user key", "bwrun"), most=0.65))
        found.append(Target("(b), in times bwrun -- true", times("official", "bwrun"), least=20))
        for row in ("bwrun", "references", "values"):
            value = times(row, row, size=LARGE) if LARGE in self.site.vaults else None
            found.append(Target(f"{ROWS[row].strip()}, 10,000 items in times 10", value, most=3.5))
        found.append(Target("nested, in times a bare interpreter", ratio(self.samples, NESTED, INTERPRETER), most=2))
        value = ratio(self.samples, NESTED_REFERENCE, INTERPRETER)
        found.append(Target("nested with a reference, in times a bare interpreter", value, most=2.5))
        found += self._cache_targets()
        together = sum(one.shared_alike for one in self.waiting) / 1000 * 1.024
        found.append(Target("waiting processes together, MB (PSS)", together, most=12))
        found.append(Target("worker's peak at 10,000 items, MB", self._largest_peak(), most=160))
        return found

    def _cache_targets(self) -> list[Target]:
        near, far, small = self.site.near, max(self.site.urls), self.site.small

        def times(one: str, other: str, distance: int = near) -> float | None:
            return ratio(self.samples, key(one, distance, small), key(other, distance, small))

        large = ratio(self.samples, key("warm", near, LARGE), key("warm", near, small))
        found = [
            Target("cold with --cache, in times without", times("cold", "bwrun"), most=1.05),
            Target("warm, in times cold", times("warm", "cold"), most=0.5),
            Target("warm, in times nested", ratio(self.samples, key("warm", near, small), NESTED), most=2.2),
            Target("--max-age, in times nested", ratio(self.samples, key("max-age", near, small), NESTED), most=1.6),
            Target("warm, 10,000 items in times 10", large, most=2),
            Target("30 at once: without --cache, in times warm", times("crowd", "crowd warm"), least=8),
        ]
        if far != near:
            found.append(Target(f"warm, in times cold, round trip {far} ms", times("warm", "cold", far), most=0.5))
        return found

    def _largest_peak(self) -> float | None:
        found = [peak for (row, size), peak in self.peaks.items() if size == LARGE and row != "official"]
        return max(found, default=None)


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
