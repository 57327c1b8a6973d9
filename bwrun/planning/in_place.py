"""
A nested run without a process of its own: it becomes the command in place, with the session of the outer bwrun.

Without files, an ssh-agent and options for the supervisor, there is nothing to do after the command has ended. The
references of variables are resolved from the outer session, which needs no request and no key derivation.
"""

from __future__ import annotations

import os
import stat

from bwrun.base import signals
from bwrun.base.console import Console
from bwrun.base.errors import SessionError
from bwrun.command.environment import (
    command_environment,
    contains_scheme,
    has_possible_references,
    without_interpreter_changes,
)
from bwrun.command.finding import check_size, exec_command, find_command
from bwrun.command.restoring import read_initial_environment, restore_inherited
from bwrun.credentials.finding import are_all_set
from bwrun.session.nested import OuterSession, outer_session
from bwrun.session.outer import find_outer
from bwrun.settings.command_line import Options
from bwrun.settings.config import Config, load_config
from bwrun.settings.found_file import locate_env_file
from bwrun.settings.option_names import RUN

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bwrun.planning.outer_vault import OuterVault


def run_in_place(options: Options, console: Console) -> None:
    """
    Become the command if the outer session is all that it needs; otherwise return, for a run with a worker.

    Raises BwrunError: a setting, an env file or the command cannot be used, or a reference cannot be resolved.
    """
    found = _find_session(options)
    if found is None:
        return
    config, session = found
    variables = command_environment(
        config.sources, config.passed, config.assignments, session.variables if config.wants_session else {}
    )
    has_references = bool(config.items) or has_possible_references(variables)
    if any(value[:6].lower() == b"@bw://" for value in variables.values()) or not (
        has_references or config.wants_session
    ):
        return  # a file needs a directory, and somebody who removes it
    vault = _read_vault(session, config, console) if has_references else None
    if has_references and vault is None:
        return
    console.verbose = config.verbose
    console.print_warnings(config.warnings)
    if console.verbose:
        console.step(config.files_read)
    file = find_command(config.command[0], variables.get(b"PATH"))
    if config.wants_session:
        console.step("reusing the session of the outer bwrun")
    if has_references or contains_scheme(_own_values(config, variables)):
        _set_secrets(variables, vault, config, console)
        check_size(file, config.command, variables)
    if config.timings:
        from bwrun.base.timings import Timings  # noqa: PLC0415

        console.print_lines(Timings(console.started).lines())
    mask = signals.pthread_sigmask(signals.SIG_BLOCK, ())
    restore_inherited(mask, ignores_child=signals.getsignal(signals.SIGCHLD) == signals.SIG_IGN)
    exec_command(file, config.command, variables)


def _find_session(options: Options) -> tuple[Config, OuterSession] | None:
    """Return the settings and the outer session of a run that may do without a worker, None for any other run."""
    environment = without_interpreter_changes(os.environ, read_initial_environment())
    if options.mode != RUN or find_outer(environment) is None or _reads_a_pipe(options, environment):
        return None
    config = load_config(options, environment, nested=True)
    if any(_is_pipe(file.values.get("BW_CLIENTID_FILE")) for file in config.sources.setting_files):
        return None
    session = outer_session(config)
    if session is None or config.supervisor_settings or config.masked or config.templates or config.ssh_keys:
        return None
    return config, session


def _own_values(config: Config, variables: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """Yield the values that the command does not get from the caller: the outer bwrun has warned of those."""
    inherited = config.sources.environment
    for name, value in variables.items():
        if inherited.get(os.fsdecode(name)) != os.fsdecode(value):
            yield value


def _read_vault(session: OuterSession, config: Config, console: Console) -> OuterVault | None:
    """Read the outer session; return None if it cannot be used, and this run has credentials to log in."""
    from bwrun.planning.outer_vault import OuterVault  # noqa: PLC0415  (only for secrets)
    from bwrun.system.calls import hide_memory, show_memory  # noqa: PLC0415

    hide_memory()
    try:
        return OuterVault(session, config, console)
    except SessionError:
        if not are_all_set(config):
            raise
    show_memory()  # the worker reads the variables that this process was started with
    return None


def _set_secrets(variables: dict[bytes, bytes], vault: OuterVault | None, config: Config, console: Console) -> None:
    """Replace the references in `variables` by their values, and warn of those without braces."""
    from bwrun.injection.requested import find_requested_secrets  # noqa: PLC0415

    requested = find_requested_secrets(config, variables, console, nested=True)
    if requested is None or vault is None:
        return
    from bwrun.injection.resolving import resolve_for, set_variables  # noqa: PLC0415

    console.step("resolving from the session of the outer bwrun")
    opened = vault.open(allow_protected=config.allow_protected)
    set_variables(variables, resolve_for(config, requested, opened, console), {})


def _reads_a_pipe(options: Options, environment: Mapping[str, str]) -> bool:
    """Return whether a file of the settings is a pipe: it can be read only once, and the worker will read it."""
    named: list[str | None] = [*options.lists.get("env-file", [])]
    files = named or [environment.get("BWRUN_ENV_FILE") or locate_env_file(environment)]
    return any(map(_is_pipe, (*files, environment.get("BW_CLIENTID_FILE"))))


def _is_pipe(path: str | None) -> bool:
    try:
        mode = os.stat(path).st_mode if path else stat.S_IFREG
    except (OSError, ValueError):
        return False  # reading it will report the error
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
