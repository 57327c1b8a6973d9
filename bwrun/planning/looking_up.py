"""Looking up in the vault what a run asks for: the values of its references, and the items of its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bwrun.base.console import Console
from bwrun.base.errors import FailedReferenceError, UnresolvedReferencesError
from bwrun.base.structs import Struct
from bwrun.injection.resolving import ResolvedSecrets, resolve_for
from bwrun.planning.plan import Plan
from bwrun.settings.config import Config

if TYPE_CHECKING:
    from bwrun.vault.vault import Vault


class LookedUp(Struct):
    """What was found."""

    resolved: ResolvedSecrets | None  # None: the run has neither references nor templates
    chosen: frozenset[str] | None  # with --only: the ids of the session's items, in lower case


def look_up(plan: Plan, config: Config, vault: Vault | None, console: Console) -> LookedUp:
    """
    Get the values of all requested secrets, and choose the items of a session with --only.

    `vault` is None if the run does not log in.

    Raises UnresolvedReferencesError: references or selectors failed; it contains all failures of both.
    """
    resolved, chosen = None, None
    failures: list[FailedReferenceError] = []
    try:
        resolved = resolve_for(config, plan.requested, vault, console) if plan.requested else None
    except UnresolvedReferencesError as error:
        failures += error.failures
    if plan.selectors is not None and vault is not None:
        from bwrun.planning.selecting import choose_items  # noqa: PLC0415  (only for --only)

        try:
            chosen = choose_items(plan.selectors, plan.requested.references if plan.requested else (), vault)
        except UnresolvedReferencesError as error:
            failures += error.failures
    if failures:
        raise UnresolvedReferencesError(failures)
    return LookedUp(resolved, chosen)
