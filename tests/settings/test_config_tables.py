"""The text of config.toml: what it may set, what of it counts with a profile, and what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.base.errors import BwrunError, ConfigError, WrongConfigFileError
from bwrun.settings.command_line import Options
from bwrun.settings.config_file import ConfigFile
from bwrun.settings.config_keys import KEYS, REFUSED
from bwrun.settings.config_tables import read_tables, without_other_server
from bwrun.settings.option_names import ALONE, FLAG_OPTIONS, LIST_OPTIONS, VALUE_OPTIONS
from bwrun.settings.sources import SettingValue, Sources
from bwrun.settings.values import Settings, lines_of, names_of, repeatable
from tests.settings.test_sources import env_file, found_env
from tests.test_docs import OTHERS

PATH, HOME = "/home/ada/.config/bwrun/config.toml", "/home/ada"
CANARY = "canary-7f3a"


def read(*lines: str, profile: str | None = None) -> ConfigFile:
    """Read a file with these lines."""
    return read_tables("\n".join(lines), PATH, HOME, profile)


def problems(*lines: str, profile: str | None = None) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return code, message and hints of everything that is wrong with a file."""
    with pytest.raises(ConfigError) as raised:
        read(*lines, profile=profile)
    error = raised.value
    failures: Sequence[BwrunError] = error.failures if isinstance(error, WrongConfigFileError) else [error]
    return [(one.code, one.message, one.hints) for one in failures]


def toml(value: object) -> str:
    """Write a value as TOML: JSON's strings, numbers, true and false are TOML's too, where only ASCII is used."""
    return json.dumps(value)


# What it may set


def test_every_option_has_a_key_or_a_reason() -> None:
    """Each option is a key of the file, or is refused with a hint that says where it belongs."""
    options = {*VALUE_OPTIONS, *LIST_OPTIONS, *FLAG_OPTIONS, *OTHERS, *ALONE}

    assert options == {name for name in (*KEYS, *REFUSED) if name in options}
    assert KEYS.keys().isdisjoint(REFUSED)
    for name, hint in REFUSED.items():
        assert problems(f'{name} = "x"') == [
            ("config.config-file", f"`{name}` in `{PATH}` cannot be set in this file", (hint,))
        ]


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ('server = "eu"', "BWRUN_SERVER", "eu"),
        ("timeout = 30", "BWRUN_TIMEOUT", "30"),
        ("jitter = 0.5", "BWRUN_JITTER", "0.5"),
        ("kill-after = 1_0", "BWRUN_KILL_AFTER", "10"),
        ("max-age = 0", "BWRUN_MAX_AGE", "0"),
        ("signal-exit = 128", "BWRUN_SIGNAL_EXIT", "128"),
        ("verbose = true", "BWRUN_VERBOSE", "1"),
        ("renew = false", "BWRUN_RENEW", "0"),
        ("cache = true", "BWRUN_CACHE", "1"),
        ("cache = '15m'", "BWRUN_CACHE", "15m"),
        ("mask = 'stdout'", "BWRUN_MASK", "stdout"),
        ("offline = false", "BWRUN_OFFLINE", "0"),
        ("clientid = 'user.x'", "BW_CLIENTID", "user.x"),
        ("password-command = 'pass x'", "BWRUN_PASSWORD_COMMAND", "pass x"),
        ("ca-file = 'ca.pem'", "BWRUN_CA_FILE", "/home/ada/.config/bwrun/ca.pem"),
        ("ca-file = '/etc/ca.pem'", "BWRUN_CA_FILE", "/etc/ca.pem"),
        ("password-file = '~/x y'", "BWRUN_PASSWORD_FILE", "/home/ada/x y"),
        ("clientsecret-file = '../x'", "BW_CLIENTSECRET_FILE", "/home/ada/.config/bwrun/../x"),
        ("user-key-file = '~'", "BWRUN_USER_KEY_FILE", "/home/ada/"),
        ('[profile.work]\ntimeout = 5 # "', "BWRUN_TIMEOUT", "5"),
        ('only = ["a", "b c"]', "BWRUN_ONLY", "a\nb c"),
    ],
)
def test_what_a_key_sets(line: str, name: str, text: str) -> None:
    """A key sets what its variable sets; a path is made absolute."""
    assert read("[profile.other]", line, profile=None).values == {} or "[profile.work]" in line
    file = read(line, *(["[profile.work]"] if "[" not in line or "only" in line else []), profile="work")

    assert file.values == {name: text}


