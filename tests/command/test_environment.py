"""What the command's environment is made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.command.environment import command_environment, without_interpreter_changes
from bwrun.settings.env_files import EnvFile
from bwrun.settings.sources import CREDENTIAL_FILES, CREDENTIALS, Sources

SESSION = {"BW_SESSION": "key", "BITWARDENCLI_APPDATA_DIR": "/run/x"}
OWN = [*CREDENTIALS, *CREDENTIAL_FILES, "BWRUN_SERVER", "BWRUN_WHATEVER"]
NAMES = st.sampled_from(["PATH", "HOME", "A", "B", *OWN])
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)


def env_file(values: dict[str, str], *, automatic: bool = False) -> EnvFile:
    """Return an env file with these values."""
    return EnvFile("a.env", automatic, 0o600, values, dict.fromkeys(values, 1))


def made(
    environment: dict[str, str], *files: dict[str, str], passed: frozenset[str] = frozenset(), automatic: bool = False
) -> dict[str, str]:
    """Return the command's environment as text."""
    sources = Sources(environment, [env_file(values, automatic=automatic) for values in files])
    result = command_environment(sources, passed, {}, SESSION)
    return {os.fsdecode(name): os.fsdecode(value) for name, value in result.items()}


def test_inherited_session_and_files() -> None:
    """The command gets what was inherited, the env files' entries, and the session."""
    assert made({"PATH": "/bin", "EMPTY": ""}, {"A": "1", "B": ""}) == {
        "PATH": "/bin", "EMPTY": "", "A": "1", "B": "", **SESSION,
    }  # fmt: skip


def test_environment_wins_over_the_files() -> None:
    """A variable that was inherited, even an empty one, stays; of two files the later wins."""
    assert made({"A": "0", "B": ""}, {"A": "1", "B": "1", "C": "1"}, {"C": "2"}) == {
        "A": "0", "B": "", "C": "2", **SESSION,
    }  # fmt: skip


def test_session_wins_over_all() -> None:
    """A session of another day, in the environment or in a file, is replaced."""
    old = {"BW_SESSION": "old", "BITWARDENCLI_APPDATA_DIR": "/old"}

    assert made(old) == made({}, old) == SESSION


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("place", ["environment", "file"])
def test_own_variables_are_taken_away(name: str, place: str) -> None:
    """No credential and no setting reaches the command, wherever it was set, unless it is passed by its name."""
    arguments = ({name: "x"}, {}) if place == "environment" else ({}, {name: "x"})

    assert name not in made(*arguments)
    assert made(*arguments, passed=frozenset({name})) == {name: "x", **SESSION}
    assert name not in made(*arguments, passed=frozenset({"BWRUN_OTHER"}))


def test_passed_variables_win_as_they_do_for_bwrun() -> None:
    """A credential that is passed on is the one that bwrun itself used: the environment before the files."""
    assert made({"BW_PASSWORD": "0"}, {"BW_PASSWORD": "1"}, passed=frozenset({"BW_PASSWORD"}))["BW_PASSWORD"] == "0"


def test_a_mistrusted_setting_is_not_passed() -> None:
    """What a `.env` that was found may not set does not reach the command by `--pass` either."""
    passed = frozenset({"BWRUN_PASSWORD_COMMAND", "BWRUN_SERVER"})

    assert made({}, {"BWRUN_PASSWORD_COMMAND": "x", "BWRUN_SERVER": "x"}, passed=passed, automatic=True) == SESSION


@settings(deadline=None)  # a loaded machine is no failure
@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES), st.frozensets(st.sampled_from(OWN)))
def test_own_variables_never_slip_through(
    environment: dict[str, str], values: dict[str, str], passed: frozenset[str]
) -> None:
    """Whatever is set where: what is bwrun's own and was not passed is not there, and all that was inherited is."""
    result = made(environment, values, passed=passed)

    assert {name for name in result if name in OWN} <= passed
    for name, value in environment.items():
        if name not in OWN or name in passed:
            assert result[name] == value


