"""BWRUN_USER_KEY: where it comes from, which place wins, what is malformed, and who never sees it."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.needs import program
from tests.support.program import Ended, Surroundings
from tests.support.user_keys import PREFIX, text_of, text_of_bytes

AGAIN = "print it again: `bwrun --print-user-key`"
BOTH = "both the master password and the user key, of which one is enough, are set"


@pytest.fixture
def keyed(ready: Surroundings) -> Surroundings:
    """Give surroundings in which only the user key is missing, for which nobody can be asked."""
    del ready.environment["BW_PASSWORD"]
    return ready


# Where it comes from.


@pytest.mark.parametrize("place", ["environment", "file", ".env", "env file", "file of an env file"])
def test_places(keyed: Surroundings, account: Account, place: str) -> None:
    """It may be in the environment, in an env file, in one that was found, or in a file of its own."""
    text = text_of(account)
    write_private(keyed.work / "key", f" {text}\t", newline="\r\n")
    lines = {".env": f"BWRUN_USER_KEY={text}", "file of an env file": "BWRUN_USER_KEY_FILE=key"}
    write_private(
        keyed.work / (".env" if place == ".env" else "settings"), lines.get(place, f"BWRUN_USER_KEY='{text}'")
    )
    words = ["--env-file", "settings"] if "env file" in place else []
    variables = {"environment": {"BWRUN_USER_KEY": text}, "file": {"BWRUN_USER_KEY_FILE": "key"}}.get(place, {})

    done = keyed.run(*words, "-e", "A=bw://prod-db", "--", "sh", "-c", 'printf "$A"', env=variables)

    assert done == Ended(0, "p4ss", "")


def test_the_file_is_not_for_a_found_file(keyed: Surroundings, account: Account) -> None:
    """A `.env` that bwrun found may hold the key and not name a file, as it is with the master password."""
    write_private(keyed.work / "key", text_of(account))
    write_private(keyed.work / ".env", "BWRUN_USER_KEY_FILE=key")

    done = keyed.run("--", "true")

    assert done.codes == ["credentials.missing"]
    assert done.stderr.startswith("bwrun: warning: ignoring BWRUN_USER_KEY_FILE in `.env`")


def test_who_wins(keyed: Surroundings, account: Account) -> None:
    """The environment wins over an env file, a later file over an earlier one, whichever of the two they hold."""
    text, wrong = text_of(account), text_of_bytes(bytes(64))
    write_private(keyed.work / "password", account.master_password)
    write_private(keyed.work / "wrong", "BW_PASSWORD=wrong")
    write_private(keyed.work / "right", f"BWRUN_USER_KEY={text}")
    write_private(keyed.work / "wrong key", f"BWRUN_USER_KEY={wrong}")

    runs = [
        keyed.run("--env-file", "wrong", "--", "true", env={"BWRUN_USER_KEY": text}),
        keyed.run("--env-file", "wrong key", "--", "true", env={"BW_PASSWORD": account.master_password}),
        keyed.run("--env-file", "wrong", "--env-file", "right", "--", "true"),
        keyed.run("--password-file", "password", "--", "true", env={"BWRUN_USER_KEY": wrong}),
    ]

    assert runs == [Ended(0, "", "")] * 4


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["BW_PASSWORD", "BWRUN_USER_KEY"], f"{BOTH} in the environment: BW_PASSWORD, BWRUN_USER_KEY"),
        (
            ["BWRUN_PASSWORD_FILE", "BWRUN_USER_KEY_FILE"],
            f"{BOTH} in the environment: BWRUN_PASSWORD_FILE, BWRUN_USER_KEY_FILE",
        ),
        (
            ["BWRUN_USER_KEY", "BWRUN_USER_KEY_FILE"],
            "the user key is set more than once in the environment: BWRUN_USER_KEY, BWRUN_USER_KEY_FILE",
        ),
    ],
)
def test_set_twice(
    keyed: Surroundings, server: BitwardenServer, account: Account, names: list[str], error: str
) -> None:
    """Two of them in one place are an error, because it is not clear which one is meant."""
    done = keyed.run("--", "true", env={name: text_of(account) for name in names})

    assert done == Ended(
        125, "", f"bwrun: error: {error} [credentials.conflict]\nbwrun: hint: remove all but one of them\n"
    )
    assert server.requests() == []


# What is malformed.

V2 = (
    bytes.fromhex("a5010402500123456789abcdef0123456789abcdef033a00011179048403040506205820") + bytes(range(32)) + b"\1"
)
WHOLE = "is not whole, or was changed"
MALFORMED = {
    "a password": ("correct horse canary", f"does not begin with `{PREFIX}`"),
    "bare base64": (base64.b64encode(bytes(64)).decode(), f"does not begin with `{PREFIX}`"),
    "only the prefix": (PREFIX, WHOLE),
    "cut": (text_of_bytes(bytes(64))[:-1], WHOLE),
    "cut by bytes": (text_of_bytes(bytes(63)), WHOLE),
    "a character more": (text_of_bytes(bytes(64)) + "A", WHOLE),
    "padded": (text_of_bytes(bytes(64)) + "==", WHOLE),
    "a space within": (PREFIX + " " + text_of_bytes(bytes(64)).removeprefix(PREFIX), WHOLE),
    "of the other alphabet": (PREFIX + "/" * 85 + "w", WHOLE),
    "bits at the end": (PREFIX + "A" * 85 + "B", WHOLE),
    "not ASCII": (PREFIX + "ä" * 86, WHOLE),
    "master key": (text_of_bytes(bytes(32)), WHOLE),
    "V2, cut": (text_of_bytes(V2[:-2]), WHOLE),
    "V2, no key": (text_of_bytes(bytes(70)), WHOLE),
    "V2, of an unknown algorithm": (text_of_bytes(V2.replace(bytes.fromhex("3a00011179"), b"\x3a\0\1\1\1")), WHOLE),
    "V2, without its padding": (text_of_bytes(V2[:-1]), WHOLE),
    "large": (text_of_bytes(bytes(2000)), WHOLE),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(keyed: Surroundings, server: BitwardenServer, case: str) -> None:
    """A text that is no user key is refused before any request, and not quoted."""
    text, why = MALFORMED[case]

    done = keyed.run("-v", "--", "touch", "started", env={"BWRUN_USER_KEY": text})

    assert (done.status, done.codes, done.stdout) == (125, ["credentials.malformed-user-key"], "")
    assert f"bwrun: error: the user key from the environment {why} [" in done.stderr
    assert text.removeprefix(PREFIX)[:12] not in done.stderr.replace(f"`{PREFIX}`", "") or case == "only the prefix"
    assert "--print-user-key" in done.stderr
    assert server.requests() == []
    assert not (keyed.work / "started").exists()


def test_the_examples_are_well_formed(keyed: Surroundings) -> None:
    """What the malformed texts are made of is read, and then does not fit: the tests above do not pass by luck."""
    for whole in (bytes(64), V2):
        assert keyed.run("--", "true", env={"BWRUN_USER_KEY": text_of_bytes(whole)}).codes == ["crypto.wrong-user-key"]


def test_quoted_and_empty(keyed: Surroundings, account: Account) -> None:
    """Quotes around it are an error of their own, as with the API key; a file with nothing in it is empty."""
    write_private(keyed.work / "blank", "  ")

    quoted = keyed.run("--", "true", env={"BWRUN_USER_KEY": f'"{text_of(account)}"'})
    empty = keyed.run("--", "true", env={"BWRUN_USER_KEY_FILE": "blank"})

    assert (quoted.codes, empty.codes) == (["credentials.quoted"], ["credentials.empty"])
    assert "the value of BWRUN_USER_KEY from the environment begins or ends with a quote" in quoted.stderr
    assert "the user key from `blank` is empty" in empty.stderr


def test_in_the_place_of_the_password(keyed: Surroundings, account: Account) -> None:
    """Who sets the user key as BW_PASSWORD is told so."""
    done = keyed.run("--", "true", env={"BW_PASSWORD": text_of(account)})

    assert done.codes == ["crypto.wrong-master-password"]
    assert "bwrun: hint: it is a user key: set BWRUN_USER_KEY to it\n" in done.stderr
    assert text_of(account) not in done.stderr


# It is a secret.


@pytest.mark.parametrize("way", ["BWRUN_USER_KEY", "BWRUN_USER_KEY_FILE"])
def test_the_command_does_not_get_it(keyed: Surroundings, account: Account, way: str) -> None:
    """The command gets neither the key nor the name of its file, from no place, unless --pass names the variable."""
    text = text_of(account)
    write_private(keyed.work / "key", text)
    value = text if way == "BWRUN_USER_KEY" else "key"
    write_private(keyed.work / "settings", f"{way}={value}")
    words = ["--env-file", "settings", "--", "env"]

    plain = [keyed.run("-v", *words), keyed.run("-v", "--", "env", env={way: value})]
    passed = [keyed.run("--pass", way, *words), keyed.run("--pass", way, "--", "env", env={way: value})]

    assert [done.status for done in plain + passed] == [0] * 4
    assert [
        name for done in plain for name in (way, text) if name in done.stdout + done.stderr.replace(f"{way} ", "")
    ] == []
    assert [f"{way}={value}\n" in done.stdout for done in passed] == [True, True]


def test_the_password_command_does_not_get_it(keyed: Surroundings, account: Account) -> None:
    """A password command, which wins over it, does not see it."""
    write_private(keyed.work / "password", account.master_password)
    command = "env >seen; cat password"

    done = keyed.run("--password-command", command, "--", "true", env={"BWRUN_USER_KEY": text_of(account)})

    assert done == Ended(0, "", "")
    assert "BWRUN_" not in (keyed.work / "seen").read_text()


def test_it_is_not_on_disk(keyed: Surroundings, account: Account) -> None:
    """No file of the session holds it, in no form; nor does the environment of bwrun's other processes."""
    key = bytes.fromhex(account.user_key_hex)
    script = 'cat "$BITWARDENCLI_APPDATA_DIR"/*; ps -eo pid,ppid >"$0"; cat /proc/$PPID/environ | tr "\\0" "\\n"'

    done = keyed.run("--", "sh", "-c", script, "ps", env={"BWRUN_USER_KEY": text_of(account)})

    assert done.status == 0
    assert account.user_id in done.stdout  # it is the right place to look
    forms = (text_of(account), account.user_key_hex, base64.b64encode(key).decode()[:-4])
    assert [form for form in forms if form in done.stdout] == []


