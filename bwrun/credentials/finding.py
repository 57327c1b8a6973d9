"""
Finding the personal API key, and the master password or the user key.

Client id and client secret are looked for in the environment, then in the env files, then in config.toml, then asked
for at a prompt. Each place may have the value itself (NAME) or the path of a file that contains it (NAME_FILE);
config.toml has no value that is secret. The master password can also come from --password-file, --password-fd or
--password-command, which win over all of these. The user key, which stands in place of the master password, is looked
for where that is looked for.

One error names everything that is missing.
"""

from __future__ import annotations

import os
import time

from bwrun.base.deadline import Deadline
from bwrun.base.errors import CredentialError
from bwrun.base.sensitive import Sensitive
from bwrun.credentials.api_key import checked_client_id, checked_client_secret
from bwrun.credentials.doubts import doubts
from bwrun.credentials.found import ApiKey, Credentials, Secret
from bwrun.credentials.secret_files import read_descriptor, read_secret_file
from bwrun.settings.config import Config
from bwrun.settings.config_file import ConfigFile
from bwrun.settings.env_files import PIPE_TIMEOUT, EnvFile
from bwrun.settings.option_names import PRINT_USER_KEY
from bwrun.settings.sources import (
    CREDENTIALS,
    ENVIRONMENT,
    USER_KEY,
    USER_KEY_FILE,
    SettingValue,
    Sources,
    variable_name,
)

PASSWORD_OPTIONS = ("password-file", "password-fd", "password-command")
PASSWORD_VARIABLES = ("BW_PASSWORD", "BW_PASSWORD_FILE", *map(variable_name, PASSWORD_OPTIONS))
USER_KEY_VARIABLES = (USER_KEY, USER_KEY_FILE)


def find_client_id(sources: Sources) -> str | None:
    """
    Return the client id that a run would use; None if it would have to ask for it.

    Raises CredentialError: the client id is malformed, or its file cannot be read.
    """
    found = _find("BW_CLIENTID", sources, Deadline(PIPE_TIMEOUT))
    return None if found is None else checked_client_id(found)


def are_all_set(config: Config) -> bool:
    """Return whether all three are set as plain values, so that no file, command or prompt has to be waited for."""
    if config.gateway is not None and config.gateway.key_is_encrypted:
        return False
    openers = CREDENTIALS[2:] if config.mode == PRINT_USER_KEY else (*CREDENTIALS[2:], USER_KEY)
    return (
        not config.password_options
        and all(config.sources.find(name) is not None for name in CREDENTIALS[:2])
        and any(config.sources.find(name) is not None for name in openers)
    )


