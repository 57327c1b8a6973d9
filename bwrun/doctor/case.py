"""What the steps of `--doctor` have found so far, for the steps after them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bwrun.base.progress import watch
from bwrun.base.timings import Timings
from bwrun.doctor.report import Notes, NotNeededError
from bwrun.network.tracing import Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.base.supervisor_link import SupervisorLink
    from bwrun.credentials.found import Credentials
    from bwrun.credentials.kept import Kept
    from bwrun.login.context import LoginContext
    from bwrun.login.unlocked import UnlockedVault
    from bwrun.planning.outer_vault import OuterVault
    from bwrun.planning.plan import Plan
    from bwrun.settings.command_line import Options
    from bwrun.settings.config import Config


WORTH_SHOWING = 1.0  # seconds


class Case:
    """The run that is looked at. A part that a step finds is there when the step has gone well."""

    config: Config  # from `settings`
    plan: Plan  # from `plan`, also if that fails
    context: LoginContext  # from `servers`
    credentials: Credentials  # from `credentials`
    unlocked: UnlockedVault  # from `unlock`

    def __init__(
        self, options: Options, environment: Mapping[str, str], notes: Notes, supervisor: SupervisorLink, bwrun: int
    ) -> None:
        """`environment` is the caller's; `bwrun` is the pid that the caller knows."""
        self.options = options
        self.environment = environment
        self.notes = notes
        self.supervisor = supervisor
        self.bwrun = bwrun
        self.timings = Timings(notes.started)
        self.trace = Trace()
        self.directory = ""  # for the session; empty: none was made
        self.outer_vault: OuterVault | None = None
        self.kept: Kept | None = None  # what `bwrun --login` keeps
        self.server_config: object = None
        self.skew: float | None = None  # seconds that this machine's clock is ahead; None: the server says no time
        self.chosen: frozenset[str] | None = None  # the items of a session with --only
        self.session: Mapping[str, str] | None = None  # the variables of the session
        self.is_cached = False  # whether there is a vault in the cache that a run could use

    def wait(self, wait: Callable[[float], bool], seconds: float, doing: str) -> bool:
        """Wait at most `seconds`, as `bwrun.base.progress.watch()` does; after a second, say on a terminal what for."""
        began = time.monotonic()
        if wait(min(WORTH_SHOWING, seconds)):
            return True

        def describe() -> tuple[str, str]:
            return doing, f" ({time.monotonic() - began:.0f} s)"

        return watch(self.notes, wait, seconds - WORTH_SHOWING, describe)

    def require_login(self) -> None:
        """Raise NotNeededError if a run would not log in."""
        if self.plan.outer is not None:
            raise NotNeededError("a run would use the session of the outer bwrun")
        if not self.plan.logs_in:
            raise NotNeededError("a run would not log in: it opens no session, and has no references")