def test_where_it_is_from(keyed: Surroundings, account: Account) -> None:
    """-v and --check name the place of the key, as they do with the password."""
    write_private(keyed.work / ".env", "", f"BWRUN_USER_KEY={text_of(account)}")
    places = "client_id from the environment, client_secret from the environment, user key from `.env` line 2"

    verbose = keyed.run("-v", "--no-session", "-e", "A=bw://prod-db", "--", "true")
    check = keyed.run("--check")
    as_json = keyed.run("--check", "--json")

    assert f"  credentials: {places}\n" in verbose.stderr
    assert "  unlocked the vault with the user key from `.env` line 2\n" in verbose.stderr
    assert f"credentials  {places}\n" in check.stdout
    assert '"master_password": null,' in as_json.stdout
    assert '"user_key": "`.env` line 2"' in as_json.stdout
    printed = "".join(done.stdout + done.stderr for done in (verbose, check, as_json))
    assert text_of(account).removeprefix(PREFIX) not in printed


# Warnings.


def test_readable_by_others(keyed: Surroundings, account: Account) -> None:
    """A file with the key that other users can read is warned of: one of its own, or an env file."""
    for name, line in (("key", text_of(account)), ("settings", f"BWRUN_USER_KEY={text_of(account)}")):
        write_private(keyed.work / name, line).chmod(0o644)

    own = keyed.run("--", "true", env={"BWRUN_USER_KEY_FILE": "key"})
    env_file = keyed.run("--env-file", "settings", "--", "true")

    for done, name in ((own, "key"), (env_file, "settings")):
        assert done.status == 0
        assert done.stderr == (
            f"bwrun: warning: `{name}` can be read by other users (mode 0644)\nbwrun: hint: run `chmod 600 {name}`\n"
        )


