"""
The keys of config.toml: which there are, what each takes, and why some options have none.

A key has the name of its option. The values of keys are checked when the file is read, all of them, so that one run
tells of every mistake in the file.
"""

from __future__ import annotations

import os

from bwrun.base.errors import ConfigError
from bwrun.settings.option_names import FLAG_OPTIONS, GATEWAY_OPTIONS, LIST_OPTIONS, VALUE_OPTIONS
from bwrun.settings.sources import SettingValue, variable_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Keys that have a variable and no option.
WITHOUT_OPTION = {
    "clientid": "BW_CLIENTID",
    "clientid-file": "BW_CLIENTID_FILE",
    "clientsecret-file": "BW_CLIENTSECRET_FILE",
    "user-key-file": "BWRUN_USER_KEY_FILE",
    "device-id": "BWRUN_DEVICE_ID",
    "client-version": "BWRUN_CLIENT_VERSION",
}
# Options and variables that are no key, and where each belongs.
IN_PROJECT = "put it into the project's `.env`, or on the command line"
ON_COMMAND_LINE = "say it on the command line"
IN_ENVIRONMENT = "set its variable in the environment"
REFUSED = {
    "profile": "choose a profile with `--profile NAME` or BWRUN_PROFILE; its settings are in `[profile.NAME]`",
    **dict.fromkeys(("env", "item", "template"), IN_PROJECT),
    "env-file": "it would hide the `.env` of each project: use `--env-file` or BWRUN_ENV_FILE",
    "password-fd": ON_COMMAND_LINE,
    **dict.fromkeys(("runtime-dir", "cache-dir"), IN_ENVIRONMENT),
    **dict.fromkeys(
        ("check", "list", "get", "export", "json", "clean", "print-user-key", "login", "logout", "doctor",
         "completion", "version", "help"), ON_COMMAND_LINE,
    ),
}  # fmt: skip
KEYS = {
    **{name: variable_name(name) for name in (*VALUE_OPTIONS, *LIST_OPTIONS, *FLAG_OPTIONS) if name not in REFUSED},
    **WITHOUT_OPTION,
}
# The name of a secret, without what may stand before and between its words, and what holds it instead.
FILE_OR_LOGIN = "keep it with `bwrun --login`, or name a file that holds it with `{}`"
SECRETS = {
    **dict.fromkeys(("clientsecret", "secret", "apikey"), FILE_OR_LOGIN.format("clientsecret-file")),
    **dict.fromkeys(("password", "masterpassword", "passphrase"), FILE_OR_LOGIN.format("password-file")),
    "userkey": "name a file that holds it with `user-key-file`",
    "clientkeypassword": "name a file that holds it with `client-key-password-file`",
    **dict.fromkeys(("session", "accesstoken", "token"), "a session is for one command: leave it out"),
}

PATHS = (
    "ca-file", "client-cert", "client-key", "client-key-password-file", "header-file", "password-file",
    "clientid-file", "clientsecret-file", "user-key-file",
)  # fmt: skip
SECONDS = ("timeout", "jitter", "kill-after")
WHOLE_NUMBERS = ("max-age", "signal-exit")
SWITCH_OR_TEXT = ("cache", "mask", "offline")
ADDRESSES = ("server", "identity-url", "api-url")
OF_SERVER = (*ADDRESSES, "key-connector-url", *GATEWAY_OPTIONS)
CLIENT_ID = ("clientid", "clientid-file")
CLIENT_SECRET = ("clientsecret-file", "clientsecret-command")
OPENERS = ("password-file", "password-command", "user-key-file")
OF_ACCOUNT = (*CLIENT_ID, *CLIENT_SECRET, *OPENERS)

MAX_NUMBER = 2**31  # numbers with thousands of digits cannot be printed


def wrong_type(key: str, value: object) -> tuple[str, str] | None:
    """Return what a value of a key must be, and an example, if its type is another one; None if it is right."""
    if key in FLAG_OPTIONS:
        return None if isinstance(value, bool) else ("true or false", f"{key} = true")
    if key in LIST_OPTIONS:
        is_right = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return None if is_right else ("a list of strings", f'{key} = ["…", "…"]')
    if key in SECONDS:
        is_right = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MAX_NUMBER
        return None if is_right else ("a number of seconds", f"{key} = 30")
    if key in WHOLE_NUMBERS:
        is_right = isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_NUMBER
        return None if is_right else ("a whole number", f"{key} = {128 if key == 'signal-exit' else 60}")
    if key in SWITCH_OR_TEXT:
        return None if isinstance(value, (bool, str)) else ("true, false or a string", f"{key} = true")
    return None if isinstance(value, str) else ("a string", f'{key} = "…"')


def as_text(value: object) -> str:
    """Return a value as its variable would have it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return "\n".join(value)
    return str(value)


def full_path(path: str, directory: str, home: str | None) -> str | None:
    """
    Return a path of the file; a relative one begins at the file's `directory`, and `~/` stands for `home`.

    None if it begins with `~` and stands for no place that is known.
    """
    if path == "~" or path.startswith("~/"):
        return None if home is None else os.path.join(home, path[2:])
    return None if path.startswith("~") else os.path.join(directory, path)


def check_value(key: str, found: SettingValue) -> None:
    """Check what can be checked of a value alone. Raises ConfigError, which names its place."""
    check = CHECKS.get(key)
    if check is not None and found.value:
        check(key, found)


def _check_seconds(key: str, found: SettingValue) -> None:
    from bwrun.settings.values import seconds_of  # noqa: PLC0415

    seconds_of(found, key, can_be_zero=key == "jitter")


def _check_address(key: str, found: SettingValue) -> None:
    from bwrun.settings.servers import find_key_connector, find_server  # noqa: PLC0415

    called = (f"`{key}` in {found.place}",) * 3
    if key == "server":
        find_server(found.value, None, None, places=called)
    elif key == "key-connector-url":
        find_key_connector(found.value, called[0])
    else:
        find_server(None, found.value, found.value, places=called)


def _check_caching(key: str, found: SettingValue) -> None:
    from bwrun.settings.caching import read_cache_settings  # noqa: PLC0415

    read_cache_settings({"cache": SettingValue("on", ""), key: found}.get, None)


def _check_mask(_key: str, found: SettingValue) -> None:
    from bwrun.settings.masking import descriptors_of  # noqa: PLC0415

    descriptors_of(found.value, f"`mask` in {found.place}")


def _check_signal_exit(_key: str, found: SettingValue) -> None:
    if found.value != "128":
        raise ConfigError("signal-exit", f"the value of signal-exit from {found.place} is not 128")


def _check_presented(key: str, found: SettingValue) -> None:
    from bwrun.settings.presented import find_client_version, find_device_id  # noqa: PLC0415

    (find_device_id if key == "device-id" else find_client_version)(found)


CHECKS: dict[str, Callable[[str, SettingValue], None]] = {
    **dict.fromkeys(SECONDS, _check_seconds),
    **dict.fromkeys((*ADDRESSES, "key-connector-url"), _check_address),
    **dict.fromkeys(("cache", "max-age", "offline"), _check_caching),
    **dict.fromkeys(("device-id", "client-version"), _check_presented),
    "mask": _check_mask,
    "signal-exit": _check_signal_exit,
}
