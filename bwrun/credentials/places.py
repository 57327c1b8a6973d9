"""
Looking for a credential in the places where it can be set, and reading it there.

The places are the environment, the files in $CREDENTIALS_DIRECTORY, the env files from the last to the first, and
config.toml, which has no value that is secret. The first of them that has the credential wins.
"""

from __future__ import annotations

import os
import time

from bwrun.base.errors import CredentialError
from bwrun.base.sensitive import Sensitive
from bwrun.credentials.doubts import doubts
from bwrun.credentials.found import Secret
from bwrun.credentials.secret_files import read_descriptor, read_secret_file
from bwrun.settings.sources import ENVIRONMENT, SERVICE_DIRECTORY, USER_KEY, USER_KEY_FILE, variable_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bwrun.base.deadline import Deadline
    from bwrun.settings.sources import SettingValue, Sources

PASSWORD_OPTIONS = ("password-file", "password-fd", "password-command")
SECRET_OPTION = "clientsecret-command"  # noqa: S105
ID_VARIABLES = ("BW_CLIENTID", "BW_CLIENTID_FILE")
PASSWORD_VARIABLES = ("BW_PASSWORD", "BW_PASSWORD_FILE", *map(variable_name, PASSWORD_OPTIONS))
USER_KEY_VARIABLES = (USER_KEY, USER_KEY_FILE)


def find_setting(names: Sequence[str], sources: Sources) -> SettingValue | None:
    """
    Return what sets a credential by one of the variables `names`; None if nothing does.

    Raises CredentialError: two variables set it in the place that wins.
    """
    for settings in _in_each_place(names, sources):
        if len(settings) > 1:
            raise _set_twice(settings)
        if settings:
            return settings[0]
    return None


def is_set(names: Sequence[str], sources: Sources) -> bool:
    """Return whether a credential is set by one of the variables `names`. No file is opened."""
    return any(_in_each_place(names, sources))


def read_setting(
    found: SettingValue, own_descriptors: tuple[int, ...], sources: Sources, deadline: Deadline, *, quiet: bool = False
) -> Secret:
    """
    Return the credential that a variable sets: itself, or by a file, a descriptor or a command.

    A command that takes long is told on the terminal, unless `quiet`.

    Raises CredentialError: it cannot be read; NetworkError: the deadline has passed.
    """
    if found.place == SERVICE_DIRECTORY:
        return read_secret_file(found.value, SERVICE_DIRECTORY, deadline)
    if found.key and found.name.endswith("_FILE"):
        return read_secret_file(found.value, found.called, deadline)
    for option in (*PASSWORD_OPTIONS, SECRET_OPTION):
        if found.name == variable_name(option):
            return read_by_option(option, found.value, own_descriptors, sources, deadline, quiet=quiet)
    if found.name.endswith("_FILE"):
        return read_secret_file(found.value, found.name, deadline)
    value = os.fsencode(found.value) if found.file is None else found.value.encode("utf-8", "surrogateescape")
    return Secret(Sensitive(value), found.place, doubts(value, found))


def read_by_option(  # noqa: PLR0913  (each option needs another of these)
    option: str,
    value: str,
    own_descriptors: tuple[int, ...],
    sources: Sources,
    deadline: Deadline,
    *,
    quiet: bool = False,
) -> Secret:
    """
    Return the credential that an option leads to; the time that a command takes does not count for the `deadline`.

    Raises CredentialError: it cannot be read; NetworkError: the deadline has passed.
    """
    if option == "password-file":
        return read_secret_file(value, "`--password-file`", deadline)
    if option == "password-fd":
        password = read_descriptor(value, own_descriptors, deadline)
        return Secret(password, f"descriptor {value}", doubts(password.reveal()))
    from bwrun.credentials.secret_command import (  # noqa: PLC0415  (it imports `subprocess`)
        CLIENT_SECRET,
        PASSWORD,
        run_secret_command,
    )

    name = CLIENT_SECRET if option == SECRET_OPTION else PASSWORD
    start = time.monotonic()
    secret = run_secret_command(name, value, sources.environment, quiet=quiet)
    deadline.extend(time.monotonic() - start)
    return Secret(secret, f"the {name} command", doubts(secret.reveal()))


def _in_each_place(names: Sequence[str], sources: Sources) -> Iterator[list[SettingValue]]:
    """Yield for each place what is set there."""
    yield _present(map(sources.in_environment, names))
    if sources.environment.get(SERVICE_DIRECTORY):
        plain = [name for name in names if f"{name}_FILE" in names]
        yield _present(map(sources.in_service_directory, plain))
    for file in reversed(sources.setting_files):
        yield _present(sources.in_file(file, name) for name in names)


def _present(found: Iterator[SettingValue | None]) -> list[SettingValue]:
    return [one for one in found if one is not None]


def _set_twice(settings: list[SettingValue]) -> CredentialError:
    """Return the error for more than one way to a credential in one place."""
    place, names = _place_of(settings[0]), [one.name for one in settings]
    if settings[0].place == SERVICE_DIRECTORY:
        names = [os.path.basename(one.value) for one in settings]
    kinds = {one.name in USER_KEY_VARIABLES for one in settings}
    if len(kinds) > 1:
        what = f"both the master password and the user key, of which one is enough, are set in {place}"
    elif kinds == {True}:
        what = f"the user key is set more than once in {place}"
    elif settings[0].name in PASSWORD_VARIABLES:
        what = f"the master password is set more than once in {place}"
    elif len(names) == 2:
        return CredentialError("conflict", f"both {names[0]} and {names[1]} are set in {place}", "remove one of them")
    else:
        what = f"the client secret is set more than once in {place}"
    return CredentialError("conflict", f"{what}: {', '.join(names)}", "remove all but one of them")


def _place_of(found: SettingValue) -> str:
    """Return where a value is from, for messages: an env file without the line."""
    if found.file is not None:
        return f"`{found.file.path}`"
    return SERVICE_DIRECTORY if found.place == SERVICE_DIRECTORY else ENVIRONMENT