def test_tracked_by_git(keyed: Surroundings, account: Account) -> None:
    """A `.env` with the key that git tracks is warned of."""
    write_private(keyed.work / ".env", f"BWRUN_USER_KEY={text_of(account)}")
    git = program("git", "git is not installed")
    for words in (("init", "-q"), ("add", ".env")):
        subprocess.run([git, *words], check=True, cwd=keyed.work, env={"PATH": os.environ["PATH"]})

    done = keyed.run("--", "true")

    assert (done.status, "`.env` contains a secret, and git tracks it" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("BWRUN_USERKEY", "BWRUN_USER_KEY"),
        ("BWRUN_USER_KEYFILE", "BWRUN_USER_KEY_FILE"),
        ("BW_USER_KEY", "BWRUN_USER_KEY"),
        ("BW_USER_KEY_FILE", "BWRUN_USER_KEY_FILE"),
    ],
)
def test_misspelled(keyed: Surroundings, account: Account, wrong: str, meant: str) -> None:
    """A name that is probably meant to be one of the two is warned of."""
    done = keyed.run("--", "true", env={wrong: text_of(account)})

    assert f"{wrong} in the environment is not a setting of bwrun\nbwrun: hint: did you mean {meant}?" in done.stderr
    assert done.codes == ["credentials.missing"]


def test_no_warning_of_the_right_names(keyed: Surroundings, account: Account, tmp_path: Path) -> None:
    """The two names are known."""
    path = write_private(tmp_path / "key", text_of(account))

    assert keyed.run("--", "true", env={"BWRUN_USER_KEY_FILE": str(path)}) == Ended(0, "", "")
