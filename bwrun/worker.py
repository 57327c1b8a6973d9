"""
The worker: the process that logs in, resolves the references, writes the session, and becomes the command.

No other process handles the master password, keys or the vault. Python cannot wipe its memory, but the worker's last
step, execve, replaces all of it.
"""

from __future__ import annotations

import os
import time

from bwrun.base import signals
from bwrun.base.console import Console
from bwrun.base.errors import STATUS_FAILED, BwrunError, CredentialError
from bwrun.base.prctl import die_with_parent, hide_memory, outlive_parent
from bwrun.base.supervisor_link import SupervisorLink
from bwrun.base.timings import Timings
from bwrun.command.environment import environment_without_secrets, without_interpreter_changes
from bwrun.command.finding import check_size, exec_command
from bwrun.command.restoring import read_initial_environment, restore_signals
from bwrun.credentials.finding import read_credentials
from bwrun.login.early_connection import start_connecting
from bwrun.planning.keeping import find_kept_for
from bwrun.planning.plan import Plan, make_plan
from bwrun.settings.command_line import Options
from bwrun.settings.config import load_config
from bwrun.settings.option_names import CHECK, EXPORT, GET, LIST, LOGIN, PRINT_USER_KEY, RUN
from bwrun.settings.sources import AGENT_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Protocol

    from bwrun.credentials.kept import Kept
    from bwrun.injection.resolving import ResolvedSecrets
    from bwrun.login.context import LoginContext
    from bwrun.login.unlocked import UnlockedVault
    from bwrun.planning.concealing import Concealment
    from bwrun.planning.looking_up import LookedUp
    from bwrun.planning.outer_vault import OuterVault
    from bwrun.session.contents import SessionData
    from bwrun.session.limited import KeyPair
    from bwrun.session.ssh_agent import SshAgent
    from bwrun.vault.vault import Vault

    class CallerState(Protocol):
        """What the caller gave to bwrun, and the command must get back (`bwrun.launch`)."""

        supervisor: int
        mask: set[int]
        ignores_child: bool


def main(options: Options, console: Console, channel: int, caller: CallerState) -> NoReturn:
    """Do the run and become the command. If that fails, print why, tell the supervisor, and end."""
    supervisor = SupervisorLink(channel)
    try:
        status = Worker(options, console, supervisor, caller).run()
    except BwrunError as error:
        console.print_error(error)
        status = error.status
    except BaseException as error:  # noqa: BLE001  (no traceback: it would quote source lines and values)
        console.print_internal_error(error)
        status = STATUS_FAILED
    supervisor.announce_end(status)
    os._exit(status)


