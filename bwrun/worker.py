"""
The worker: the only process that handles a credential, a key or a vault, and the one that becomes the command.

Its execve replaces the whole address space: what Python cannot wipe, the kernel does.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn, Protocol

from bwrun.channel import Channel
from bwrun.cli import Options
from bwrun.command import become, find_command
from bwrun.config import Config, load_config
from bwrun.console import Console
from bwrun.credentials import Credentials, read_credentials
from bwrun.deadline import Deadline
from bwrun.environment import as_inherited, command_environment, may_hold_references, socket_activation
from bwrun.errors import STATUS_FAILED, BwrunError, SessionError
from bwrun.kernel import close_memory, die_with, outlive_parent
from bwrun.nested import outer_session
from bwrun.restoring import initial_environment, restore_signals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.references import Reference
    from bwrun.session.data_file import SessionData
    from bwrun.unlock import Unlocked


class Inherited(Protocol):
    """What the caller gave and the command gets back."""

    mask: set[int]
    ignores_child: bool
    supervisor: int


def main(options: Options, console: Console, channel: int, inherited: Inherited) -> NoReturn:
    """Do the work and become the command; on failure say so, here and to the supervisor, and end."""
    link = Channel(channel)
    try:
        work(options, console, link, inherited)
    except BwrunError as error:
        console.report(error)
        status = error.status
    except BaseException as error:  # noqa: BLE001  (no traceback: it would quote source lines and values)
        console.report_internal(error)
        status = STATUS_FAILED
    link.send(b"failed", b"%d" % status)
    os._exit(status)


def work(options: Options, console: Console, link: Channel, inherited: Inherited) -> NoReturn:
    """One run, from the settings to the command."""
    inherited_environment = as_inherited(os.environ, initial_environment())
    _prepare(inherited)
    config = load_config(options, inherited_environment)
    console.show(config.verbose, config.warnings)
    sketch = command_environment(config.sources, config.passed, config.assignments, {})
    references = _find_references(sketch)
    file = find_command(config.command[0], sketch.get(b"PATH"))
    console.step(f"command: {os.fsdecode(file)}")

    directory = _wait_for_directory(link)
    reused = None if references else outer_session(config)
    session, secrets = (reused, {}) if reused else _own_session(config, references, directory, console, link)
    session |= socket_activation(inherited_environment, inherited.supervisor, os.getpid())
    environment = command_environment(config.sources, config.passed, config.assignments, session)
    for name, value in secrets.items():
        environment.pop(name)
        if value is not None:
            environment[name] = value
    _instruct(link, config)
    console.step("starting the command")

    link.send(b"exec")
    outlive_parent()
    restore_signals(inherited.mask, ignores_child=inherited.ignores_child)
    become(file, config.command, environment)


def _find_references(environment: Mapping[bytes, bytes]) -> dict[str, Reference]:
    if not may_hold_references(environment):
        return {}
    from bwrun.resolving import find_references  # noqa: PLC0415  (only where there are references)

    return find_references(environment)


def _own_session(
    config: Config, references: dict[str, Reference], directory: str, console: Console, link: Channel
) -> tuple[dict[str, str], dict[bytes, bytes | None]]:
    """Log in, unlock, resolve, and write a session; return its variables and the references' values."""
    deadline = Deadline(config.timeout)
    credentials = read_credentials(config, (link.descriptor,), deadline)
    from bwrun.unlock import unlock_vault  # noqa: PLC0415  (httpx: not before it is needed)

    unlocked = unlock_vault(config, credentials, console, deadline, _import_the_rest)
    from bwrun.session.opening import open_session  # noqa: PLC0415

    secrets: dict[bytes, bytes | None] = {}
    if references:
        from bwrun.resolving import resolve_variables  # noqa: PLC0415

        secrets = resolve_variables(
            references, unlocked, optional=config.optional, allow_protected=config.allow_protected
        )
        console.step(f"resolved {len(references)} reference(s)")
    data = session_data(config, credentials, unlocked)
    session = open_session(directory, data, credentials.api_key.client_id, config.ca_files, renews=config.renew)
    console.step(f"session written to {directory}")
    if config.renew:
        _hand_over_renewal(link, config, credentials, unlocked, directory)
    return session, secrets


def _import_the_rest() -> None:
    """Import what comes after the KDF while it runs: it needs a core, and not the interpreter."""
    import bwrun.session.opening  # noqa: PLC0415
    import bwrun.session.vault_state  # noqa: F401, PLC0415


def _prepare(inherited: Inherited) -> None:
    """Take the caller's signals, and what the kernel offers a process with secrets."""
    close_memory()
    die_with(inherited.supervisor)
    signal.pthread_sigmask(signal.SIG_SETMASK, inherited.mask)


def _wait_for_directory(link: Channel) -> str:
    words = link.receive()
    if words is None:
        os._exit(STATUS_FAILED)
    if words[0] == b"go":
        return os.fsdecode(words[1])
    raise SessionError(
        os.fsdecode(words[1]), f"no place for the session: {os.fsdecode(words[2])}",
        "it needs a directory that is yours alone: BWRUN_RUNTIME_DIR, XDG_RUNTIME_DIR, /dev/shm or TMPDIR",
    )  # fmt: skip


def _instruct(link: Channel, config: Config) -> None:
    """Tell the supervisor what it has to know, and wait until that is in force."""
    if not config.supervision:
        return
    for name, value in config.supervision.items():
        link.send(b"set", name.encode(), value.encode())
    link.send(b"set", b"verbose", b"1" if config.verbose else b"")
    link.send(b"ask")
    link.receive()


def _hand_over_renewal(
    link: Channel, config: Config, credentials: Credentials, unlocked: Unlocked, directory: str
) -> None:
    """Give the supervisor what the next logins need: the API key, and never the master password."""
    from bwrun.renew import Order  # noqa: PLC0415  (only for --renew)
    from bwrun.session.opening import DATA_FILE  # noqa: PLC0415

    order = Order(
        credentials.api_key,
        config.server,
        config.ca_files,
        config.client_version,
        unlocked.device,
        os.path.join(directory, DATA_FILE),
    )
    link.send(b"renew", b"%d" % unlocked.login.lifetime, *order.to_words())


def session_data(config: Config, credentials: Credentials, unlocked: Unlocked) -> SessionData:
    """Return what the session is written from; the API key only if that was asked for."""
    from bwrun.session.data_file import SessionData  # noqa: PLC0415

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
