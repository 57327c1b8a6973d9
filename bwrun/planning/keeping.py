"""What of `bwrun --login` a run uses."""

from __future__ import annotations

from bwrun.credentials.finding import not_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.credentials.kept import Kept
    from bwrun.planning.plan import Plan
    from bwrun.settings.config import Config


def find_kept_for(plan: Plan, config: Config) -> tuple[Config, Kept | None]:
    """
    Return the settings of the run with its server, and what `bwrun --login` keeps, if the run lacks a credential.

    A bwrun inside another one does not use it: it could open more than the session that the outer one has made.

    Raises CredentialError: the file with it cannot be used.
    """
    missing = not_set(config) if plan.logs_in else ()
    if not missing:
        return config, None
    from bwrun.session.outer import find_outer  # noqa: PLC0415  (most runs have all that they need)

    if find_outer(config.sources.environment) is not None:
        return config, None
    from bwrun.credentials.kept import find_kept  # noqa: PLC0415

    return find_kept(config, missing)
