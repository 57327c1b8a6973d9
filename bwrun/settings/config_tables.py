"""
Reading the text of config.toml: the settings at its top, and those of one profile, which win.

All tables are checked, those of other profiles too, and all mistakes are told at once.

Server and account belong together. So if a profile names a server, nothing about the server and nothing of the account
comes from the top of the file; and if it names an account, nothing of the account does.
"""

from __future__ import annotations

import os

from bwrun.base.errors import ConfigError, WrongConfigFileError
from bwrun.settings.config_file import ConfigFile, place_in
from bwrun.settings.config_keys import (
    ADDRESSES,
    CLIENT_ID,
    CLIENT_SECRET,
    KEYS,
    OF_ACCOUNT,
    OF_SERVER,
    OPENERS,
    PATHS,
    REFUSED,
    SECRETS,
    as_text,
    check_value,
    full_path,
    wrong_type,
)
from bwrun.settings.profile_name import DEFAULT_PROFILE
from bwrun.settings.sources import SettingValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Table = Mapping[str, object]

PROFILE = "profile"
PROFILE_HINT = "settings of a profile follow a line like `[profile.work]`"
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
# A key of a profile hides the others of its group at the top of the file.
HIDES = {
    **dict.fromkeys(OPENERS, OPENERS),
    **dict.fromkeys(CLIENT_SECRET, CLIENT_SECRET),
    **dict.fromkeys(CLIENT_ID, OF_ACCOUNT),
    **dict.fromkeys(ADDRESSES, (*OF_SERVER, *OF_ACCOUNT)),
}
LONGEST_NAME = 64  # characters of a profile's name


def read_tables(text: str, path: str, home: str | None, profile: str | None) -> ConfigFile:
    """
    Return the settings that `text` has for a run with `profile`; None: no profile was chosen.

    `path` is that of the file; `home` is the home directory, if it is known.

    Raises ConfigError: the text is not TOML, something in it is wrong, or there is no such profile.
    """
    top = dict(_parse(text, path))
    problems: list[ConfigError] = []
    profiles = _take_profiles(top, path, problems)
    for name, table in ((None, top), *profiles.items()):
        for key, value in table.items():
            problems += _problems(key, value, path, name, home)
        problems += _doubled(table, place_in(path, name))
    if profile is not None and profile not in profiles:
        problems.append(_no_profile(profile, profiles, path))
    if problems:
        raise problems[0] if len(problems) == 1 else WrongConfigFileError(problems)
    chosen = {} if profile is None else profiles[profile]
    hidden = {other for key, value in chosen.items() if value != "" for other in HIDES.get(key, ())}
    settings = {**{key: value for key, value in top.items() if key not in hidden}, **chosen}
    settings = {key: value for key, value in settings.items() if value not in ("", [])}
    texts = {key: as_text(value) for key, value in settings.items()}
    texts |= {key: full_path(texts[key], os.path.dirname(path), home) or "" for key in PATHS if key in texts}
    return ConfigFile(
        path=path,
        profile=profile,
        values={KEYS[key]: value for key, value in texts.items()},
        lists={KEYS[key]: tuple(value) for key, value in settings.items() if isinstance(value, list)},
        keys={KEYS[key]: key for key in settings},
        profiles_own=frozenset(KEYS[key] for key in chosen),
    )


def without_other_server(file: ConfigFile, elsewhere: Mapping[str, SettingValue]) -> ConfigFile:
    """
    Return the settings that count if a place that wins over config.toml sets addresses of the server.

    `elsewhere` has these addresses, by the names of their options. If they differ from those in config.toml, nothing
    about the server and nothing of the account counts. If config.toml names no server, what it has for the requests to
    one does not count for a server that a found `.env` names: that may be somebody else's.
    """
    own = {name: file.values[KEYS[name]] for name in ADDRESSES if KEYS[name] in file.values}
    if not elsewhere or own == {name: found.value for name, found in elsewhere.items()}:
        return file
    if own:
        dropped = {KEYS[key] for key in (*OF_SERVER, *OF_ACCOUNT)}
    elif any(found.file is not None and found.file.is_default for found in elsewhere.values()):
        dropped = {KEYS[key] for key in (*OF_SERVER, *CLIENT_ID, *CLIENT_SECRET)}
    else:
        return file
    return file.replaced(values={name: value for name, value in file.values.items() if name not in dropped})


def _parse(text: str, path: str) -> Table:
    import re  # noqa: PLC0415  (most runs have no such file)
    import tomllib  # noqa: PLC0415  (10 ms with what is checked here, beside what a login imports)

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: numbers with thousands of digits too
        found = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", str(error), re.DOTALL)
        what = found[1] if found else "" if isinstance(error, RecursionError) else str(error).partition(" (at ")[0]
        line = f" line {found[2]}" if found else ""
        # A message that quotes more than a character may quote a value that was put in the wrong place.
        reason = "" if re.search(r"\(|'[^']{4,}'", what) or not what else f": {what[:1].lower()}{what[1:]}"
        raise ConfigError(
            "config-file", f"`{path}`{line} is not TOML{reason}", 'write settings like `server = "eu"`'
        ) from None


