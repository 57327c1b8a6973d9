"""
Deciding what a run will do, as far as that is known before the login.

Everything that can fail without the network fails here: before a prompt, a request and the session's directory.
"""

from __future__ import annotations

import os

from bwrun.base.errors import FailedReferenceError, UnresolvedReferencesError
from bwrun.base.structs import Struct
from bwrun.command.environment import contains_scheme, environment_without_secrets, has_possible_references
from bwrun.command.finding import find_command
from bwrun.login.early_connection import dial_early
from bwrun.settings.option_names import EXPORT, GET, LIST, PRINT_USER_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.base.console import Console
    from bwrun.injection.requested import RequestedSecrets
    from bwrun.network.dialing import Dial
    from bwrun.references.grammar import Reference
    from bwrun.session.nested import OuterSession
    from bwrun.session.ssh_agent import SshAgent
    from bwrun.settings.config import Config


class Plan(Struct):
    """What a run will do."""

    file: bytes | None  # the command's; None: `--list`, or `--check` without a command
    requested: RequestedSecrets | None
    outer: OuterSession | None  # the session of an outer bwrun, if this run can use that one
    outer_session: dict[str, str] | None  # its variables, if the command will get them
    opens_session: bool
    logs_in: bool
    items: tuple[str, ...]  # the ids of the items to fetch; empty: the whole vault
    dialed: Dial | None  # a connection to the server that has been begun already
    ssh_agent: SshAgent | None = None  # to be started, for --ssh-key
    selectors: dict[str, Reference | None] | None = None  # of --only, by their text; None: the session is not limited

    @property
    def needs_directory(self) -> bool:
        """Return whether the run writes a session or files."""
        return self.opens_session or (self.requested is not None and self.requested.makes_files)

    @property
    def has_references(self) -> bool:
        """Return whether the run looks something up in the vault for the command."""
        return self.requested is not None and bool(self.requested.references)


def make_plan(config: Config, bwrun: int, console: Console) -> Plan:
    """
    Decide what the run will do, and begin to connect to the server as soon as a login is likely.

    `bwrun` is the pid that the caller knows.

    Raises CommandError: the command cannot be run; UnresolvedReferencesError: references are malformed; UsageError,
    ConfigError: a template cannot be used; CredentialError: the client id is malformed, or there is no terminal for
    --print-user-key; SessionError: there is no ssh-agent for --ssh-key.
    """
    if config.mode == PRINT_USER_KEY:
        from bwrun.credentials.confirming import check_terminal  # noqa: PLC0415  (only for --print-user-key)

        check_terminal(config.sources, config.mode)
        return Plan(None, None, None, None, opens_session=False, logs_in=True, items=(), dialed=dial_early(config))
    may_be_nested = bool(config.sources.environment.get("BITWARDENCLI_APPDATA_DIR"))
    outer = _find_outer(config) if may_be_nested else None
    if config.mode == LIST:
        dialed = None if outer else dial_early(config)
        return Plan(None, None, outer, None, opens_session=False, logs_in=outer is None, items=(), dialed=dialed)
    if config.mode == GET:
        from bwrun.injection.getting import requested_by_get  # noqa: PLC0415  (only for --get)

        requested = requested_by_get(config.references)
        dialed = None if may_be_nested else dial_early(config)
        return _decide(config, None, requested, outer, dialed=dialed, ssh_agent=None)
    environment = environment_without_secrets(config, {}, bwrun)
    file = find_command(config.command[0], environment.get(b"PATH")) if config.command else None
    ssh_agent = None
    if config.ssh_keys and config.mode != EXPORT:
        from bwrun.session.ssh_agent import SshAgent  # noqa: PLC0415  (only for --ssh-key)

        ssh_agent = SshAgent(config.sources.environment)
    has_references = bool(config.items or config.ssh_keys) or has_possible_references(environment)
    dialed = dial_early(config) if (config.wants_session or has_references) and not may_be_nested else None
    found = None
    failures = _failures_of_selectors(config)
    if has_references or config.templates or contains_scheme(environment.values()):
        from bwrun.injection.requested import find_requested_secrets  # noqa: PLC0415  (it imports `re`)
        from bwrun.session.outer import find_outer  # noqa: PLC0415  (few runs are nested)

        nested = may_be_nested and find_outer(config.sources.environment) is not None
        try:
            found = find_requested_secrets(config, environment, console, nested=nested)
        except UnresolvedReferencesError as error:
            failures += error.failures
    if config.mode == EXPORT:
        from bwrun.injection.exporting import refused_for_export  # noqa: PLC0415  (only for --export)

        failures += refused_for_export(config, environment)
    if failures:
        raise UnresolvedReferencesError(failures)
    console.step("no command was given" if file is None else f"found the command {os.fsdecode(file)}")
    return _decide(config, file, found, outer, dialed=dialed, ssh_agent=ssh_agent)


def _failures_of_selectors(config: Config) -> list[FailedReferenceError]:
    """Return the errors of the values of `--only` that are malformed."""
    if not config.only:
        return []
    from bwrun.planning.selecting import parse_selectors  # noqa: PLC0415  (only for --only)

    try:
        parse_selectors(config.only)
    except UnresolvedReferencesError as error:
        return list(error.failures)
    return []


def without_outer(plan: Plan, config: Config) -> Plan:
    """Return the plan of a run that logs in, because the outer session cannot be used."""
    if config.mode == LIST:
        return Plan(None, None, None, None, opens_session=False, logs_in=True, items=(), dialed=None)
    return _decide(config, plan.file, plan.requested, None, dialed=None, ssh_agent=plan.ssh_agent)


def _decide(  # noqa: PLR0913  (all that is known by then)
    config: Config,
    file: bytes | None,
    requested: RequestedSecrets | None,
    outer: OuterSession | None,
    *,
    dialed: Dial | None,
    ssh_agent: SshAgent | None,
) -> Plan:
    """Return the plan: it follows from what is asked for, and from whether there is an outer session to use."""
    opens_session = config.wants_session and outer is None
    outer_session = outer.variables if outer is not None and config.wants_session else None
    selectors = None
    if config.only and opens_session:
        from bwrun.planning.selecting import parse_selectors  # noqa: PLC0415  (only for --only)

        selectors = parse_selectors(config.only)
    logs_in = opens_session or (outer is None and requested is not None and bool(requested.references))
    items = requested.ids_to_fetch_alone() if requested and logs_in and not opens_session else ()
    return Plan(file, requested, outer, outer_session, opens_session, logs_in, items, dialed, ssh_agent, selectors)


def _find_outer(config: Config) -> OuterSession | None:
    from bwrun.session.nested import outer_session  # noqa: PLC0415  (few runs are nested)

    return outer_session(config)
