"""How long the phases of a run take, and when they begin: they overlap."""

from __future__ import annotations

import time

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from types import TracebackType

# In the order in which they begin; `import` is what the main thread spends on it, in several pieces.
PHASES = ("start", "import", "guard", "connect", "token", "kdf", "sync", "decrypt", "write", "agent", "spawn")


class Timings:
    """The phases of one run so far. May be used from several threads: each has phases of its own."""

    def __init__(self, started: float) -> None:
        """`started` is the time of `time.monotonic()` that is 0 here, in seconds."""
        self._started = started
        self._found: dict[str, tuple[float, float]] = {}

    def phase(self, name: str) -> Phase:
        """Return what counts the time of a `with` block to a phase."""
        return Phase(self, name)

    def add(self, name: str, start: float, end: float) -> None:
        """Count the time from `start` to `end` (of `time.monotonic()`) to a phase; it may come in pieces."""
        first, so_far = self._found.get(name, (start, 0.0))
        self._found[name] = (first, so_far + end - start)

    def lines(self) -> list[str]:
        """Return one line for each phase there was, and one for all: in ms, what it took and when it began."""
        now = time.monotonic()
        rows = [(name, *self._found[name]) for name in PHASES if name in self._found]
        rows.append(("total", self._started, now - self._started))
        return [
            f"timing: {name:8} {took * 1000:8.1f} ms  (from {(began - self._started) * 1000:.1f})"
            for name, began, took in rows
        ]


class Phase:
    """A `with` block that counts."""

    def __init__(self, timings: Timings, name: str) -> None:
        """Know where to count to."""
        self._timings = timings
        self._name = name
        self._start = 0.0

    def __enter__(self) -> None:
        """Begin."""
        self._start = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, whatever happened."""
        self._timings.add(self._name, self._start, time.monotonic())