def _take_profiles(top: dict[str, object], path: str, problems: list[ConfigError]) -> dict[str, Table]:
    """Take the tables of the profiles out of the top of the file, and add what is wrong with them to `problems`."""
    tables = top.get(PROFILE)
    if not isinstance(tables, dict):
        return {}  # a value of another type stays: its key is refused
    del top[PROFILE]
    profiles: dict[str, Table] = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            problems.append(
                ConfigError("config-file", f"`{name}` in [profile] of `{path}` is not a table", PROFILE_HINT)
            )
        elif name == DEFAULT_PROFILE:
            hint = "put its settings at the top of the file: they are for runs without a profile, and for all profiles"
            problems.append(ConfigError("config-file", f"[profile.{name}] of `{path}` is not a profile", hint))
        elif not is_profile_name(name):
            problems.append(
                ConfigError(
                    "config-file", f"[profile.{name!a}] of `{path}` has a name that no profile can have", NAME_HINT
                )
            )
        else:
            profiles[name] = table
    return profiles


NAME_HINT = f"a name has up to {LONGEST_NAME} letters of a to z, digits, `-` and `_`"


def is_profile_name(name: str) -> bool:
    """Return whether a profile can have the name: it also names things outside of the file."""
    return 0 < len(name) <= LONGEST_NAME and NAME_CHARACTERS.issuperset(name)


def _no_profile(profile: str, profiles: Mapping[str, Table], path: str) -> ConfigError:
    from bwrun.settings.spelling import nearest  # noqa: PLC0415

    near = nearest(profile, profiles, 0.6)
    hint = f"did you mean `{near}`? " if near else ""
    there = ", ".join(f"`{name}`" for name in sorted(profiles))
    return ConfigError(
        "profile", f"there is no profile `{profile}` in `{path}`",
        f"{hint}profiles: {there}" if there else PROFILE_HINT,
    )  # fmt: skip


def _problems(key: str, value: object, path: str, profile: str | None, home: str | None) -> Iterator[ConfigError]:
    """Yield what is wrong with one key of a table."""
    place = place_in(path, profile)
    called = f"`{key}` in {place}"
    if key not in KEYS:
        yield _unknown(key, called)
        return
    wanted = wrong_type(key, value)
    if wanted is not None:
        what, example = wanted
        yield ConfigError("config-file", f"{called} is not {what}", f"write it like `{example}`")
        return
    text = as_text(value)
    if "\0" in text:
        yield ConfigError("config-file", f"{called} contains a NUL byte", "remove it")
    elif key in PATHS and full_path(text, "", home) is None:
        hint = "write the whole path; `~/` stands for your home directory"
        yield ConfigError("config-file", f"{called} begins with a `~` that stands for no directory here", hint)
    else:
        try:
            check_value(key, SettingValue(text, place, key=key))
        except ConfigError as error:
            yield error


def _doubled(table: Table, place: str) -> Iterator[ConfigError]:
    """Yield the errors of what a table sets in more than one way."""
    openers = "master password or user key"
    for group, what in ((CLIENT_ID, "client id"), (CLIENT_SECRET, "client secret"), (OPENERS, openers)):
        given = [f"`{key}`" for key in group if table.get(key)]
        if len(given) > 1:
            message = f"{' and '.join(given)} in {place} are both set for the {what}"
            yield ConfigError("config-file", message, "remove all but one of them")


def _unknown(key: str, called: str) -> ConfigError:
    """Return the error for a key that does not exist: it says where its setting belongs, or what was meant."""
    name = key.lower().replace("_", "-")
    plain = name.removeprefix("bwrun-").removeprefix("bw-")
    letters = plain.replace("-", "")
    if letters in SECRETS:
        return ConfigError("secret", f"{called} is a secret, and this file holds none", SECRETS[letters])
    if plain in REFUSED:
        return ConfigError("config-file", f"{called} cannot be set in this file", REFUSED[plain])
    from bwrun.settings.spelling import nearest  # noqa: PLC0415  (only where a name is wrong)

    same = {one.replace("-", ""): one for one in KEYS}.get(letters)
    near = same or nearest(plain, (*KEYS, PROFILE))
    meant = f"`[{PROFILE}.NAME]`" if near == PROFILE else f"`{near}`"
    hint = f"did you mean {meant}?" if near else "the keys are the names of the long options, without `--`"
    return ConfigError("config-file", f"{called} is not a setting of bwrun", hint)
