"""
The worker: the process that logs in, resolves the references, writes the session, and becomes the command.

No other process of a run handles the master password, keys or the vault. Python cannot wipe its memory, but the
worker's last step, execve, replaces all of it.
"""

from __future__ import annotations

import os
import time

from bwrun.base.console import Console
from bwrun.base.errors import STATUS_FAILED, BwrunError
from bwrun.base.supervisor_link import SupervisorLink
from bwrun.base.timings import Timings
from bwrun.command.environment import environment_without_secrets
from bwrun.command.finding import check_size, exec_command
from bwrun.command.protecting import protect
from bwrun.command.restoring import restore_inherited
from bwrun.opening.steps import Opening, read_settings
from bwrun.planning.plan import Plan, make_plan
from bwrun.settings.command_line import Options
from bwrun.settings.option_names import CHECK, DOCTOR, EXPORT, GET, LIST, LOGIN, PRINT_USER_KEY, RUN
from bwrun.settings.sources import AGENT_VARIABLE
from bwrun.system.calls import outlive_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn, Protocol

    from bwrun.injection.resolving import ResolvedSecrets
    from bwrun.login.unlocked import UnlockedVault
    from bwrun.planning.concealing import Concealment
    from bwrun.planning.looking_up import LookedUp
    from bwrun.session.contents import SessionData
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
        environment = protect(caller.supervisor, caller.mask)
        if options.mode == DOCTOR:
            from bwrun.doctor.examination import examine  # noqa: PLC0415  (only for --doctor)

            status = examine(options, environment, console.started, supervisor, caller.supervisor)
        else:
            status = Worker(options, environment, console, supervisor, caller).run()
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

    def __init__(
        self,
        options: Options,
        environment: Mapping[str, str],
        console: Console,
        supervisor: SupervisorLink,
        caller: CallerState,
    ) -> None:
        """Read the settings; `environment` is the caller's."""
        self._console = console
        self._supervisor = supervisor
        self._caller = caller
        self._config = read_settings(options, environment)
        console.verbose = self._config.verbose
        console.print_warnings(self._config.warnings)
        if console.verbose:
            console.step(self._config.files_read)
        self._timings = Timings(console.started)
        self._timings.add("start", console.started, time.monotonic())
        self._opening = Opening(self._config, console, self._timings)
        self._vault: Vault | None = None
        self._concealment: Concealment | None = None  # of the command's output, for --mask

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
        plan = self._opening.follow(make_plan(config, self._caller.supervisor, self._console))
        self._supervisor.request_directory(needed=plan.needs_directory, dry_run=config.mode == CHECK)
        self._opening.connect(plan)  # while the supervisor makes the directory
        config = self._config = self._opening.config  # with the server of `--login`, if no other is set
        directory = self._wait_for_supervisor()
        if plan.ssh_agent and config.mode != CHECK:
            plan.ssh_agent.start(self._supervisor, directory)
        unlocked = self._opening.unlock(plan, (self._supervisor.descriptor,), lambda vault: self._collect(vault, None))
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

            is_chosen = "BWRUN_RUNTIME_DIR" in config.sources.environment
            add_secrets(environment, resolved, directory, self._console, chosen=is_chosen)
        if resolved and plan.ssh_agent:
            self._add_ssh_keys(environment, resolved, plan.ssh_agent)
        if self._concealment is not None:
            with self._timings.phase("mask"):
                self._concealment.hand_over(session, resolved, self._vault, chosen)
        return self._start_command(plan.file, environment)

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

    def _look_up(self, plan: Plan, unlocked: UnlockedVault | None) -> LookedUp:
        """Get the values of all requested secrets, and choose the items of a session with --only."""
        from bwrun.planning.looking_up import look_up  # noqa: PLC0415

        with self._timings.phase("decrypt"):
            vault = self._opening.vault_of(unlocked, allow_protected=self._config.allow_protected)
            self._vault = vault  # kept until execve, because to free a vault of 10,000 items takes 30 ms
            return look_up(plan, self._config, vault, self._console)

    def _collect(self, unlocked: UnlockedVault, chosen: frozenset[str] | None) -> SessionData:
        """Return what the session contains: the whole vault, or the `chosen` items."""
        from bwrun.session.collecting import collect_limited  # noqa: PLC0415

        if chosen is not None and self._config.verbose:
            names = ", ".join(sorted(self._names_of(chosen).values()))
            self._console.step(f"the session holds {len(chosen)} item(s): {names}")
        return collect_limited(self._config, unlocked, self._console, chosen, self._opening.key_pair)

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
        outlive_parent(self._caller.supervisor)
        restore_inherited(self._caller.mask, ignores_child=self._caller.ignores_child)
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
        vault = self._opening.vault_of(unlocked, allow_protected=True)
        names = None if chosen is None else self._names_of(chosen)
        resolved, places = found.resolved if found else None, self._opening.places
        outcome = Outcome(plan, unlocked, resolved, vault, session, names, places)
        return print_check(outcome, self._config, self._caller.supervisor, self._print_timings)

    def _print_from_vault(self, unlocked: UnlockedVault | None) -> int:
        """Print the items for `--list`, or the values for `--get`."""
        from bwrun.reports.from_vault import look_up_answer  # noqa: PLC0415

        config = self._config
        with self._timings.phase("decrypt"):
            vault = self._opening.vault_of(unlocked, allow_protected=config.mode == LIST or config.allow_protected)
            print_answer = look_up_answer(config, vault)
        self._print_timings()
        return print_answer()

    def _print_timings(self) -> None:
        if self._config.timings:
            self._console.print_lines(self._timings.lines())
