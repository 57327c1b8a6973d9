"""Env files: how they are read, what is wrong with one, and how far one that was only found is trusted."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.program import Ended, Surroundings

NOWHERE = "https://localhost:1"  # nobody listens there
SERVER_HINT = "put BW_CLIENTSECRET into this file and nowhere else, or name the file to trust it: `--env-file .env`"
NAME_HINT = "set it in the environment, or name the file to trust it: `--env-file .env`"
CREDENTIALS = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
NONE: dict[str, str | None] = dict.fromkeys(CREDENTIALS)


def mistrusted(*names: str, hint: str) -> str:
    """Return the warnings for settings in a `.env` that do not count."""
    return "".join(
        f"bwrun: warning: ignoring {name} in `.env`: bwrun found this file by itself and does not trust it"
        f" with this setting\nbwrun: hint: {hint}\n"
        for name in names
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_values_reach_the_command_as_they_stand_there(ready: Surroundings, newline: str) -> None:
    """Quotes, comments, `export`, a BOM and line ends are read; nothing is expanded, and no byte is changed."""
    write_private(
        ready.work / ".env",
        "\ufeffFIRST=after the BOM",
        "# a comment",
        "",
        "export EXPORTED=yes",
        "SPACED = around the sign   # and a comment",
        "UNEXPANDED=${HOME}/$PATH",
        "SINGLE='a # b \"c\" ${HOME} \\n'",
        'DOUBLE="a # b \'c\' \\"d\\" two\\nlines"',
        'LINES="one',
        'two"',
        "LATIN=gr\udcfcn",
        "UTF8=grün",
        "EMPTY=",
        "NO_VALUE",
        "SAME=earlier",
        "SAME=later",
        newline=newline,
    )
    expected = {
        "FIRST": b"after the BOM",
        "EXPORTED": b"yes",
        "SPACED": b"around the sign",
        "UNEXPANDED": b"${HOME}/$PATH",
        "SINGLE": b'a # b "c" ${HOME} \\n',
        "DOUBLE": b"a # b 'c' \"d\" two\nlines",
        "LINES": b"one" + newline.encode() + b"two",
        "LATIN": b"gr\xfcn",
        "UTF8": b"gr\xc3\xbcn",
        "EMPTY": b"",
        "NO_VALUE": None,
        "SAME": b"later",
    }

    show = f"import os; print({{name: os.environb.get(name.encode()) for name in {list(expected)}}})"
    done = ready.run("--", "python3", "-c", show)

    assert done == Ended(0, f"{expected}\n", "")


NO_ASSIGNMENT = "is not `NAME=value`"
NO_NAME = "does not begin with the name of a variable"
KEY = "KEY=-----BEGIN PRIVATE KEY-----\ncanary\nREVG=\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("line", "what", "newline"),
    [
        ("PASSWORD='canary unfinished", NO_ASSIGNMENT, "\n"),
        ("canary is no assignment", NO_ASSIGNMENT, "\r\n"),
        ("=canary", NO_ASSIGNMENT, "\n"),
        ("canary", NO_ASSIGNMENT, "\n"),
        ("[canary]", NO_ASSIGNMENT, "\n"),
        ("canary+REVG/=", NO_NAME, "\n"),
        (KEY, "begins a key or certificate and does not end it", "\n"),
    ],
)
def test_syntax_error(ready: Surroundings, server: BitwardenServer, line: str, what: str, newline: str) -> None:
    """A line that is no assignment is an error with file and line in a named file, and a warning in a found one."""
    write_private(ready.work / ".env", "GOOD=1", "", "# comment", line, newline=newline)

    named = ready.run("--env-file", ".env", "--", "true")
    asked = server.requests()
    found = ready.run("--", "sh", "-c", "echo $GOOD")

    error = f"bwrun: error: `.env` line 4 {what} [config.env-file-syntax]\nbwrun: hint: put quotes"
    assert (named.status, named.stdout, asked) == (125, "", [])
    assert named.stderr.startswith(error)
    assert (found.status, found.stdout) == (0, "1\n")
    assert found.stderr.startswith(f"bwrun: warning: ignoring `.env` line 4: it {what}\nbwrun: hint: put quotes")
    assert "canary" not in named.stderr + found.stderr


@pytest.mark.parametrize(
    ("words", "environment", "error"),
    [
        (["--env-file", "nope"], {}, "cannot read the env file `nope`: No such file or directory [config.env-file]"),
        (
            [],
            {"BWRUN_ENV_FILE": "nope"},
            "cannot read the env file `nope`: No such file or directory [config.env-file]",
        ),
        (["--env-file", "folder"], {}, "cannot read the env file `folder`: Is a directory [config.env-file]"),
        (
            ["--env-file", ".env", "--env-file", ""],
            {},
            "cannot read the env file ``: No such file or directory [config.env-file]",
        ),
    ],
)
def test_named_file_cannot_be_read(
    ready: Surroundings, words: list[str], environment: dict[str, str], error: str
) -> None:
    """An env file that was named must be there, even if the run would not need it."""
    (ready.work / "folder").mkdir()
    write_private(ready.work / ".env", "GOOD=1")

    assert ready.run(*words, "--", "true", env=environment) == Ended(125, "", f"bwrun: error: {error}\n")


@pytest.mark.parametrize("what", ["a directory", "a dangling link", "in the parent directory"])
def test_no_env_file(ready: Surroundings, what: str) -> None:
    """A Python venv called `.env`, a link to nothing or a `.env` in another directory is no env file."""
    below = ready.work / "below"
    below.mkdir()
    if what == "a directory":
        (below / ".env").mkdir()
    elif what == "a dangling link":
        (below / ".env").symlink_to("nowhere")
    else:
        write_private(ready.work / ".env", "FOUND=yes")

    assert ready.run("--", "sh", "-c", "echo ${FOUND-no}", cwd=below) == Ended(0, "no\n", "")


def test_env_file_from_a_pipe(ready: Surroundings, account: Account) -> None:
    """A named env file may be a pipe, so that it never lies on a disk: `--env-file <(gpg -d env.gpg)`."""
    path = ready.work / "pipe"
    os.mkfifo(path, 0o600)
    text = f"BW_CLIENTSECRET={account.client_secret}\nFOUND=yes\n"
    writer = threading.Thread(target=lambda: path.write_text(text), daemon=True)
    writer.start()

    done = ready.run("--env-file", path, "--", "sh", "-c", "echo $FOUND", env={"BW_CLIENTSECRET": None})

    assert done == Ended(0, "yes\n", "")


@pytest.mark.parametrize(
    ("mode", "line", "warns"),
    [
        (0o644, "BW_PASSWORD={}", True),
        (0o640, "BW_PASSWORD={}", True),
        (0o400, "BW_PASSWORD={}", False),
        (0o644, "NOT_SECRET={}", False),
    ],
)
def test_file_that_others_can_read(ready: Surroundings, account: Account, mode: int, line: str, *, warns: bool) -> None:
    """A `.env` with a secret that others can read is a warning, and the run goes on."""
    write_private(ready.work / ".env", line.format(account.master_password)).chmod(mode)
    warning = (
        f"bwrun: warning: `.env` can be read by other users (mode {mode:04o})\nbwrun: hint: run `chmod 600 .env`\n"
        if warns
        else ""
    )

    assert ready.run("--", "true") == Ended(0, "", warning)


# A `.env` in a strange checkout must not send somebody's key to a strange server, nor run a command of its own.


def test_server_beside_the_secret_counts(ready: Surroundings, account: Account, server: BitwardenServer) -> None:
    """The server's address in a `.env` counts when the client secret comes from that file too."""
    write_private(ready.work / ".env", f"BWRUN_SERVER={server.url}", f"BW_CLIENTSECRET={account.client_secret}")

    done = ready.run("--", "true", env={"BWRUN_SERVER": None, "BW_CLIENTSECRET": None})

    assert done == Ended(0, "", "")
    assert "/identity/connect/token" in {request.path for request in server.requests()}