variables = st.dictionaries(NAMES | st.sampled_from(["", "BW_SESSION", "é"]), VALUES)


def model(
    environment: dict[str, str], files: list[dict[str, str]], passed: frozenset[str], given_by_option: dict[str, str]
) -> dict[str, str]:
    """Return what the README promises, one name after the other."""
    result = {}
    for name in {*environment, *given_by_option, *SESSION, *(name for values in files for name in values)} - {""}:
        is_own = name in OWN
        entries = [values[name] for values in files if name in values and (values[name] or not is_own)]
        if name in SESSION:
            result[name] = SESSION[name]
        elif name in given_by_option:
            result[name] = given_by_option[name]
        elif not is_own or name in passed:
            inherited = [environment[name]] if name in environment else []
            chosen = [*entries, *inherited]
            if chosen:
                result[name] = chosen[-1]
    return result


@settings(deadline=None)
@given(
    variables,
    st.lists(variables.map(lambda values: {name: value for name, value in values.items() if name}), max_size=3),
    st.frozensets(st.sampled_from(OWN)),
    st.dictionaries(st.sampled_from(["PATH", "A", "B", "é", "BW_SESSION"]), VALUES),
)
def test_is_what_the_model_says(
    environment: dict[str, str], files: list[dict[str, str]], passed: frozenset[str], given_by_option: dict[str, str]
) -> None:
    """Session, -e, environment, later file, earlier file: the first that has a name wins; what is bwrun's own goes."""
    sources = Sources(environment, [env_file(values) for values in files])
    result = command_environment(sources, passed, given_by_option, SESSION)

    assert {name.decode(): value.decode() for name, value in result.items()} == model(
        environment, files, passed, given_by_option
    )


@pytest.mark.parametrize("locale", [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "C"}])
def test_bytes_arrive_as_they_came_in_every_locale(locale: dict[str, str], tmp_path: Path) -> None:
    """Values of files and of the environment arrive byte for byte, in a locale without UTF-8 too."""
    raw = "grüße €".encode() + b"\xff"
    (tmp_path / "env").write_bytes(b"FROM_FILE='" + raw + b"'\n")
    code = """
import json, os, sys
from bwrun.settings.env_files import read_env_file
from bwrun.command.environment import command_environment
from bwrun.settings.sources import Sources
made = command_environment(Sources(os.environ, [read_env_file(sys.argv[1])]), set(), {}, {})
json.dump([made[name].hex() for name in (b"FROM_FILE", b"INHERITED")], sys.stdout)
"""
    environment = {
        b"PATH": os.defpath.encode(),
        b"INHERITED": raw,
        b"PYTHONPATH": os.fsencode(Path(__file__).parents[2]),
    }
    environment |= {name.encode(): value.encode() for name, value in locale.items()}
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, tmp_path / "env"], env=environment, check=True, capture_output=True
    )

    assert json.loads(done.stdout) == [raw.hex()] * 2


def test_what_python_added_is_taken_away() -> None:
    """LC_CTYPE is as the caller set it, or not there if the caller did not set it; the rest stays."""
    environment = {"LC_CTYPE": "C.UTF-8", "A": "1"}

    assert without_interpreter_changes(environment, b"A=1\0") == {"A": "1"}
    assert without_interpreter_changes(environment, b"") == {"A": "1"}
    assert without_interpreter_changes(environment, b"A=1\0LC_CTYPE=C.UTF-8\0") == environment
    assert without_interpreter_changes(environment, b"LC_CTYPE=POSIX\0A=1\0") == {"LC_CTYPE": "POSIX", "A": "1"}
    assert without_interpreter_changes(environment, b"XLC_CTYPE=C\0A=LC_CTYPE=x\0") == {"A": "1"}
    assert without_interpreter_changes(environment, None) == environment
    assert without_interpreter_changes({"A": "1"}, b"A=1\0") == {"A": "1"}
    assert environment == {"LC_CTYPE": "C.UTF-8", "A": "1"}