class Worker:
    """One run, from the settings to the command."""

    def __init__(self, options: Options, console: Console, supervisor: SupervisorLink, caller: CallerState) -> None:
        """Protect this process and read the settings."""
        self._console = console
        self._supervisor = supervisor
        self._caller = caller
        # This reads /proc/self/environ, which hide_memory() closes.
        environment = without_interpreter_changes(os.environ, read_initial_environment())
        hide_memory()
        die_with_parent(caller.supervisor)
        signals.pthread_sigmask(signals.SIG_SETMASK, caller.mask)
        self._config = load_config(options, environment)
        if environment.get("BITWARDENCLI_APPDATA_DIR"):
            from bwrun.session.nested import with_outer_server  # noqa: PLC0415  (few runs are nested)

            self._config = with_outer_server(self._config)
        console.verbose = self._config.verbose
        console.print_warnings(self._config.warnings)
        self._timings = Timings(console.started)
        self._timings.add("start", console.started, time.monotonic())
        self._vault: Vault | None = None
        self._key_pair: KeyPair | None = None  # of a session with --only
        self._outer_vault: OuterVault | None = None  # of a nested run that looks something up
        self._concealment: Concealment | None = None  # of the command's output, for --mask
        self._kept: Kept | None = None  # what `bwrun --login` keeps
        self._places: dict[str, str | None] = {}  # where each credential came from

    def run(self) -> int:
        """
        Take the steps of the run and become the command.

        Return the exit status of `--check`, `--list` and the like, which start no command.

        Raises BwrunError.
        """
        config = self._config
        if config.mode == LOGIN:
            from bwrun.login.keeping import log_in_and_keep  # noqa: PLC0415  (only for --login)

            return log_in_and_keep(config, self._supervisor, self._console, self._timings)
        plan = make_plan(config, self._caller.supervisor, self._console)
        if plan.outer is not None:
            from bwrun.planning.outer_vault import read_outer  # noqa: PLC0415  (few runs are nested)

            plan, self._outer_vault = read_outer(plan, config, self._console)
        self._config, self._kept = find_kept_for(plan, config)
        context = self._start_login(plan)
        directory = self._wait_for_supervisor()
        if plan.ssh_agent and config.mode != CHECK:
            plan.ssh_agent.start(self._supervisor, directory)
        unlocked = self._unlock(plan, context) if context else None
        if config.mode == PRINT_USER_KEY and unlocked:
            from bwrun.login.printed_user_key import print_user_key  # noqa: PLC0415

            return print_user_key(unlocked, config, self._console)
        if config.mode in (LIST, GET):
            return self._print_from_vault(unlocked)
        found = self._look_up(plan, unlocked) if plan.requested or plan.selectors else None
        resolved, chosen = (found.resolved, found.chosen) if found else (None, None)
        if config.mode == CHECK or plan.file is None:
            return self._print_check(plan, unlocked, found)
        own = unlocked if plan.opens_session else None
        session = plan.outer_session if own is None else self._open_session(own, directory, chosen)
        environment = environment_without_secrets(config, session or {}, self._caller.supervisor)
        if resolved:
            from bwrun.planning.filling import add_secrets  # noqa: PLC0415

            add_secrets(environment, resolved, directory)
        if resolved and plan.ssh_agent:
            self._add_ssh_keys(environment, resolved, plan.ssh_agent)
        if self._concealment is not None:
            with self._timings.phase("mask"):
                self._concealment.hand_over(session, resolved, self._vault, chosen)
        return self._start_command(plan.file, environment)

    def _vault_of(self, unlocked: UnlockedVault | None, *, allow_protected: bool) -> Vault | None:
        """Return the vault: what the outer session holds, or that of the account; None if neither was opened."""
        if self._outer_vault is not None:
            return self._outer_vault.open(allow_protected=allow_protected)
        if unlocked is None:
            return None
        from bwrun.injection.resolving import open_vault  # noqa: PLC0415

        return open_vault(unlocked, allow_protected=allow_protected)

    def _start_login(self, plan: Plan) -> LoginContext | None:
        """Ask the supervisor for the directory, and open connections meanwhile; return None if no login is needed."""
        self._supervisor.request_directory(needed=plan.needs_directory, dry_run=self._config.mode == CHECK)
        connect = (self._config, plan.dialed, plan.items, self._console, self._timings)
        return start_connecting(*connect) if plan.logs_in else None

    def _wait_for_supervisor(self) -> str:
        """Wait until this process is guarded; return the session's directory, which is empty if none is needed."""
        with self._timings.phase("guard"):
            directory = self._supervisor.wait_until_guarded()
        if directory is None:
            os._exit(STATUS_FAILED)  # the supervisor is dead
        if self._config.masked and self._config.mode == RUN:
            from bwrun.planning.concealing import Concealment  # noqa: PLC0415  (only for --mask)

            self._concealment = Concealment(self._config, self._supervisor, self._console)
        return directory

    def _unlock(self, plan: Plan, context: LoginContext) -> UnlockedVault:
        """Read the credentials, log in, fetch the vault and unlock it."""
        try:
            own = (self._supervisor.descriptor,)
            credentials = read_credentials(self._config, own, context.deadline, self._kept)
        except CredentialError as error:
            from bwrun.session.nested import explain_missing  # noqa: PLC0415  (only after a failure)

            has_references = plan.requested is not None and bool(plan.requested.references)
            raise explain_missing(error, self._config, has_references=has_references) from None
        self._console.print_warnings(credentials.warnings)
        self._console.step(f"credentials: {credentials.places}")
        self._places = credentials.place_of_each
        from bwrun.login.unlocking import unlock_vault  # noqa: PLC0415  (while the connection is being made)
        from bwrun.planning.preparing import prepare_next_steps  # noqa: PLC0415
        from bwrun.planning.purpose import purpose_of  # noqa: PLC0415

        def meanwhile() -> None:
            self._key_pair = prepare_next_steps(plan, self._config)

        purpose = purpose_of(plan, self._config, lambda unlocked: self._collect(unlocked, None))
        unlocked = unlock_vault(self._config, credentials, context, meanwhile, purpose)
        if self._config.verbose and not unlocked.login.email:
            from bwrun.login.account import tell_account  # noqa: PLC0415  (most servers say it in their reply to the login)

            tell_account(unlocked, self._console)
        return unlocked

    def _look_up(self, plan: Plan, unlocked: UnlockedVault | None) -> LookedUp:
        """Get the values of all requested secrets, and choose the items of a session with --only."""
        from bwrun.planning.looking_up import look_up  # noqa: PLC0415

        with self._timings.phase("decrypt"):
            vault = self._vault_of(unlocked, allow_protected=self._config.allow_protected)
            self._vault = vault  # kept until execve, because to free a vault of 10,000 items takes 30 ms
            return look_up(plan, self._config, vault, self._console)

    def _collect(self, unlocked: UnlockedVault, chosen: frozenset[str] | None) -> SessionData:
        """Return what the session contains: the whole vault, or the `chosen` items."""
        from bwrun.session.collecting import collect_limited  # noqa: PLC0415

        if chosen is not None and self._config.verbose:
            names = ", ".join(sorted(self._names_of(chosen).values()))
            self._console.step(f"the session holds {len(chosen)} item(s): {names}")
        return collect_limited(self._config, unlocked, self._console, chosen, self._key_pair)

    def _names_of(self, chosen: frozenset[str]) -> dict[str, str]:
        return {} if self._vault is None else self._vault.names_of(sorted(chosen))

    def _open_session(self, unlocked: UnlockedVault, directory: str, chosen: frozenset[str] | None) -> dict[str, str]:
        """Write the session into its directory; return the variables that lead the official CLI to it."""
        from bwrun.session.opening import open_session  # noqa: PLC0415

        config = self._config
        with self._timings.phase("write"):
            data = self._collect(unlocked, chosen)
            session = open_session(
                directory, data, unlocked.api_key.client_id, config.ca_files, renews=config.renew, only=config.only
            )
        self._console.step(f"wrote the session to {directory}")
        if config.renew:
            from bwrun.helpers.renewing import make_renewal_request  # noqa: PLC0415  (only for --renew)

            request = make_renewal_request(config, unlocked, directory)
            self._supervisor.hand_over_renewal(unlocked.access.lifetime, request.to_words())
        return session

    def _add_ssh_keys(self, environment: dict[bytes, bytes], resolved: ResolvedSecrets, ssh_agent: SshAgent) -> None:
        """Give the private keys to the ssh-agent, and set its variable in `environment`."""
        with self._timings.phase("agent"):
            environment[os.fsencode(AGENT_VARIABLE)] = ssh_agent.add_keys(self._supervisor, resolved.ssh_keys)
        self._console.step(f"gave {len(resolved.ssh_keys)} key(s) to an ssh-agent")

    def _start_command(self, file: bytes, environment: dict[bytes, bytes]) -> NoReturn:
        """Become the command."""
        config = self._config
        with self._timings.phase("spawn"):
            check_size(file, config.command, environment)
            if config.supervisor_settings:
                self._supervisor.apply_settings(config.supervisor_settings, verbose=config.verbose)
        self._console.step("starting the command")
        self._print_timings()
        self._supervisor.announce_exec()
        if self._concealment is not None:
            self._concealment.enter()
        outlive_parent()
        restore_signals(self._caller.mask, ignores_child=self._caller.ignores_child)
        exec_command(file, config.command, environment)

    def _print_check(self, plan: Plan, unlocked: UnlockedVault | None, found: LookedUp | None) -> int:
        """Do the remaining steps of the run without writing anything, and print for `--check` or `--export`."""
        if self._config.mode == EXPORT:
            from bwrun.reports.values import print_export  # noqa: PLC0415

            self._print_timings()
            return print_export(self._config, found.resolved if found else None)
        from bwrun.reports.answers import Outcome, print_check  # noqa: PLC0415

        chosen = found.chosen if found else None
        session = {}
        if plan.opens_session and unlocked:
            from bwrun.session.opening import try_session  # noqa: PLC0415

            with self._timings.phase("write"):
                session = try_session(self._collect(unlocked, chosen))
        vault = self._vault_of(unlocked, allow_protected=True)
        names = None if chosen is None else self._names_of(chosen)
        outcome = Outcome(plan, unlocked, found.resolved if found else None, vault, session, names, self._places)
        return print_check(outcome, self._config, self._caller.supervisor, self._print_timings)

    def _print_from_vault(self, unlocked: UnlockedVault | None) -> int:
        """Print the items for `--list`, or the values for `--get`."""
        from bwrun.reports.from_vault import look_up_answer  # noqa: PLC0415

        config = self._config
        with self._timings.phase("decrypt"):
            vault = self._vault_of(unlocked, allow_protected=config.mode == LIST or config.allow_protected)
            print_answer = look_up_answer(config, vault)
        self._print_timings()
        return print_answer()

    def _print_timings(self) -> None:
        if self._config.timings:
            self._console.print_lines(self._timings.lines())
