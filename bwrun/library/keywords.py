"""
The keyword arguments of `open_vault()` and `open_session()`: the long options of the command line as Python values.

A keyword that is not given, or None, leaves the setting to its variable (BWRUN_…), the env files and the default. False
is a value: it turns a setting off that a variable turns on.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TypedDict, cast

from bwrun.base.errors import UsageError
from bwrun.library.telling import presentable
from bwrun.settings.command_line import Options
from bwrun.settings.option_names import DEFAULT_VALUES, FLAG_OPTIONS, LIST_OPTIONS
from bwrun.settings.sources import variable_name

StrPath = str | os.PathLike[str]


class VaultOptions(TypedDict, total=False):
    """The options of `open_vault()`, and those that `open_session()` shares with it."""

    env_file: StrPath | Sequence[StrPath] | None  # an empty list: read none, not even `.env`
    profile: str | None
    server: str | None
    identity_url: str | None
    api_url: str | None
    key_connector_url: str | None
    ca_file: StrPath | None
    client_cert: StrPath | None
    client_key: StrPath | None
    client_key_password_file: StrPath | None
    header_file: StrPath | None
    password_file: StrPath | None
    password_fd: int | None  # it is read and closed
    password_command: str | None
    clientsecret_command: str | None
    timeout: float | None  # seconds for the login; later, for each value that needs a request
    cache: bool | str | None  # a time such as "8h", or True for the default of it
    max_age: int | None  # seconds
    offline: bool | str | None  # "auto", which True stands for, or "always"
    allow_protected: bool | None
    allow_costly_kdf: bool | None


class SessionOptions(VaultOptions, total=False):
    """The options of `open_session()`."""

    env: Mapping[str, str] | None  # variables to set, as `-e` sets them
    item: str | Sequence[str] | None
    template: str | Sequence[str] | None
    optional: str | Sequence[str] | None
    only: str | Sequence[str] | None
    ssh_key: str | Sequence[str] | None
    keep: str | Sequence[str] | None
    jitter: float | None  # seconds
    no_session: bool | None
    clean_env: bool | None
    session_api_key: bool | None
    renew: bool | None


VAULT_KEYWORDS, SESSION_KEYWORDS = VaultOptions.__optional_keys__, SessionOptions.__optional_keys__
NO_FILE = os.devnull  # the env file of who wants none


def check_texts(keyword: str, *values: object) -> None:
    """Raise TypeError if one of the values is no text."""
    for one in values:
        if not isinstance(one, str):
            raise _wrong_type(keyword, one)


def check_mapping(keyword: str, mapping: object) -> None:
    """Raise TypeError if this is no mapping of texts to texts."""
    if not isinstance(mapping, Mapping):
        raise _wrong_type(keyword, mapping)
    check_texts(keyword, *mapping.keys(), *mapping.values())


def options_of(given: Mapping[str, object], keywords: Collection[str], function: str) -> tuple[Options, dict[str, str]]:
    """
    Return Options for keyword arguments, and variables that must win over those of the environment.

    `function` is the name of the function that has these `keywords`.

    Raises TypeError: there is no such keyword, or its value has a wrong type; UsageError: a name in `env` cannot be the
    name of a variable.
    """
    options, variables = Options(), {}
    for keyword, value in given.items():
        if keyword not in keywords:
            raise TypeError(f"{function}() got an unexpected keyword argument '{keyword}'")
        name = keyword.replace("_", "-")
        if value is None:
            continue
        if value is False and (name in FLAG_OPTIONS or name in DEFAULT_VALUES):
            variables[variable_name(name)] = "0"
        else:
            _add(options, name, value)
    return options, variables


def _add(options: Options, name: str, value: object) -> None:
    """Set the option `name`. Raises TypeError, UsageError, as `options_of()`."""
    if name == "env":
        check_mapping("env", value)
        options.lists["env"] = _assignments(cast("Mapping[str, str]", value))
    elif name in LIST_OPTIONS:
        options.lists[name] = _texts(name, value) or ([NO_FILE] if name == "env-file" else [])
    elif name in FLAG_OPTIONS:
        if value is not True:
            raise _wrong_type(name, value)
        options.flags.add(name)
    elif value is True and name in DEFAULT_VALUES:
        options.values[name] = DEFAULT_VALUES[name]
    else:
        options.values[name] = _text(name, value)


def _assignments(value: Mapping[str, str]) -> list[str]:
    found = []
    for name, text in value.items():
        if not name or "=" in name:
            raise presentable(
                UsageError("env", "a name in `env` is empty or contains `=`", "name a variable: `DB_PASSWORD`")
            )
        found.append(f"{name}={text}")
    return found


def _texts(name: str, value: object) -> list[str]:
    if isinstance(value, (str, os.PathLike)):
        return [_text(name, value)]
    if not isinstance(value, Sequence):
        raise _wrong_type(name, value)
    return [_text(name, one) for one in value]


def _text(name: str, value: object) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return str(text)
    if not isinstance(text, str):
        raise _wrong_type(name, value)
    return text


def _wrong_type(name: str, value: object) -> TypeError:
    """Return the error for a value, which may be a secret in the wrong place: only its type is shown."""
    return TypeError(f"`{name.replace('-', '_')}` cannot be of the type `{type(value).__name__}`")