def test_a_list_is_a_list() -> None:
    """The strings of a list are taken as they are; an option replaces all of them."""
    sources = Sources({}, [])
    sources.config_file = read('only = ["a", " b, c "]', 'keep = ["A B", "C"]', 'ssh-key = ["x"]')
    options = Options()

    assert lines_of(options, sources, "only") == ("a", "b, c")
    assert names_of(options, sources, "keep") == {"A B", "C"}
    assert repeatable(options, sources, "ssh-key") == ("x",)
    options.lists = {"only": ["d"], "keep": ["D"], "ssh-key": ["y", "z"]}
    assert lines_of(options, sources, "only") == ("d",)
    assert names_of(options, sources, "keep") == {"D"}
    assert repeatable(options, sources, "ssh-key") == ("y", "z")


# What counts

TOP = (
    'server = "eu"', 'header-file = "h"', 'clientid = "user.top"', 'clientsecret-file = "s"', 'password-command = "p"',
    "timeout = 1", "verbose = true", 'only = ["x"]',
)  # fmt: skip
ALL = {
    "BWRUN_SERVER", "BWRUN_HEADER_FILE", "BW_CLIENTID", "BW_CLIENTSECRET_FILE", "BWRUN_PASSWORD_COMMAND",
    "BWRUN_TIMEOUT", "BWRUN_VERBOSE", "BWRUN_ONLY",
}  # fmt: skip
ACCOUNT = {"BW_CLIENTID", "BW_CLIENTSECRET_FILE", "BWRUN_PASSWORD_COMMAND"}
SERVER = {"BWRUN_SERVER", "BWRUN_HEADER_FILE"}


@pytest.mark.parametrize(
    ("line", "own", "gone"),
    [
        ("timeout = 2", {"BWRUN_TIMEOUT"}, set()),
        ("verbose = false", {"BWRUN_VERBOSE"}, set()),
        ("only = []", set(), {"BWRUN_ONLY"}),
        ('server = ""', set(), {"BWRUN_SERVER"}),
        ('server = "us"', {"BWRUN_SERVER"}, SERVER | ACCOUNT),
        ('identity-url = "https://i.example"', {"BWRUN_IDENTITY_URL"}, SERVER | ACCOUNT),
        ('clientid = "user.work"', {"BW_CLIENTID"}, ACCOUNT),
        ('clientid-file = "i"', {"BW_CLIENTID_FILE"}, ACCOUNT),
        ('clientsecret-command = "c"', {"BWRUN_CLIENTSECRET_COMMAND"}, {"BW_CLIENTSECRET_FILE"}),
        ('password-file = "f"', {"BWRUN_PASSWORD_FILE"}, {"BWRUN_PASSWORD_COMMAND"}),
        ('user-key-file = "f"', {"BWRUN_USER_KEY_FILE"}, {"BWRUN_PASSWORD_COMMAND"}),
        ('header-file = "g"', {"BWRUN_HEADER_FILE"}, set()),
    ],
)
def test_a_profile_hides(line: str, own: set[str], gone: set[str]) -> None:
    """What a profile sets wins; with its server or account, it takes nothing of another one."""
    file = read(*TOP, "[profile.work]", line, profile="work")

    assert file.values.keys() == (ALL - gone) | own
    assert set(file.profiles_own) >= own
    for name in own:
        assert file.place(name) == f"[profile.work] of `{PATH}`"
    for name in ALL - gone - own:
        assert file.place(name) == f"`{PATH}`"
    assert read(*TOP, "[profile.work]", line).values.keys() == ALL


def elsewhere(*, found_by_itself: bool = False, **addresses: str) -> dict[str, SettingValue]:
    """Return addresses that another place sets, the environment or a `.env` that bwrun found by itself."""
    file = found_env() if found_by_itself else None
    return {name: SettingValue(value, "x", file) for name, value in addresses.items()}


