"""What all steps of a login use, and how they run at the same time within one deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from bwrun.base.console import Console
from bwrun.base.deadline import Deadline
from bwrun.base.structs import Struct
from bwrun.base.tasks import Task
from bwrun.base.timings import Timings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.network.routing import Network

T = TypeVar("T")
GRACE = 0.5  # seconds more for a thread to say itself what did not answer
WORTH_SHOWING = 1.0  # seconds of all waits so far; a person who waits longer is shown what for
LEAST = 0.1  # seconds; shorter waits are never shown, so that lines do not flicker


class LoginContext(Struct):
    """What all steps of a login use."""

    console: Console
    timings: Timings
    deadline: Deadline
    open_network: Callable[[], Network]
    close_network: Callable[[], None]  # closes the connections, if there are any

    @property
    def network(self) -> Network:
        """Return the network. A run that finds all it needs in the cache does not ask for it, and imports no `ssl`."""
        return self.open_network()

    def start(self, phase: str, function: Callable[[], T]) -> Task[T]:
        """Begin to call `function` in a thread; its time counts for the phase `phase`."""

        def timed() -> T:
            with self.timings.phase(phase):
                return function()

        return Task(timed)

    def wait(self, task: Task[T], who: str, doing: str = "") -> T:
        """
        Return what a task returned. On a terminal, show what it waits for if that takes long.

        `doing`: what a task that sends requests does. It is shown together with what the request does at the moment.

        Raises NetworkError: `who` has not answered when the deadline has passed.
        """
        began = time.monotonic()

        def describe() -> tuple[str, str]:
            pause, stage = self.deadline.pause(), self.deadline.stage()
            if pause:
                return pause, ""
            text = f"{doing}: {stage}" if doing and stage else doing or f"waiting for {who}"
            return text, f" ({time.monotonic() - began:.0f} s)"

        if not self.watch(task.wait, max(0.0, self.deadline.left()) + GRACE, describe):
            raise self.deadline.exceeded(who)
        try:
            return task.result()
        except TimeoutError:
            raise self.deadline.exceeded(who) from None

    def sleep(self, seconds: float, why: str) -> None:
        """Wait `seconds`; on a terminal, show why if that takes long."""
        end = time.monotonic() + seconds

        def describe() -> tuple[str, str]:
            return f"waiting {int(end - time.monotonic()) + 1} s: {why}", ""

        def wait(most: float) -> bool:
            time.sleep(most)
            return time.monotonic() >= end

        self.watch(wait, seconds, describe)

    def watch(self, wait: Callable[[float], bool], seconds: float, describe: Callable[[], tuple[str, str]]) -> bool:
        """Wait, as `bwrun.base.progress.watch()` does, which is not imported for a wait that takes no second."""
        began = time.monotonic()
        short = min(seconds, max(LEAST, WORTH_SHOWING - self.deadline.watched))
        try:
            if wait(short):
                return True
            from bwrun.base.progress import watch  # noqa: PLC0415  (most waits are short)

            return watch(self.console, wait, seconds - short, describe)
        finally:
            self.deadline.watched += time.monotonic() - began

    def import_by(self, function: Callable[[], None]) -> None:
        """Call a function that imports modules; its time counts for the phase `import`."""
        with self.timings.phase("import"):
            function()
