"""Which place a setting comes from, and what a `.env` that was found is not trusted with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bwrun.base.errors import ConfigError
from bwrun.settings.env_files import MAX_SIZE, EnvFile, read_env_file
from bwrun.settings.found_file import find_env_file
from bwrun.settings.sources import (
    CREDENTIAL_FILES,
    CREDENTIALS,
    ENVIRONMENT,
    SERVER_SETTINGS,
    Sources,
    is_bwrun_variable,
)
from tests.support.files import write_private

SECRET = {"BW_CLIENTSECRET": "s3cret"}


def env_file(path: str = "a.env", /, **values: str) -> EnvFile:
    """Return a named env file with these values, each on a line of its own."""
    return EnvFile(
        path, is_default=False, mode=0o600, values=values, lines=dict(zip(values, range(1, 99), strict=False))
    )


def found_env(**values: str) -> EnvFile:
    """Return a `.env` that was found, not named."""
    return EnvFile(".env", is_default=True, mode=0o600, values=values, lines=dict.fromkeys(values, 1))


def value_of(sources: Sources, name: str) -> str | None:
    """Return the value that wins."""
    found = sources.find(name)
    return None if found is None else found.value


# Who wins


@pytest.mark.parametrize("name", [*CREDENTIALS, *CREDENTIAL_FILES, "BWRUN_SERVER", "BWRUN_TIMEOUT"])
def test_environment_wins_then_the_later_file(name: str) -> None:
    """The environment wins over env files, a later file over an earlier, and each says where it was."""
    first, second = env_file("one.env", **{name: "1"}), env_file("two.env", OTHER="x", **{name: "2"})

    found = Sources({name: "0"}, [first, second]).find(name)
    assert found is not None
    assert (found.value, found.place, found.file) == ("0", ENVIRONMENT, None)
    found = Sources({}, [first, second]).find(name)
    assert found is not None
    assert (found.value, found.place, found.file) == ("2", "`two.env` line 2", second)
    assert value_of(Sources({}, [second, first]), name) == "1"
    assert value_of(Sources({}, []), name) is None


def test_empty_is_not_set() -> None:
    """An empty value, in the environment or a file, leaves the word to the next place."""
    files = [env_file(BWRUN_SERVER="eu"), env_file(BWRUN_SERVER="")]

    assert value_of(Sources({"BWRUN_SERVER": ""}, files), "BWRUN_SERVER") == "eu"
    assert value_of(Sources({"BWRUN_SERVER": ""}, []), "BWRUN_SERVER") is None


# What is trusted


@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_found_env_file_may_set_credentials(name: str) -> None:
    """A `.env` that was found may set each of the three credentials."""
    assert value_of(Sources({}, [found_env(**{name: "x"})]), name) == "x"


@pytest.mark.parametrize(
    "name",
    [
        *CREDENTIAL_FILES, "BWRUN_PASSWORD_COMMAND", "BWRUN_PASSWORD_FILE", "BWRUN_PASSWORD_FD", "BWRUN_CA_FILE",
        "BWRUN_PASS", "BWRUN_TIMEOUT", "BWRUN_DEVICE_ID", "BWRUN_SESSION_API_KEY", "BWRUN_ENV_FILE",
        "BWRUN_RUNTIME_DIR", "BWRUN_CLIENT_VERSION", "BWRUN_WHATEVER_COMES",
    ],
)  # fmt: skip
def test_a_found_env_file_may_set_nothing_else_of_bwruns(name: str) -> None:
    """A `.env` that was found sets no other setting, even with the client secret in it; a named file may set all."""
    sources = Sources({}, [found_env(**{name: "x"}, **SECRET)])

    assert sources.find(name) is None
    assert sources.untrusted_settings() == [name]
    assert name not in sources.bwrun_variables()
    assert name not in sources.command_variables()
    named = Sources({}, [env_file(**{name: "x"})])
    assert (value_of(named, name), named.untrusted_settings(), named.bwrun_variables()) == ("x", [], {name: "x"})


@pytest.mark.parametrize("name", SERVER_SETTINGS)
def test_server_of_a_found_env_file_needs_the_secret_beside_it(name: str) -> None:
    """A server's address in a `.env` that was found counts only if the client secret that is used stands in it too."""
    address = {name: "https://evil.example"}

    assert value_of(Sources({}, [found_env(**address, **SECRET)]), name) == "https://evil.example"
    for environment, values in (
        ({}, {}),
        ({}, {"BW_CLIENTSECRET": ""}),
        ({}, {"BW_CLIENTID": "user.x", "BW_PASSWORD": "x"}),
        ({}, {"BW_CLIENTSECRET_FILE": "/some/path"}),
        (SECRET, {}),
        (SECRET, SECRET),
        ({"BW_CLIENTSECRET_FILE": "/run/secrets/x"}, SECRET),
    ):
        sources = Sources(environment, [found_env(**address, **values)])
        assert sources.find(name) is None, (environment, values)
        assert name in sources.untrusted_settings()
        assert name not in sources.bwrun_variables()