@pytest.mark.parametrize(
    ("lines", "given", "gone"),
    [
        (TOP, elsewhere(), set()),
        (TOP, elsewhere(server="eu"), set()),
        (TOP, elsewhere(server="https://vault.example"), SERVER | ACCOUNT),
        (TOP, elsewhere(server="eu") | {"api-url": SettingValue("https://a", "x")}, SERVER | ACCOUNT),
        (TOP, elsewhere(server="https://vault.example", found_by_itself=True), SERVER | ACCOUNT),
        (TOP[1:], elsewhere(server="https://vault.example"), {"BWRUN_SERVER"}),
        (
            TOP[1:], elsewhere(server="https://vault.example", found_by_itself=True),
            SERVER | ACCOUNT - {"BWRUN_PASSWORD_COMMAND"},
        ),
    ],
)  # fmt: skip
def test_another_server(lines: Sequence[str], given: Mapping[str, SettingValue], gone: set[str]) -> None:
    """If another place names another server, headers and API key of config.toml do not go there."""
    assert without_other_server(read(*lines), given).values.keys() == ALL - gone


# Who wins: a model of it, and all places at once

PLACES = ("option", "environment", "file", "profile", "top")
CHOICES = st.dictionaries(st.sampled_from(PLACES), st.sampled_from(["", "1", "22", "333.5"]))


@given(CHOICES)
@example(dict.fromkeys(PLACES, ""))
@example({"profile": "", "top": "22"})
def test_who_wins(given_values: dict[str, str]) -> None:
    """The first place that has a value wins, and messages name that place."""
    options = Options()
    options.values = {"password-command": given_values["option"]} if given_values.get("option") else {}
    files = [env_file(BWRUN_PASSWORD_COMMAND=given_values["file"])] if "file" in given_values else []
    sources = Sources({"BWRUN_PASSWORD_COMMAND": given_values.get("environment", "")}, files)
    lines = [f"password-command = {toml(given_values['top'])}"] if "top" in given_values else []
    lines.append("[profile.work]")
    if "profile" in given_values:
        lines.append(f"password-command = {toml(given_values['profile'])}")
    sources.config_file = read(*lines, profile="work")
    found = Settings(options, sources).found("password-command")

    # An empty value in the profile takes back what is at the top.
    places = [one for one in PLACES if one != "top" or "profile" not in given_values]
    expected = next(((one, given_values[one]) for one in places if given_values.get(one)), None)
    names = {
        "option": "--password-command", "environment": "the environment", "file": "`a.env` line 1",
        "profile": f"[profile.work] of `{PATH}`", "top": f"`{PATH}`",
    }  # fmt: skip
    assert (None if found is None else (found.place, found.value)) == (expected and (names[expected[0]], expected[1]))


# What is wrong


def test_all_mistakes_at_once() -> None:
    """Every mistake in every table is told, each with its key, its profile and what to do."""
    found = problems(
        "timout = 3", 'BWRUN_SERVER = "eu"', "ca_file = 'x'", "verbose = 1", "[profile.one]", "timeout = true",
        'only = "a"', "jitter = -1", 'server = "http://vault.example"', "[profile.two]", "max-age = 1.5",
        "signal-exit = 3", "cache = '15 m'", "mask = 'x'", "device-id = 'x'", "[profiles.three]",
        profile="for",
    )  # fmt: skip

    assert [code for code, _, _ in found] == [
        *["config.config-file"] * 7, "config.jitter", "config.insecure-server", "config.config-file",
        "config.signal-exit", "config.cache", "config.mask", "config.device-id", "config.profile",
    ]  # fmt: skip
    told = {message.partition(" in ")[0]: hints for _, message, hints in found}
    assert told["`timout`"] == ("did you mean `timeout`?",)
    assert told["`BWRUN_SERVER`"] == ("did you mean `server`?",)
    assert told["`ca_file`"] == ("did you mean `ca-file`?",)
    assert told["`profiles`"] == ("did you mean `[profile.NAME]`?",)
    assert told["`verbose`"] == ("write it like `verbose = true`",)
    assert ("config.profile", f"there is no profile `for` in `{PATH}`", ("profiles: `one`, `two`",)) in found
    assert f"`timeout` in [profile.one] of `{PATH}` is not a number of seconds" in [text for _, text, _ in found]


