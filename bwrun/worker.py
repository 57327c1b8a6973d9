"""
The worker: the only process that handles a credential, a key or a vault, and the one that becomes the command.

Its execve replaces the whole address space: what Python cannot wipe, the kernel does.
"""

from __future__ import annotations

import os
import time

from bwrun.base import signals
from bwrun.base.channel import (
    CHECK_DIRECTORY,
    CONFIRM,
    END,
    EXEC,
    GO,
    MAKE_DIRECTORY,
    NO_DIRECTORY,
    RENEW,
    SET,
    Channel,
)
from bwrun.base.console import Console
from bwrun.base.errors import STATUS_FAILED, BwrunError, SessionError
from bwrun.base.prctl import die_with_parent, hide_memory, outlive_parent
from bwrun.base.structs import Struct
from bwrun.base.timings import Timings
from bwrun.command.environment import as_inherited, command_environment, may_hold_references, socket_activation
from bwrun.command.finding import become, check_size, find_command
from bwrun.command.restoring import initial_environment, restore_signals
from bwrun.credentials.finding import Credentials, read_credentials
from bwrun.login.early_connection import dial_early, reach_out
from bwrun.settings.command_line import CHECK, LIST, Options
from bwrun.settings.config import Config, load_config
from bwrun.settings.sources import AGENT_VARIABLE

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn, Protocol

    from bwrun.injection.requested import Wanted
    from bwrun.injection.resolving import Resolved
    from bwrun.login.unlocking import Means, Unlocked
    from bwrun.session.data_file import SessionData
    from bwrun.session.ssh_agent import SshAgent
    from bwrun.vault.vault import Vault

    class Inherited(Protocol):
        """What the caller gave and the command gets back."""

        mask: set[int]
        ignores_child: bool
        supervisor: int


class Opened(Struct):
    """A vault, and what it was opened with."""

    credentials: Credentials
    unlocked: Unlocked


def main(options: Options, console: Console, channel: int, inherited: Inherited) -> NoReturn:
    """Do the work and become the command; else say why not, here and to the supervisor, and end."""
    link = Channel(channel)
    try:
        status = Worker(options, console, link, inherited).work()
    except BwrunError as error:
        console.print_error(error)
        status = error.status
    except BaseException as error:  # noqa: BLE001  (no traceback: it would quote source lines and values)
        console.print_internal_error(error)
        status = STATUS_FAILED
    link.send(END, b"%d" % status)
    os._exit(status)