def test_environment_is_trusted_beside_a_strange_env_file() -> None:
    """A server in the environment counts, whatever a `.env` that was found says."""
    sources = Sources({"BWRUN_SERVER": "eu"}, [found_env(BWRUN_SERVER="https://evil.example")])

    assert value_of(sources, "BWRUN_SERVER") == "eu"


@settings(deadline=None)  # a loaded machine is no failure
@given(st.dictionaries(st.sampled_from(["BW_CLIENTSECRET", "BWRUN_SERVER", "PATH", "BWRUN_PASS"]), st.text(max_size=3)))
def test_what_is_own_never_is_a_variable(values: dict[str, str]) -> None:
    """Each entry of a file is either the command's or bwrun's own, never both."""
    sources = Sources({}, [env_file(**values)])

    assert sources.command_variables() == {name: value for name, value in values.items() if name == "PATH"}
    assert set(sources.bwrun_variables()) == {name for name, value in values.items() if name != "PATH" and value}


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("BW_CLIENTID", True), ("BW_CLIENTSECRET_FILE", True), ("BW_PASSWORD", True), ("BWRUN_", True),
        ("BWRUN_X", True), ("BW_SESSION", False), ("BWRUN", False), ("bw_password", False),
        ("BW_PASSWORD_FILE_", False), ("XBWRUN_X", False), ("BW_NOINTERACTION", False),
        ("BITWARDENCLI_APPDATA_DIR", False),
    ],
)  # fmt: skip
def test_names_of_its_own(name: str, *, own: bool) -> None:
    """The credentials, their files and BWRUN_* are bwrun's own; the official CLI's variables are not."""
    assert is_bwrun_variable(name) == own


# Reading


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"), ("A = spaced ", "spaced"), ("export A=exported", "exported"), ("A=", ""),
        ("A=un quoted # comment", "un quoted"), ("A=p#ss", "p#ss"), ("A='a # b'", "a # b"),
        ("A='it\\'s'", "it's"), ("A='no \\n escape'", "no \\n escape"), ('A="two\\nlines"', "two\nlines"),
        ('A="$HOME ${HOME} `id`"', "$HOME ${HOME} `id`"), ("A=${HOME}", "${HOME}"), ("A=$(id)", "$(id)"),
        ("A='a\nb'", "a\nb"), ("A=grüße", "grüße"), ("A=\udcff", "\udcff"), ("A=a=b==", "a=b=="), ("A=\"'\"", "'"),
    ],
)  # fmt: skip
def test_values_as_they_stand(tmp_path: Path, line: str, value: str) -> None:
    """A value is read as python-dotenv reads it, and nothing in it is expanded."""
    assert read_env_file(str(write_private(tmp_path / "env", line))).values == {"A": value}


