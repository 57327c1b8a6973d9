"""
Finding the personal API key and the master password.

Client id and client secret are looked for in the environment, then in the env files, then asked for at a prompt. Each
place may have the value itself (NAME) or the path of a file that contains it (NAME_FILE). The master password can also
come from --password-file, --password-fd or --password-command, which win over all of these.

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
from bwrun.settings.env_files import PIPE_TIMEOUT, EnvFile
from bwrun.settings.sources import CREDENTIALS, ENVIRONMENT, SettingValue, Sources, variable_name

PASSWORD_OPTIONS = ("password-file", "password-fd", "password-command")


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
    return not config.password_options and all(config.sources.find(name) is not None for name in CREDENTIALS)


def read_credentials(config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> Credentials:
    """
    Find all three credentials, and ask for missing ones if there is a terminal.

    With --key-connector-url the master password may be missing; bwrun does not ask for it then. `own_descriptors` are
    open descriptors of bwrun itself, which --password-fd must not name. The time that prompts and the password command
    take does not count for the `deadline`.

    Raises CredentialError: a credential is missing, malformed or unreadable; NetworkError: the deadline has passed.
    """
    client_id = _find("BW_CLIENTID", config.sources, deadline)
    client_secret = _find("BW_CLIENTSECRET", config.sources, deadline)
    if client_id is not None:
        checked_client_id(client_id)
    if client_secret is not None:
        client_secret = checked_client_secret(client_secret)
    master_password = _find_password(config, own_descriptors, deadline)

    found = dict(zip(CREDENTIALS, (client_id, client_secret, master_password), strict=True))
    needed = CREDENTIALS if config.key_connector_url is None else CREDENTIALS[:2]
    missing = [name for name in needed if found[name] is None]
    if missing:
        from bwrun.credentials.asking import ask  # noqa: PLC0415  (most runs need no prompt)

        start = time.monotonic()
        found.update(ask(missing, config.sources))
        deadline.extend(time.monotonic() - start)
    complete = {name: secret for name, secret in found.items() if secret is not None}
    password = complete.get("BW_PASSWORD")
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
    )


def _find(name: str, sources: Sources, deadline: Deadline) -> Secret | None:
    """Look for NAME and NAME_FILE in the environment, then in the env files from the last to the first."""
    found = _read(name, sources.in_environment(name), sources.in_environment(f"{name}_FILE"), deadline)
    for file in reversed(sources.files):
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
    """Return where a value is from, for messages: the environment, or the env file without a line."""
    return ENVIRONMENT if found.file is None else f"`{found.file.path}`"


def _bytes(found: SettingValue) -> Sensitive:
    return Sensitive(os.fsencode(found.value) if found.file is None else found.value.encode("utf-8", "surrogateescape"))


def _find_password(config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> Secret | None:
    """
    Return the master password; None if it is not set anywhere.

    The options come first, then the environment, then the env files from the last to the first. Each of these places
    may set one of BW_PASSWORD, BW_PASSWORD_FILE, BWRUN_PASSWORD_FILE, BWRUN_PASSWORD_FD and BWRUN_PASSWORD_COMMAND.
    """
    for option, value in config.password_options.items():
        return _read_from(option, value, config, own_descriptors, deadline)
    places: list[EnvFile | None] = [None, *reversed(config.sources.files)]  # None: the environment
    for file in places:
        found_ways = {}
        for name in ("BW_PASSWORD", "BW_PASSWORD_FILE", *map(variable_name, PASSWORD_OPTIONS)):
            found = config.sources.in_environment(name) if file is None else config.sources.in_file(file, name)
            if found is not None:
                found_ways[name] = found
        if len(found_ways) > 1:
            place = _place_of(next(iter(found_ways.values())))
            raise CredentialError(
                "conflict",
                f"the master password is set more than once in {place}: {', '.join(found_ways)}",
                "remove all but one of them",
            )
        for name, found in found_ways.items():
            if name == "BW_PASSWORD":
                return _of_variable(found)
            if name == "BW_PASSWORD_FILE":
                return read_secret_file(found.value, name, deadline)
            option = name.removeprefix("BWRUN_").lower().replace("_", "-")
            return _read_from(option, found.value, config, own_descriptors, deadline)
    return None


def _read_from(option: str, value: str, config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> Secret:
    if option == "password-file":
        return read_secret_file(value, "`--password-file`", deadline)
    if option == "password-fd":
        password = read_descriptor(value, own_descriptors, deadline)
        return Secret(password, f"descriptor {value}", doubts(password.reveal()))
    from bwrun.credentials.password_command import run_password_command  # noqa: PLC0415  (it imports `subprocess`)

    start = time.monotonic()
    password = run_password_command(value, config.sources.environment)
    deadline.extend(time.monotonic() - start)
    return Secret(password, "the password command", doubts(password.reveal()))


def _of_variable(found: SettingValue) -> Secret:
    value = _bytes(found)
    return Secret(value, found.place, doubts(value.reveal(), found))
