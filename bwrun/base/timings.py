"""How long each phase of a run takes, for `--timings`. Phases may overlap."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

# In the order in which they begin. `import` adds up all imports of the main thread, which come in several pieces.
PHASES = ("start", "import", "guard", "jitter", "connect", "token", "kdf", "sync", "decrypt", "write", "agent", "spawn")


class Timings:
    """
    The phases of one run so far.

    Several threads may add phases at the same time, as long as no phase is timed by two threads at once.
    """

    def __init__(self, started: float) -> None:
        """`started` is when bwrun began, in seconds of `time.monotonic()`."""
        self._started = started
        self._phases: dict[str, tuple[float, float]] = {}  # name → when it began, how long it took; both in seconds

    def phase(self, name: str) -> Phase:
        """Return a context manager that adds the time of its `with` block to the phase `name`."""
        return Phase(self, name)

    def add(self, name: str, start: float, end: float) -> None:
        """Add a piece of time to a phase; `start` and `end` are in seconds of `time.monotonic()`."""
        began, took = self._phases.get(name, (start, 0.0))
        self._phases[name] = (began, took + end - start)

    def took(self, name: str) -> float:
        """Return the seconds of a phase so far."""
        return self._phases.get(name, (0.0, 0.0))[1]

    def lines(self) -> list[str]:
        """Return one line for each phase, and one for the total: how long it took and when it began, in ms."""
        now = time.monotonic()
        rows = [(name, *self._phases[name]) for name in PHASES if name in self._phases]
        rows.append(("total", self._started, now - self._started))
        return [
            f"timing: {name:8} {took * 1000:8.1f} ms  (began at {(began - self._started) * 1000:.1f} ms)"
            for name, began, took in rows
        ]


class Phase:
    """A context manager that adds the time of its `with` block to a phase."""

    def __init__(self, timings: Timings, name: str) -> None:
        """Add the time to the phase `name` of `timings`."""
        self._timings = timings
        self._name = name
        self._start = 0.0

    def __enter__(self) -> None:
        """Begin to count."""
        self._start = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop counting; an exception passes through."""
        self._timings.add(self._name, self._start, time.monotonic())