def read_credentials(config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> Credentials:
    """
    Find all three credentials, and ask for missing ones if there is a terminal.

    With --key-connector-url the master password may be missing, and with a user key it is not needed; bwrun does not
    ask for it then. For --print-user-key, no user key is looked for. `own_descriptors` are open descriptors of bwrun
    itself, which --password-fd must not name. The time that prompts and the password command take does not count for
    the `deadline`.

    Raises CredentialError: a credential is missing, malformed or unreadable; NetworkError: the deadline has passed.
    """
    client_id = _find("BW_CLIENTID", config.sources, deadline)
    client_secret = _find("BW_CLIENTSECRET", config.sources, deadline)
    if client_id is not None:
        checked_client_id(client_id)
    if client_secret is not None:
        client_secret = checked_client_secret(client_secret)
    found = {"BW_CLIENTID": client_id, "BW_CLIENTSECRET": client_secret}
    found |= _find_opener(config, own_descriptors, deadline)
    needed = CREDENTIALS if config.key_connector_url is None and USER_KEY not in found else CREDENTIALS[:2]
    missing = [name for name in needed if found.get(name) is None]
    if missing:
        from bwrun.credentials.asking import ask  # noqa: PLC0415  (most runs need no prompt)

        start = time.monotonic()
        found.update(ask(missing, config.sources))
        deadline.extend(time.monotonic() - start)
    complete = {name: secret for name, secret in found.items() if secret is not None}
    password, user_key = complete.get("BW_PASSWORD"), complete.get(USER_KEY)
    return Credentials(
        api_key=ApiKey(
            checked_client_id(complete["BW_CLIENTID"]), checked_client_secret(complete["BW_CLIENTSECRET"]).value
        ),
        master_password=None if password is None else password.value,
        client_id_place=complete["BW_CLIENTID"].place,
        client_secret_place=complete["BW_CLIENTSECRET"].place,
        master_password_place="" if password is None else password.place,
        doubts={name: secret.doubts for name, secret in complete.items()},
        warnings=tuple(warning for secret in complete.values() for warning in secret.warnings),
        user_key=None if user_key is None else user_key.value,
        user_key_place="" if user_key is None else user_key.place,
    )


def _find(name: str, sources: Sources, deadline: Deadline) -> Secret | None:
    """Look for NAME and NAME_FILE in the environment, in the env files from the last to the first, in config.toml."""
    found = _read(name, sources.in_environment(name), sources.in_environment(f"{name}_FILE"), deadline)
    for file in reversed(sources.setting_files):
        if found is None:
            found = _read(name, sources.in_file(file, name), sources.in_file(file, f"{name}_FILE"), deadline)
    return found


def _read(name: str, direct: SettingValue | None, path: SettingValue | None, deadline: Deadline) -> Secret | None:
    """Return the credential that one place has, as `direct` value or in the file at `path`; None if it has none."""
    if direct is not None and path is not None:
        raise CredentialError(
            "conflict", f"both {name} and {name}_FILE are set in {_place_of(path)}", "remove one of them"
        )
    if direct is not None:
        return _of_variable(direct)
    if path is not None:
        return read_secret_file(path.value, f"{name}_FILE", deadline)
    return None


def _place_of(found: SettingValue) -> str:
    """Return where a value is from, for messages: the environment, or the file without a line."""
    return ENVIRONMENT if found.file is None else f"`{found.file.path}`"


def _bytes(found: SettingValue) -> Sensitive:
    return Sensitive(os.fsencode(found.value) if found.file is None else found.value.encode("utf-8", "surrogateescape"))


def _find_opener(config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> dict[str, Secret]:
    """
    Return what opens the vault by its name, BW_PASSWORD or BWRUN_USER_KEY; nothing if neither is set anywhere.

    The options come first, then the environment, then the env files from the last to the first, then config.toml. Each
    of these places may set one of PASSWORD_VARIABLES and USER_KEY_VARIABLES.
    """
    for option, value in config.password_options.items():
        return {"BW_PASSWORD": _read_from(option, value, config, own_descriptors, deadline)}
    names = PASSWORD_VARIABLES if config.mode == PRINT_USER_KEY else PASSWORD_VARIABLES + USER_KEY_VARIABLES
    places: list[EnvFile | ConfigFile | None] = [None, *reversed(config.sources.setting_files)]  # None: the environment
    for file in places:
        found_ways = {}
        for name in names:
            found = config.sources.in_environment(name) if file is None else config.sources.in_file(file, name)
            if found is not None:
                found_ways[name] = found
        if len(found_ways) > 1:
            raise _set_twice(found_ways)
        for name, found in found_ways.items():
            if name in USER_KEY_VARIABLES:
                from bwrun.credentials.user_key import read_user_key  # noqa: PLC0415  (most runs have a password)

                return {USER_KEY: read_user_key(_read_variable(name, found, deadline))}
            if name in ("BW_PASSWORD", "BW_PASSWORD_FILE"):
                return {"BW_PASSWORD": _read_variable(name, found, deadline)}
            option = name.removeprefix("BWRUN_").lower().replace("_", "-")
            return {"BW_PASSWORD": _read_from(option, found.value, config, own_descriptors, deadline)}
    return {}


def _set_twice(found_ways: dict[str, SettingValue]) -> CredentialError:
    """Return the error for more than one way to the master password or the user key in one place."""
    place = _place_of(next(iter(found_ways.values())))
    kinds = {name in USER_KEY_VARIABLES for name in found_ways}
    if len(kinds) > 1:
        what = f"both the master password and the user key, of which one is enough, are set in {place}"
    else:
        what = f"the {'user key' if True in kinds else 'master password'} is set more than once in {place}"
    return CredentialError("conflict", f"{what}: {', '.join(found_ways)}", "remove all but one of them")


def _read_variable(name: str, found: SettingValue, deadline: Deadline) -> Secret:
    """Return the secret in a variable, or in the file that a variable NAME_FILE names."""
    return read_secret_file(found.value, name, deadline) if name.endswith("_FILE") else _of_variable(found)


def _read_from(option: str, value: str, config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> Secret:
    if option == "password-file":
        return read_secret_file(value, "`--password-file`", deadline)
    if option == "password-fd":
        password = read_descriptor(value, own_descriptors, deadline)
        return Secret(password, f"descriptor {value}", doubts(password.reveal()))
    from bwrun.credentials.password_command import run_password_command  # noqa: PLC0415  (it imports `subprocess`)

    start = time.monotonic()
    password = run_password_command(value, config.sources.environment, quiet=config.verbose)
    deadline.extend(time.monotonic() - start)
    return Secret(password, "the password command", doubts(password.reveal()))


def _of_variable(found: SettingValue) -> Secret:
    value = _bytes(found)
    return Secret(value, found.place, doubts(value.reveal(), found))