@pytest.mark.parametrize("secret", ["in the environment", "in both", "from a file of the environment's"])
def test_server_without_the_secret_does_not_count(ready: Surroundings, account: Account, secret: str) -> None:
    """A `.env` cannot name the server for a client secret that comes from elsewhere, and a warning says so."""
    given = [f"BW_CLIENTSECRET={account.client_secret}"] if secret == "in both" else []
    write_private(ready.work / ".env", f"BWRUN_API_URL={NOWHERE}", f"BWRUN_IDENTITY_URL={NOWHERE}", *given)
    changes: dict[str, str | None] = {}
    if secret.startswith("from a file"):
        write_private(ready.work / "secret", account.client_secret)
        changes = {"BW_CLIENTSECRET": None, "BW_CLIENTSECRET_FILE": "secret"}

    done = ready.run("--", "true", env=changes)

    assert done == Ended(0, "", mistrusted("BWRUN_API_URL", "BWRUN_IDENTITY_URL", hint=SERVER_HINT))


def test_server_in_a_named_file_counts(ready: Surroundings) -> None:
    """A file named with --env-file is trusted: the server's address in it counts."""
    write_private(ready.work / ".env", f"BWRUN_API_URL={NOWHERE}", f"BWRUN_IDENTITY_URL={NOWHERE}")

    done = ready.run("--env-file", ".env", "--", "true")

    assert (done.status, done.stdout) == (125, "")
    assert NOWHERE in done.stderr
    assert "warning" not in done.stderr