@pytest.mark.parametrize(
    "key",
    ["password", "BW_PASSWORD", "bw_clientsecret", "client-secret", "client_secret", "clientsecret", "BWRUN_USER_KEY",
     "user-key", "master_password", "BW_SESSION", "client-key-password", "API_KEY", "access-token", "secret"],
)  # fmt: skip
@pytest.mark.parametrize("table", ["", "[profile.work]\n"])
def test_a_secret_is_refused(key: str, table: str) -> None:
    """A secret is refused by whatever name, with a hint where it belongs, and its value is not shown."""
    ((code, message, hints),) = problems(f"{table}{key} = '{CANARY}'")

    assert code == "config.secret"
    assert (
        message == f"`{key}` in {'[profile.work] of ' if table else ''}`{PATH}` is a secret, and this file holds none"
    )
    assert re.search("`[a-z-]+-file`|leave it out", hints[0])
    assert CANARY not in message + hints[0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["server = eu"], f"`{PATH}` line 1 is not TOML: invalid value"),
        (["", "server", ""], f"`{PATH}` line 2 is not TOML: expected '=' after a key in a key/value pair"),
        (["a.b = 1", "[a.b]"], f"`{PATH}` line 2 is not TOML: cannot overwrite a value"),
        (["a = 1", "a = 2", ""], f"`{PATH}` line 2 is not TOML: cannot overwrite a value"),
        (["[a]", "[a]"], f"`{PATH}` line 2 is not TOML"),  # Python's message quotes the name
        ([f"a = {'[' * 100_000}"], f"`{PATH}` is not TOML"),
        ([f"a = {'1' * 10_000}"], f"`{PATH}` is not TOML"),
    ],
)
def test_not_toml(lines: list[str], message: str) -> None:
    """A file that is not TOML is refused, with the line if there is one."""
    ((code, found, hints),) = problems(*lines)

    assert (code, hints) == ("config.config-file", ('write settings like `server = "eu"`',))
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"timeout = 0x{'f' * 8000}", "`timeout`"),
        ("timeout = inf", "`timeout`"),
        ("timeout = nan", "`timeout`"),
        ("timeout = 86401", "the value of timeout"),
        (f"max-age = 0x{'f' * 8000}", "`max-age`"),
        ("server = 1979-05-27", "`server`"),
        ("only = ['a', 1]", "`only`"),
        ("only = [['a']]", "`only`"),
        ("server.url = 'eu'", "`server`"),
        ('password-command = "a\\u0000b"', "`password-command`"),
        ("password-file = '~eve/x'", "`password-file`"),
        ("profile = 'work'", "`profile`"),
        ("profile.work = 1", "`work` in [profile]"),
        ("[[profile]]", "`profile`"),
        ("[profile.'a b']", "[profile.'a b']"),
        ("[profile.default]", "[profile.default]"),
        ("[profile.'']", "[profile.'']"),
        ("'' = 1", "``"),
        ("clientid = 'a'\nclientid-file = 'b'", "`clientid` and `clientid-file`"),
        ("[profile.a]\nuser-key-file = 'a'\npassword-command = 'b'", "`password-command` and `user-key-file`"),
    ],
)
def test_wrong_values(line: str, what: str) -> None:
    """Each of these is one mistake, which the message names."""
    ((_, message, _),) = problems(line)

    assert message.startswith(what)


def test_no_home() -> None:
    """Where no home directory is known, `~/` is a mistake, and other paths are none."""
    with pytest.raises(ConfigError, match="stands for no directory here"):
        read_tables("ca-file = '~/x'", PATH, None, None)
    assert read_tables("ca-file = 'x'", PATH, None, None).values == {"BWRUN_CA_FILE": "/home/ada/.config/bwrun/x"}


PIECES = st.sampled_from([
    "server", "timeout", "only", "profile", "work", "password", "=", ".", "[", "]", "[[", "]]", "{", "}", ",", "\n",
    " ", "'", '"', '"""', "\\", "true", "1", "-1", "1e9", "1979-05-27", "inf", "#", "\x00", "\x1b", "é", "\U0001f511",
    CANARY,
])  # fmt: skip


@given(st.lists(PIECES, max_size=25).map("".join), st.sampled_from([None, "work"]))
@example(f"a = {{{CANARY} = 1, {CANARY} = 2}}", None)
@example(f"[{CANARY}]\n[{CANARY}]", None)
@example(f"password = {CANARY}", None)
def test_any_text(text: str, profile: str | None) -> None:
    """Any text is read or refused; where it is not TOML, nothing of it is quoted that is longer than a character."""
    file, message = None, ""
    try:
        file = read_tables(text, PATH, HOME, profile)
    except ConfigError as error:
        message = error.message

    assert " is not TOML" not in message or CANARY not in message
    assert file is None or (all(file.values.values()) and file.values.keys() == file.keys.keys())