def test_lines_and_the_last_of_a_name(tmp_path: Path) -> None:
    """The last entry of a name wins, and its line is known: comments, empty lines and long values count."""
    path = write_private(tmp_path / "env", "# comment", "", "A=1", "B='x", "y'", "", "A=2", "  ", "export C=3", "D")

    file = read_env_file(str(path))

    assert file.values == {"A": "2", "B": "x\ny", "C": "3"}
    assert file.lines == {"A": 7, "B": 4, "C": 9}
    assert file.place("A") == f"`{path}` line 7"
    assert (file.is_default, file.mode) == (False, 0o600)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_of_any_system(tmp_path: Path, newline: str) -> None:
    """Line ends of Windows and of old Macs are no part of a value."""
    path = write_private(tmp_path / "env", "A=1", "B='2'", "C=3", newline=newline)

    assert read_env_file(str(path)).values == {"A": "1", "B": "2", "C": "3"}


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    """A file that Windows' Notepad saved has its first name read right."""
    (tmp_path / "env").write_bytes(b"\xef\xbb\xbfA=1\n")

    assert read_env_file(str(tmp_path / "env")).values == {"A": "1"}


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (["A=1", "not an assignment"], "line 2"), (["", "", "A='hunter2"], "line 3"), (["A=1", "B=\0"], "line 2"),
        (["'A=B'=1"], "line 1"), (["A=1", 'B="x" y'], "line 2"), (["A\0=1"], "line 1"),
    ],
)  # fmt: skip
def test_what_is_no_assignment_is_told_by_file_and_line(tmp_path: Path, lines: list[str], place: str) -> None:
    """A line that cannot be an entry of an environment is an error with file and line, and without its text."""
    path = write_private(tmp_path / "env", *lines)

    with pytest.raises(ConfigError) as caught:
        read_env_file(str(path))
    assert caught.value.code == "config.env-file-syntax"
    assert caught.value.message.startswith(f"`{path}` {place}")
    assert "not an" not in caught.value.message
    assert "hunter2" not in caught.value.message


@settings(deadline=None)  # a loaded machine is no failure
@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"A=\xed\xa0\x80")
@example(b"\xef\xbb\xbf\xef\xbb\xbfA=1")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever stands in a file, it is read or a ConfigError; what is read can be an environment."""
    descriptor, write_end = os.pipe()
    os.write(write_end, data)
    os.close(write_end)
    try:
        file = read_env_file(f"/dev/fd/{descriptor}")
    except ConfigError:
        return
    finally:
        os.close(descriptor)
    for name, value in file.values.items():
        assert name.encode("utf-8", "surrogateescape") in data.replace(b"\xef\xbb\xbf", b"", 1) or name
        assert name
        assert "=" not in name
        assert b"\0" not in (name + value).encode("utf-8", "surrogateescape")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A file that was named and is missing, a directory, too large or impossible is an error that names it."""
    (tmp_path / "large").write_bytes(b"#" * (MAX_SIZE + 1))

    for path, why in (
        (tmp_path / "gone", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "large", "larger"),
    ):
        with pytest.raises(ConfigError, match=why) as caught:
            read_env_file(str(path))
        assert f"`{path}`" in caught.value.message
        assert caught.value.code == "config.env-file"
    with pytest.raises(ConfigError, match="NUL"):
        read_env_file("a\0b")


def test_finds_the_env_file_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is read where there is one; without one, or with a directory of that name, there is none."""
    monkeypatch.chdir(tmp_path)
    assert find_env_file({}) is None

    (tmp_path / ".env").mkdir()
    assert find_env_file({}) is None

    (tmp_path / ".env").rmdir()
    write_private(tmp_path / ".env", "A=1").chmod(0o644)
    file = find_env_file({})
    assert file is not None
    assert (file.path, file.is_default, file.mode, file.values) == (".env", True, 0o644, {"A": "1"})


def test_a_broken_link_is_no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` that is a link to nowhere is as good as none; one that leads round in a circle is an error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").symlink_to("nowhere")
    assert find_env_file({}) is None

    (tmp_path / ".env").unlink()
    (tmp_path / ".env").symlink_to(".env")
    with pytest.raises(ConfigError, match=r"`\.env`"):
        find_env_file({})
