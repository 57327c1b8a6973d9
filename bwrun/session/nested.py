"""
Using the session of the outer bwrun, if this bwrun runs inside another one.

A nested run needs its own session only for another account, another server, or
an option that the outer session lacks.  It does not remove a session that it
did not open.  So, without options for the supervisor, there is nothing to do
after the command has ended, and this process becomes the command.
"""

from __future__ import annotations

import os
import stat

from bwrun.base import signals
from bwrun.base.console import Console
from bwrun.base.errors import CredentialError
from bwrun.command.environment import (
    command_environment,
    contains_scheme,
    has_possible_references,
    without_interpreter_changes,
)
from bwrun.command.finding import exec_command, find_command
from bwrun.command.restoring import read_initial_environment, restore_signals
from bwrun.credentials.finding import find_client_id
from bwrun.session.outer import Mark, find_outer
from bwrun.settings.command_line import RUN, Options
from bwrun.settings.config import Config, load_config
from bwrun.settings.env_files import DEFAULT_ENV_FILE
from bwrun.settings.sources import SESSION_VARIABLES

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping


def run_in_place(options: Options, console: Console) -> None:
    """
    Become the command if the outer session is all that it needs; otherwise return, for a run with a worker.

    Raises BwrunError: a setting, an env file or the command cannot be used.
    """
    environment = without_interpreter_changes(os.environ, read_initial_environment())
    if options.mode != RUN or find_outer(environment) is None or _reads_a_pipe(options, environment):
        return
    config = load_config(options, environment)
    if any(_is_pipe(file.values.get("BW_CLIENTID_FILE")) for file in config.sources.files):
        return
    session = outer_session(config)
    if session is None or config.supervisor_settings or not config.wants_session:
        return
    variables = command_environment(config.sources, config.passed, config.assignments, session)
    if has_possible_references(variables) or config.items or config.templates or config.ssh_keys:
        return  # resolving references needs a login
    inherited = config.sources.environment
    if contains_scheme(one for name, one in variables.items() if inherited.get(os.fsdecode(name)) != os.fsdecode(one)):
        return  # the worker warns of references without braces
    console.verbose = config.verbose
    console.print_warnings(config.warnings)
    file = find_command(config.command[0], variables.get(b"PATH"))
    console.step("reusing the session of the outer bwrun")
    if config.timings:
        from bwrun.base.timings import Timings  # noqa: PLC0415

        console.print_lines(Timings(console.started).lines())
    mask = signals.pthread_sigmask(signals.SIG_BLOCK, ())
    restore_signals(mask, ignores_child=signals.getsignal(signals.SIGCHLD) == signals.SIG_IGN)
    exec_command(file, config.command, variables)


def outer_session(config: Config) -> dict[str, str] | None:
    """
    Return the variables of the outer session if this run can use it, None if it needs its own session.

    Raises CredentialError: the client id is malformed.
    """
    environment = config.sources.environment
    mark = find_outer(environment)
    if mark is None or not _fits(mark, config):
        return None
    return {name: environment[name] for name in SESSION_VARIABLES}


def explain_missing(error: CredentialError, config: Config, *, has_references: bool) -> CredentialError:
    """
    Return the error for credentials that are missing: inside another bwrun, that one has taken them away.

    `has_references`: this run resolves references, which the outer run could do as well.
    """
    if error.code != "credentials.missing" or find_outer(config.sources.environment) is None:
        return error
    own = "give this run credentials of its own, for example with `--env-file FILE`"
    move = "resolve the reference in the outer run: `bwrun -e NAME=bw://ITEM/FIELD -- COMMAND`"
    return CredentialError(
        "missing", error.message,
        error.hints[0],  # where bwrun looked
        "this run is inside another bwrun, which does not pass its credentials on",
        f"{move}; or {own}" if has_references else own,
    )  # fmt: skip


def _fits(mark: Mark, config: Config) -> bool:
    client_id = find_client_id(config.sources)
    if client_id is not None and client_id.lower() != mark.client_id.lower():
        return False
    if config.server_is_set and (config.server.identity, config.server.api) != (mark.identity, mark.api):
        return False
    if config.only:
        return False  # the outer session may hold more
    return (mark.has_api_key or not config.session_api_key) and (mark.renews or not config.renew)


def _reads_a_pipe(options: Options, environment: Mapping[str, str]) -> bool:
    """Return whether a file of the settings is a pipe: it can be read only once, and the worker will read it."""
    named = options.lists.get("env-file") or [environment.get("BWRUN_ENV_FILE") or DEFAULT_ENV_FILE]
    return any(map(_is_pipe, (*named, environment.get("BW_CLIENTID_FILE"))))


def _is_pipe(path: str | None) -> bool:
    try:
        mode = os.stat(path).st_mode if path else stat.S_IFREG
    except (OSError, ValueError):
        return False  # reading it will report the error
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
