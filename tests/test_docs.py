"""What the README says is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bwrun.settings import command_line, sources
from bwrun.settings.config import CLIENT_VERSION, DEFAULT_TIMEOUT, variable_name

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SETTINGS = README.partition("## Settings")[2].partition("## Usage")[0]
OPTIONS = command_line.VALUE_OPTIONS + command_line.LIST_OPTIONS + command_line.FLAG_OPTIONS


def test_readme_shows_the_help() -> None:
    """The help in the README is the help the program prints."""
    shown = re.search(r"<!-- help -->\n```\n(.*?)```\n<!-- /help -->", README, re.DOTALL)

    assert shown is not None
    assert shown.group(1) == command_line.HELP


def test_help_fits_a_screen() -> None:
    """The help needs no more than 36 lines of 80 columns."""
    lines = command_line.HELP.splitlines()

    assert len(lines) <= 36
    assert max(map(len, lines)) <= 80


def test_help_names_each_option() -> None:
    """Every option the parser knows is in the help, and no other."""
    named = set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", command_line.HELP.partition("Environment:")[0]))

    assert named == {*OPTIONS, "env", "check", "list", "json", "clean", "version", "help"}


@pytest.mark.parametrize("option", OPTIONS)
def test_settings_table_has_each_option(option: str) -> None:
    """Every option stands in the table of settings, beside its variable."""
    assert re.search(rf"`--{option}[ `].*`{variable_name(option)}`", SETTINGS)


def test_settings_table_has_the_defaults() -> None:
    """The defaults that a person may rely on are those of the program."""
    assert f"| `BWRUN_TIMEOUT` | {DEFAULT_TIMEOUT:g} |" in SETTINGS
    assert f"| `BWRUN_CLIENT_VERSION` | {CLIENT_VERSION} |" in SETTINGS


@pytest.mark.parametrize("name", sources.CREDENTIALS + sources.CREDENTIAL_FILES)
def test_settings_table_has_each_credential(name: str) -> None:
    """Every credential, and the variable for its file, stands in the table of settings."""
    assert f"`{name}`" in SETTINGS


def error_codes() -> set[str]:
    """Return every code that the source can print, as family.reason."""
    families = {
        "UsageError": "usage", "ConfigError": "config", "CredentialError": "credentials", "NetworkError": "network",
        "ServerError": "server", "AuthenticationError": "auth", "CryptoError": "crypto", "SessionError": "session",
        "SecretError": "reference", "SecretNotFoundError": "reference", "UnavailableItemError": "reference",
        "CommandError": "command", "CommandNotFoundError": "command", "CommandNotExecutableError": "command",
    }  # fmt: skip
    found = set()
    for path in (ROOT / "bwrun").rglob("*.py"):
        for name, reason in re.findall(r"\b(\w+Error)\(\s*\"([a-z][a-z0-9-]*)\"", path.read_text()):
            if name in families:
                found.add(f"{families[name]}.{reason}")
    return found


def test_table_of_errors_has_each_code() -> None:
    """Every error code is in the README's table, by itself or with its family."""
    table = README.partition("## Errors")[2].partition("## Signals")[0]
    named = set()
    for cell in re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE):
        family = ""
        for code in re.findall(r"`([a-z.*-]+)`", cell):
            family = code.partition(".")[0] or family
            named.add(family + code if code.startswith(".") else code)
    codes = error_codes()

    assert len(codes) > 40
    assert {code for code in codes if code not in named and f"{code.partition('.')[0]}.*" not in named} == set()
    # Those of classes with one reason each stand in bwrun/base/errors.py alone.
    single = {"crypto.wrong-master-password", "reference.invalid", "reference.ambiguous"}
    assert {code for code in named if "." in code and not code.endswith(".*")} <= codes | single