POWERS = (
    "BWRUN_PASSWORD_COMMAND=touch executed; cat pw",
    "BWRUN_DEVICE_ID=11111111-2222-4333-8444-555555555555",
    "BW_CLIENTSECRET_FILE=secret",
    "BWRUN_VERBOSE=0",
)
WEAK_POWERS = (
    "BW_PASSWORD_FILE=pw",
    "BWRUN_PASSWORD_FILE=pw",
    "BWRUN_CA_FILE=nope",
    "BWRUN_PASS=BW_CLIENTID",
    "BWRUN_X=1",
)


def write_powers(work: Path, account: Account, *lines: str) -> None:
    """Write a `.env` with settings beyond what one that was only found may set, and what they lead to."""
    write_private(work / "pw", account.master_password)
    write_private(work / "secret", account.client_secret)
    write_private(work / ".env", *lines)


def test_found_file_has_no_powers(ready: Surroundings, account: Account, server: BitwardenServer) -> None:
    """A `.env` that was only found runs no command and changes no other setting; each that it tries is a warning."""
    write_powers(ready.work, account, *POWERS, *WEAK_POWERS)
    names = [line.partition("=")[0] for line in POWERS + WEAK_POWERS]

    done = ready.run("--", "sh", "-c", "echo ${BW_CLIENTID-}")

    unknown = "bwrun: warning: BWRUN_X in `.env` line 9 is not a setting of bwrun\n"
    hint = "bwrun: hint: run `bwrun --help` to see the settings\n"
    assert done == Ended(0, "\n", mistrusted(*names[:-1], hint=NAME_HINT) + unknown + hint)
    assert not (ready.work / "executed").exists()
    assert POWERS[1].partition("=")[2] not in {r.form.get("deviceIdentifier") for r in server.requests()}


def test_found_file_gives_no_paths(ready: Surroundings, account: Account, server: BitwardenServer) -> None:
    """With nothing set elsewhere, a `.env` that was only found still leads to no file and no command."""
    write_powers(ready.work, account, *POWERS)

    done = ready.run("--", "true", env={"BW_CLIENTSECRET": None, "BW_PASSWORD": None})

    assert (done.status, done.codes) == (125, ["credentials.missing"])
    assert "BW_CLIENTSECRET and BW_PASSWORD are not set" in done.stderr
    assert not (ready.work / "executed").exists()
    assert server.requests() == []


def test_named_file_has_all_powers(ready: Surroundings, account: Account, server: BitwardenServer) -> None:
    """A file named with --env-file may set everything, a password command included."""
    write_powers(ready.work, account, *POWERS)

    done = ready.run("--env-file=.env", "--", "true", env={"BW_CLIENTSECRET": None, "BW_PASSWORD": None})

    assert done == Ended(0, "", "")
    assert (ready.work / "executed").exists()
    assert POWERS[1].partition("=")[2] in {r.form.get("deviceIdentifier") for r in server.requests()}


def test_runtime_directory_is_not_an_env_files(ready: Surroundings, tmp_path: Path) -> None:
    """Where sessions lie is settled before any env file is read: one that tries is told so, once."""
    write_private(ready.work / ".env", f"BWRUN_RUNTIME_DIR={tmp_path}")

    done = ready.run("--", "sh", "-c", 'dirname "$BITWARDENCLI_APPDATA_DIR"')

    assert done == Ended(
        0,
        f"{ready.runtime}\n",
        "bwrun: warning: ignoring BWRUN_RUNTIME_DIR in `.env`: an env file cannot set it\n"
        "bwrun: hint: set it in the environment\n",
    )
