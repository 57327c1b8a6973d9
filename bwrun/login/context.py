"""What all steps of a login use, and how they run at the same time within one deadline."""

from __future__ import annotations

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

    def wait(self, task: Task[T], who: str) -> T:
        """Return what a task returned. Raises NetworkError: `who` has not answered when the deadline has passed."""
        try:
            return task.result(max(0.0, self.deadline.left()) + GRACE)
        except TimeoutError:
            raise self.deadline.exceeded(who) from None

    def import_by(self, function: Callable[[], None]) -> None:
        """Call a function that imports modules; its time counts for the phase `import`."""
        with self.timings.phase("import"):
            function()
