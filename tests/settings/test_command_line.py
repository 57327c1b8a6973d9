"""bwrun's own words: the command line, --help, --version, and what is said of a line that cannot be understood."""

from __future__ import annotations

import re
import subprocess

import pytest

from bwrun.settings.command_line import _parse_options, _parse_plain
from tests.support.program import BWRUN, Ended, Surroundings

SCREEN_LINES, SCREEN_COLUMNS = 40, 80
SLIP = "hunter2-canary"  # what somebody typed in the wrong place
SECRETS = {
    "BW_CLIENTID": "user.00000000-0000-4000-8000-00000000cafe",
    "BW_CLIENTSECRET": "canary-secret",
    "BW_PASSWORD": "canary-password",
    "BWRUN_SERVER": "https://canary.example",
    "BWRUN_PASSWORD_COMMAND": "canary-command",
}


@pytest.mark.parametrize("words", [[], ["--"], ["-v", "--"]])
def test_no_command(bare: Surroundings, words: list[str]) -> None:
    """A line without a command is an error that shows where it goes."""
    assert bare.run(*words) == Ended(
        125,
        "",
        "bwrun: error: no command to run [usage.no-command]\n"
        "bwrun: hint: put the command after `--`, e.g. `bwrun -- make deploy`\n",
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--pasword-file", "x", "--", "true"], "`--pasword-file`"),
        (["--passwor", "x", "--", "true"], "`--passwor`"),  # no abbreviations: an option to come could clash
        (["-x", "--", "true"], "`-x`"),
        (["-v", "--bogus", "true"], "`--bogus`"),
    ],
)
def test_unknown_option_is_named(bare: Surroundings, words: list[str], named: str) -> None:
    """An option that does not exist is named, and nothing is run."""
    assert bare.run(*words) == Ended(
        125,
        "",
        f"bwrun: error: unknown option {named} [usage.unknown-option]\n"
        "bwrun: hint: run `bwrun --help` to see the options\n",
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--password", SLIP, "--", "true"], "usage.unknown-option"),
        ([f"--password={SLIP}", "--", "true"], "usage.unknown-option"),
        (["--password", SLIP, "true"], "usage.unknown-option"),
        ([f"-p{SLIP}", "--", "true"], "usage.unknown-option"),
        ([f"-v{SLIP}", "--", "true"], "usage.bad-option"),
        ([f"--session-api-key={SLIP}", "--", "true"], "usage.bad-option"),
        ([f"--help={SLIP}"], "usage.bad-option"),
        (["--session-api-key", SLIP, "--", "true"], "usage.stray-word"),
        (["--password-fd", SLIP, "--", "true"], "credentials.bad-fd"),
        (["--timeout", SLIP, "--", "true"], "config.timeout"),
        (["--server", f"https://me:{SLIP}@localhost", "--", "true"], "config.server"),
    ],
)
def test_what_may_be_a_secret_is_not_repeated(bare: Surroundings, words: list[str], code: str) -> None:
    """A value in a wrong place may be a password: the error shows the place and never the value."""
    done = bare.run(*words, env={"BW_CLIENTID": SECRETS["BW_CLIENTID"], "BW_CLIENTSECRET": "x"})

    assert (done.status, done.stdout, done.codes) == (125, "", [code])
    assert SLIP not in done.stderr


@pytest.mark.parametrize("option", ["--env-file", "--password-command", "--pass"])
def test_a_value_is_missing(bare: Surroundings, option: str) -> None:
    """An option at the end of bwrun's words does not swallow the `--`."""
    done = bare.run(option, "--", "true")

    assert (done.status, done.codes) == (125, ["usage.bad-option"])
    assert option in done.stderr


@pytest.mark.parametrize("command", [["make", "deploy"], ["make", "--dry-run"], ["make", "-v"]])
def test_options_without_separator(bare: Surroundings, command: list[str]) -> None:
    """After options the command needs `--`, whatever options the command has itself."""
    assert bare.run("-v", *command) == Ended(
        125,
        "",
        "bwrun: error: there is no `--` between the options and the command [usage.no-separator]\n"
        "bwrun: hint: put `--` before the command, e.g. `bwrun -v -- make deploy`\n",
    )


@pytest.mark.parametrize("words", [["--help"], ["-v", "-h", "--", "true"]])
def test_help_fits_a_screen_and_shows_no_value(bare: Surroundings, words: list[str]) -> None:
    """--help goes to stdout, fits a screen, and shows nothing of what is set."""
    done = bare.run(*words, env=SECRETS)
    lines = done.stdout.splitlines()

    assert (done.status, done.stderr) == (0, "")
    assert lines[0].startswith("Usage: bwrun ")
    assert "canary" not in done.stdout
    assert len(lines) <= SCREEN_LINES
    assert max(map(len, lines)) <= SCREEN_COLUMNS


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version(bare: Surroundings, word: str) -> None:
    """--version prints the name and a version on stdout."""
    done = bare.run(word)

    assert (done.status, done.stderr) == (0, "")
    assert re.fullmatch(r"bwrun \d+\.\d+\S*\n", done.stdout)


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_help_that_cannot_be_written(bare: Surroundings, redirection: str) -> None:
    """Help that finds no reader is a failure of bwrun's, without a traceback."""
    done = subprocess.run(
        ["sh", "-c", f'"$0" --help {redirection}', BWRUN],
        check=False,
        env=bare.environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 125
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("BWRUN_TIMEOUT", "soon", "config.timeout"),
        ("BWRUN_TIMEOUT", "0", "config.timeout"),
        ("BWRUN_TIMEOUT", "nan", "config.timeout"),
        ("BWRUN_SESSION_API_KEY", "maybe", "config.flag"),
        ("BWRUN_VERBOSE", "maybe", "config.flag"),
        ("BWRUN_PASS", "HOME", "usage.pass"),
        ("BWRUN_SERVER", "ftp://localhost", "config.server"),
        ("BWRUN_SERVER", "http://vault.example.com", "config.insecure-server"),
        ("BWRUN_CA_FILE", "nowhere.pem", "config.ca-file"),
        ("BWRUN_DEVICE_ID", "my laptop", "config.device-id"),
    ],
)
def test_a_setting_that_cannot_be_used(bare: Surroundings, setting: str, value: str, code: str) -> None:
    """A setting with a value that makes no sense is one error, whatever else is missing."""
    done = bare.run("--", "true", env={setting: value})

    assert (done.status, done.stdout, done.codes) == (125, "", [code])


@pytest.mark.parametrize(
    "words",
    [
        ["-e", "A=1", "--env", "B=2"],
        ["-e", "A=1", "-e", "A=2", "-v"],
        ["-e", ""],
        ["--item", "prod-db", "--item", "x y", "--optional", "A", "--no-session", "--verbose"],
        ["--timeout", "5", "--timeout", "6", "--only", "?folder=Prod"],
        ["--item", "--", "x"],
        ["-e", "-x"],
        ["--check"],
        ["--json"],
        ["--bogus"],
        ["x"],
        [""],
        ["-"],
        ["--"],
    ],
)
def test_plain_options_are_read_as_argparse_reads_them(words: list[str]) -> None:
    """The short way to read options gives what argparse gives, or leaves the line to it."""
    arguments = [*words, "--", "make", "-v", "--", "x"]

    plain = _parse_plain(arguments)

    assert plain is None or vars(plain) == vars(_parse_options(arguments))
