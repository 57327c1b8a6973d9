"""What is printed instead of a run, after the login and the lookups: the report of `--check`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bwrun.base.structs import Struct
from bwrun.command.environment import environment_without_secrets
from bwrun.command.finding import check_size
from bwrun.injection.resolving import ResolvedSecrets, set_variables
from bwrun.login.account import account_of
from bwrun.planning.plan import Plan
from bwrun.reports.checking import NONE, OUTER, OWN, make_report, print_report
from bwrun.settings.config import Config

if TYPE_CHECKING:
    from bwrun.login.unlocked import UnlockedVault
    from bwrun.vault.vault import Vault


class Outcome(Struct):
    """What a run has found out by the time at which it would start the command."""

    plan: Plan
    unlocked: UnlockedVault | None
    resolved: ResolvedSecrets | None
    vault: Vault | None  # opened with protected items, for their names
    session: Mapping[str, str]  # the variables that the command would get for a session of its own
    names: Mapping[str, str] | None  # of the session's items, by their ids, with --only
    places: Mapping[str, str | None]  # where each credential came from


def print_check(outcome: Outcome, config: Config, bwrun: int, print_timings: Callable[[], None]) -> int:
    """
    Print the report of `--check`; return bwrun's exit status. `bwrun` is the pid that the caller knows.

    Raises CommandError: the command line and the variables are too large; OutputError.
    """
    plan, unlocked, resolved = outcome.plan, outcome.unlocked, outcome.resolved
    if plan.file is not None:
        environment = environment_without_secrets(config, outcome.session, bwrun)
        if resolved:
            set_variables(environment, resolved, dict.fromkeys(resolved.paths, ""))
        check_size(plan.file, config.command, environment)
    found = (plan.requested, resolved, outcome.vault) if plan.requested and resolved else None
    kind = OWN if plan.opens_session else NONE if plan.outer_session is None else OUTER
    login = None
    if unlocked:
        vault_is = unlocked.cached or ("fetched" if config.cache else None)
        login = (account_of(unlocked, config.server.name), dict(outcome.places), vault_is)
    print_timings()
    return print_report(make_report(config, found, plan.file, (kind, outcome.names), login), config)