class Worker:
    """One run, from the settings to the command."""

    def __init__(self, options: Options, console: Console, link: Channel, inherited: Inherited) -> None:
        """Take over the process, and read the settings."""
        self._console = console
        self._link = link
        self._inherited = inherited
        self._environment = as_inherited(os.environ, initial_environment())
        hide_memory()
        die_with_parent(inherited.supervisor)
        signals.pthread_sigmask(signals.SIG_SETMASK, inherited.mask)
        self._config = load_config(options, self._environment)
        console.verbose = self._config.verbose
        console.print_warnings(self._config.warnings)
        self._timings = Timings(console.started)
        self._timings.add("start", console.started, time.monotonic())
        self._vault: Vault | None = None

    def work(self) -> int:
        """Become the command; return the status to end with after `--check` and `--list`, which start none."""
        config = self._config
        if config.mode == LIST:
            return self._list()
        sketch = self._sketch()
        file = find_command(config.command[0], sketch.get(b"PATH")) if config.command else None
        agent = self._find_ssh_agent()
        may_log_in = config.session or config.items or agent or may_hold_references(sketch)
        dialed = dial_early(config) if may_log_in and not self._environment.get("BITWARDENCLI_APPDATA_DIR") else None
        wanted = self._find_wanted(sketch)
        self._console.step("no command was given" if file is None else f"found the command {os.fsdecode(file)}")

        outer = self._outer_session() if config.session and wanted is None else None
        opens_session = config.session and outer is None
        logs_in = opens_session or (wanted is not None and bool(wanted.references))
        self._ask_for_place(needed=opens_session or (wanted is not None and wanted.makes_files))
        items = wanted.few_ids() if wanted is not None and not opens_session else ()
        means = reach_out(config, dialed, items, self._console, self._timings) if logs_in else None
        directory = self._await_place()
        if agent is not None and config.mode != CHECK:
            agent.start(self._link, directory)
        opened = self._unlock(means, items, opens_session=opens_session, resolves=wanted is not None) if means else None
        resolved = self._resolve(wanted, opened) if wanted else None
        if config.mode == CHECK or file is None:
            return self._check(wanted, opened, resolved, file)

        session = self._open_session(directory, opened) if opens_session and opened else outer or {}
        environment = self._sketch(session)
        if resolved is not None:
            self._add(environment, resolved, directory)
        if agent is not None and resolved is not None:
            with self._timings.phase("agent"):
                environment[os.fsencode(AGENT_VARIABLE)] = agent.hand_over(self._link, resolved.ssh_keys)
            self._console.step(f"ssh-agent started with {len(resolved.ssh_keys)} key(s)")
        return self._start(file, environment)

    def _outer_session(self) -> dict[str, str] | None:
        """Return the variables of the session of a bwrun around this one, if there is one that fits."""
        if not self._environment.get("BITWARDENCLI_APPDATA_DIR"):
            return None
        from bwrun.session.nested import outer_session  # noqa: PLC0415  (only where there may be one)

        return outer_session(self._config)

    def _sketch(self, session: Mapping[str, str] | None = None) -> dict[bytes, bytes]:
        """Return the command's environment, without what comes from the vault."""
        config = self._config
        session = {
            **(session or {}), **socket_activation(self._environment, self._inherited.supervisor, os.getpid())
        }  # fmt: skip
        return command_environment(config.sources, config.passed, config.assignments, session)

    def _find_wanted(self, environment: Mapping[bytes, bytes]) -> Wanted | None:
        config = self._config
        if not (config.items or config.templates or config.ssh_keys or may_hold_references(environment)):
            return None
        from bwrun.injection.requested import find_wanted  # noqa: PLC0415  (only where there are references)

        return find_wanted(config, environment)

    def _find_ssh_agent(self) -> SshAgent | None:
        if not self._config.ssh_keys:
            return None
        from bwrun.session.ssh_agent import SshAgent  # noqa: PLC0415  (only for --ssh-key)

        return SshAgent(self._environment)

    def _ask_for_place(self, *, needed: bool) -> None:
        """Ask the supervisor to make the session's directory, if one is needed."""
        self._link.send(
            NO_DIRECTORY if not needed else CHECK_DIRECTORY if self._config.mode == CHECK else MAKE_DIRECTORY
        )

    def _await_place(self) -> str:
        """Wait until all stands that guards this process; return the session's directory, empty if none is needed."""
        with self._timings.phase("guard"):
            words = self._link.receive()
        if words is None:
            os._exit(STATUS_FAILED)
        if words[0] == GO:
            return os.fsdecode(words[1])
        raise SessionError(
            os.fsdecode(words[1]), f"cannot make a directory for the session: {os.fsdecode(words[2])}",
            "set BWRUN_RUNTIME_DIR to a directory that only you can write to",
        )  # fmt: skip

    def _unlock(self, means: Means, items: tuple[str, ...], *, opens_session: bool, resolves: bool) -> Opened:
        """Log in and unlock; `items`: those that are enough."""
        credentials = read_credentials(self._config, (self._link.descriptor,), means.deadline)
        from bwrun.login.unlocking import unlock_vault  # noqa: PLC0415

        def import_the_rest() -> None:
            """Import what comes after the KDF while it runs: it needs a core, and not the interpreter."""
            if opens_session:
                import bwrun.session.opening  # noqa: PLC0415
                import bwrun.session.vault_state  # noqa: PLC0415
            if resolves:
                import bwrun.injection.resolving  # noqa: F401, PLC0415
            if self._config.ssh_keys:
                import subprocess  # noqa: F401, PLC0415

        return Opened(credentials, unlock_vault(self._config, credentials, means, import_the_rest, items))

    def _resolve(self, wanted: Wanted, opened: Opened | None) -> Resolved:
        from bwrun.injection.resolving import open_vault, resolve_wanted  # noqa: PLC0415

        with self._timings.phase("decrypt"):
            vault = open_vault(opened.unlocked, allow_protected=self._config.allow_protected) if opened else None
            resolved = resolve_wanted(wanted, vault, self._config.optional, self._config.assignments.keys())
        self._vault = vault  # kept: to take a large one apart takes 30 ms, and execve none
        self._console.step(f"resolved {len(wanted.references)} reference(s)")
        return resolved

    def _open_session(self, directory: str, opened: Opened) -> dict[str, str]:
        from bwrun.session.opening import open_session  # noqa: PLC0415

        config, client_id = self._config, opened.credentials.api_key.client_id
        with self._timings.phase("write"):
            data = session_data(config, opened)
            session = open_session(directory, data, client_id, config.ca_files, renews=config.renew)
        self._console.step(f"wrote the session to {directory}")
        if config.renew:
            self._hand_over_renewal(opened, directory)
        return session

    def _hand_over_renewal(self, opened: Opened, directory: str) -> None:
        """Give the supervisor what the next logins need: the API key, and never the master password."""
        from bwrun.helpers.renewing import Order  # noqa: PLC0415  (only for --renew)
        from bwrun.session.opening import DATA_FILE  # noqa: PLC0415

        order = Order(
            opened.credentials.api_key,
            self._config.server,
            self._config.ca_files,
            self._config.client_version,
            opened.unlocked.device,
            os.path.join(directory, DATA_FILE),
        )
        self._link.send(RENEW, b"%d" % opened.unlocked.login.lifetime, *order.to_words())

    def _add(self, environment: dict[bytes, bytes], resolved: Resolved, directory: str) -> None:
        """Put the values of the vault, and the paths of files with them, into the command's environment."""
        from bwrun.injection.resolving import to_environment  # noqa: PLC0415
        from bwrun.session.files import write_files  # noqa: PLC0415

        for name, value in to_environment(resolved, write_files(directory, resolved.files)).items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value

    def _start(self, file: bytes, environment: dict[bytes, bytes]) -> NoReturn:
        with self._timings.phase("spawn"):
            check_size(file, self._config.command, environment)
            self._instruct()
        self._console.step("starting the command")
        self._say_timings()
        self._link.send(EXEC)
        outlive_parent()
        restore_signals(self._inherited.mask, ignores_child=self._inherited.ignores_child)
        become(file, self._config.command, environment)

    def _say_timings(self) -> None:
        if self._config.timings:
            self._console.print_lines(self._timings.lines())

    def _instruct(self) -> None:
        """Tell the supervisor what it has to know, and wait until that is in force."""
        if not self._config.supervision:
            return
        for name, value in self._config.supervision.items():
            self._link.send(SET, name.encode(), value.encode())
        self._link.send(SET, b"verbose", b"1" if self._config.verbose else b"")
        self._link.send(CONFIRM)
        self._link.receive()

    def _check(
        self, wanted: Wanted | None, opened: Opened | None, resolved: Resolved | None, file: bytes | None
    ) -> int:
        """Do what is left of a run in memory, and print what it would have done."""
        from bwrun.injection.resolving import open_vault, to_environment  # noqa: PLC0415
        from bwrun.reports.checking import NONE, OUTER, OWN, make_report, print_report  # noqa: PLC0415  (only for --check)
        from bwrun.session.opening import try_session  # noqa: PLC0415

        session = NONE
        if self._config.session:
            session = OUTER if opened is None else OWN
        with self._timings.phase("write"):
            variables = try_session(session_data(self._config, opened)) if session == OWN and opened is not None else {}
        if file is not None:
            environment = self._sketch(variables)
            values = {} if resolved is None else to_environment(resolved, dict.fromkeys(resolved.paths, ""))
            environment |= {name: value for name, value in values.items() if value is not None}
            check_size(file, self._config.command, environment)
        vault = open_vault(opened.unlocked, allow_protected=True) if opened else None
        found = (wanted, resolved, vault) if wanted and resolved else None
        self._say_timings()
        return print_report(make_report(self._config, found, file, session), self._config)

    def _list(self) -> int:
        self._ask_for_place(needed=False)
        means = reach_out(self._config, dial_early(self._config), (), self._console, self._timings)
        self._await_place()
        opened = self._unlock(means, (), opens_session=False, resolves=True)
        from bwrun.injection.resolving import open_vault  # noqa: PLC0415
        from bwrun.reports.listing import print_items  # noqa: PLC0415  (only for --list)

        with self._timings.phase("decrypt"):
            items = open_vault(opened.unlocked, allow_protected=True).list_items()
        self._say_timings()
        return print_items(items, self._config)


def session_data(config: Config, opened: Opened) -> SessionData:
    """Return what the session is written from; the API key only if that was asked for."""
    from bwrun.session.data_file import SessionData  # noqa: PLC0415

    credentials, unlocked = opened.credentials, opened.unlocked
    api_key = (credentials.api_key.client_id, credentials.api_key.client_secret) if config.session_api_key else None
    return SessionData(
        server=config.server,
        device=unlocked.device,
        user_id=unlocked.login.user_id,
        email=unlocked.login.email,
        access_token=unlocked.login.access_token,
        api_key=api_key,
        unlock=unlocked.login.unlock,
        keys=unlocked.keys,
        wrapped_keys=unlocked.wrapped_keys,
        key_connector_url=unlocked.key_connector_url,
        sync=unlocked.sync,
        sync_date=unlocked.sync_date,
        server_config=unlocked.server_config,
    )
