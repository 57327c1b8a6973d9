"""
Finding the personal API key, and the master password or the user key.

Each of them is looked for behind the options, then in the environment, in $CREDENTIALS_DIRECTORY, in the env files and
in config.toml (`bwrun.credentials.places`). What is missing then is taken from what `bwrun --login` keeps, or else
asked for at a prompt. The user key, which stands in place of the master password, is looked for where that is.

One error names everything that is missing.
"""

from __future__ import annotations

import time

from bwrun.base.deadline import Deadline
from bwrun.credentials.api_key import checked_client_id, checked_client_secret
from bwrun.credentials.found import ApiKey, Credentials, Secret
from bwrun.credentials.places import (
    ID_VARIABLES,
    PASSWORD_VARIABLES,
    SECRET_OPTION,
    USER_KEY_VARIABLES,
    find_setting,
    is_set,
    read_by_option,
    read_setting,
)
from bwrun.settings.config import Config
from bwrun.settings.env_files import PIPE_TIMEOUT
from bwrun.settings.option_names import PRINT_USER_KEY
from bwrun.settings.sources import CREDENTIALS, SECRET_VARIABLES, USER_KEY, Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bwrun.credentials.kept import Kept


def find_client_id(sources: Sources) -> str | None:
    """
    Return the client id that is set; None if there is none, so that a run would take the kept one or ask for it.

    Raises CredentialError: the client id is malformed, or its file cannot be read.
    """
    found = find_setting(ID_VARIABLES, sources)
    return None if found is None else checked_client_id(read_setting(found, (), sources, Deadline(PIPE_TIMEOUT)))


def are_all_set(config: Config) -> bool:
    """Return whether all three are set as plain values, so that no file, command or prompt has to be waited for."""
    if config.gateway is not None and config.gateway.key_is_encrypted:
        return False
    openers = CREDENTIALS[2:] if config.mode == PRINT_USER_KEY else (*CREDENTIALS[2:], USER_KEY)
    return (
        not config.password_options
        and config.client_secret_command is None
        and all(config.sources.find(name) is not None for name in CREDENTIALS[:2])
        and any(config.sources.find(name) is not None for name in openers)
    )


def not_set(config: Config) -> tuple[str, ...]:
    """
    Return which of the three are set nowhere, so that they are taken from what is kept. No file is opened.

    With --key-connector-url, no master password is missed.
    """
    sources = config.sources
    found = (
        is_set(ID_VARIABLES, sources),
        config.client_secret_command is not None or is_set(SECRET_VARIABLES, sources),
        config.key_connector_url is not None
        or bool(config.password_options)
        or is_set(_opener_variables(config), sources),
    )
    return tuple(name for name, there in zip(CREDENTIALS, found, strict=True) if not there)


def find_credentials(
    config: Config, own_descriptors: tuple[int, ...], deadline: Deadline, wanted: Sequence[str] = CREDENTIALS
) -> dict[str, Secret]:
    """
    Return the credentials that are set, by their names: those of CREDENTIALS that are `wanted`, and BWRUN_USER_KEY.

    The user key stands in place of the master password. `own_descriptors` are open descriptors of bwrun itself, which
    --password-fd must not name. The time that commands take does not count for the `deadline`.

    Raises CredentialError: a credential is malformed, unreadable or set twice; NetworkError: the deadline has passed.
    """
    found = {}
    if "BW_CLIENTID" in wanted and (setting := find_setting(ID_VARIABLES, config.sources)) is not None:
        found["BW_CLIENTID"] = read_setting(setting, own_descriptors, config.sources, deadline)
        checked_client_id(found["BW_CLIENTID"])
    client_secret = _find_secret(config, deadline) if "BW_CLIENTSECRET" in wanted else None
    if client_secret is not None:
        found["BW_CLIENTSECRET"] = checked_client_secret(client_secret)
    return found | (_find_opener(config, own_descriptors, deadline) if "BW_PASSWORD" in wanted else {})


def read_credentials(
    config: Config, own_descriptors: tuple[int, ...], deadline: Deadline, kept: Kept | None = None
) -> Credentials:
    """
    Find all three credentials, and ask for missing ones if there is a terminal.

    With --key-connector-url the master password may be missing, and with a user key it is not needed; bwrun does not
    ask for it then. For --print-user-key, no user key is looked for. `own_descriptors` are open descriptors of bwrun
    itself, which --password-fd must not name. `kept` is what `bwrun --login` has kept. The time that prompts and
    commands take does not count for the `deadline`.

    Raises CredentialError: a credential is missing, malformed or unreadable; NetworkError: the deadline has passed.
    """
    found = find_credentials(config, own_descriptors, deadline)
    failure = None
    if kept is not None:
        start = time.monotonic()
        more, failure = kept.fill(found, deadline)
        deadline.extend(time.monotonic() - start)  # a keyring may have asked its user for a password
        found |= more
    needed = CREDENTIALS if config.key_connector_url is None and USER_KEY not in found else CREDENTIALS[:2]
    missing = [name for name in needed if name not in found]
    if missing:
        from bwrun.credentials.asking import ask  # noqa: PLC0415  (most runs need no prompt)

        start = time.monotonic()
        found.update(ask(missing, config.sources, "" if kept is None else kept.unused, failure))
        deadline.extend(time.monotonic() - start)
    return credentials_of(found)


def credentials_of(found: dict[str, Secret]) -> Credentials:
    """
    Return the credentials of a login, of which the API key must be there.

    Raises CredentialError: the client id or the client secret is malformed.
    """
    password, user_key = found.get("BW_PASSWORD"), found.get(USER_KEY)
    return Credentials(
        api_key=ApiKey(checked_client_id(found["BW_CLIENTID"]), checked_client_secret(found["BW_CLIENTSECRET"]).value),
        master_password=None if password is None else password.value,
        client_id_place=found["BW_CLIENTID"].place,
        client_secret_place=found["BW_CLIENTSECRET"].place,
        master_password_place="" if password is None else password.place,
        doubts={name: secret.doubts for name, secret in found.items()},
        warnings=tuple(warning for secret in found.values() for warning in secret.warnings),
        user_key=None if user_key is None else user_key.value,
        user_key_place="" if user_key is None else user_key.place,
    )


def _find_secret(config: Config, deadline: Deadline) -> Secret | None:
    if config.client_secret_command is not None:
        command = config.client_secret_command
        return read_by_option(SECRET_OPTION, command, (), config.sources, deadline, quiet=config.verbose)
    setting = find_setting(SECRET_VARIABLES, config.sources)
    return None if setting is None else read_setting(setting, (), config.sources, deadline, quiet=config.verbose)


def _opener_variables(config: Config) -> tuple[str, ...]:
    return PASSWORD_VARIABLES if config.mode == PRINT_USER_KEY else PASSWORD_VARIABLES + USER_KEY_VARIABLES


def _find_opener(config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> dict[str, Secret]:
    """Return what opens the vault by its name, BW_PASSWORD or BWRUN_USER_KEY; nothing if neither is set anywhere."""
    for option, value in config.password_options.items():
        secret = read_by_option(option, value, own_descriptors, config.sources, deadline, quiet=config.verbose)
        return {"BW_PASSWORD": secret}
    found = find_setting(_opener_variables(config), config.sources)
    if found is None:
        return {}
    secret = read_setting(found, own_descriptors, config.sources, deadline, quiet=config.verbose)
    if found.name not in USER_KEY_VARIABLES:
        return {"BW_PASSWORD": secret}
    from bwrun.credentials.user_key import read_user_key  # noqa: PLC0415  (most runs have a password)

    return {USER_KEY: read_user_key(secret)}
