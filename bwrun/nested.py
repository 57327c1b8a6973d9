"""
A bwrun under a bwrun: the outer session is reused, unless another account, server or kind of session is asked for.

It opened nothing, so it clears nothing and has no need to wait: it becomes the
command in place.
"""

from __future__ import annotations

import os
import signal

from bwrun.cli import Options
from bwrun.command import become, find_command
from bwrun.config import Config, load_config
from bwrun.console import Console
from bwrun.credentials import find_client_id
from bwrun.environment import added_by_python, command_environment
from bwrun.restoring import initial_environment, restore_signals
from bwrun.session.outer import Mark, find_outer


def run_nested(options: Options, console: Console) -> None:
    """
    Become the command if an outer session can be reused; return if a session of its own is needed.

    Raises BwrunError: a setting, an env file or the command is not usable.
    """
    mark = find_outer(os.environ)
    if mark is None:
        return
    config = load_config(options, os.environ)
    if not _fits(mark, config):
        return
    for warning in config.warnings:
        console.warn(warning.text, *warning.hints)
    console.verbose = config.verbose
    session = {name: os.environ[name] for name in ("BW_SESSION", "BITWARDENCLI_APPDATA_DIR")}
    environment = command_environment(
        config.sources, config.passed, session, drop=added_by_python(os.environ, initial_environment())
    )
    file = find_command(config.command[0], environment.get(b"PATH"))
    console.step("using the session of the bwrun around this one")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    restore_signals(mask, ignores_child=signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN)
    become(file, config.command, environment)


def _fits(mark: Mark, config: Config) -> bool:
    client_id = find_client_id(config.sources)
    if client_id is not None and client_id.lower() != mark.client_id.lower():
        return False
    if config.server_given and (config.server.identity, config.server.api) != (mark.identity, mark.api):
        return False
    return mark.has_api_key or not config.session_api_key
