"""What a run needs the vault for, which decides what is fetched and what the cache has to have."""

from __future__ import annotations

from collections.abc import Callable

from bwrun.login.unlocked import Purpose, UnlockedVault
from bwrun.planning.plan import Plan
from bwrun.settings.config import Config
from bwrun.settings.option_names import RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.session.contents import SessionData


def purpose_of(plan: Plan, config: Config, collect: Callable[[UnlockedVault], SessionData] | None) -> Purpose:
    """
    Return what the vault is needed for.

    `collect` returns the data of a session with the whole vault. None: there will be no session.
    """
    if collect is None or not plan.opens_session or config.mode != RUN or plan.selectors is not None:
        return Purpose(plan.items, needs_sync=True, encode=None)

    def encode(unlocked: UnlockedVault) -> bytes:
        from bwrun.session.formats import FORMAT  # noqa: PLC0415  (only for --cache)

        return FORMAT.encode_vault(collect(unlocked))

    return Purpose(plan.items, needs_sync=plan.requested is not None, encode=encode)
