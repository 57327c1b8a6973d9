"""Where the API key and the master password come from, which place wins, and what is said when one is not usable."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.terminal import TIMEOUT, wait_until

KEY_HINT = "find the personal API key in the web vault: Settings → Security → Keys → View API key"
TWICE = "the master password is set more than once"
CREDENTIALS = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
NONE: dict[str, str | None] = dict.fromkeys(CREDENTIALS)
STRANGER = "user.00000000-0000-4000-8000-000000000000"
Sources = tuple[list[str], Mapping[str, str | None]]


@pytest.fixture(scope="session")
def difficult(server: BitwardenServer) -> Account:
    """Make an account whose master password only arrives whole if nobody strips, splits or expands it."""
    password = "  two  \\n spaces ü # $HOME \"quoted\" 'twice' `x` "
    return server.add_account(AccountSpec("difficult@example.com", password, kdf=CHEAP))


@pytest.fixture
def keyed(ready: Surroundings, difficult: Account) -> Surroundings:
    """Give surroundings in which only the master password of the difficult account is missing."""
    del ready.environment["BW_PASSWORD"]
    ready.environment |= {"BW_CLIENTID": difficult.client_id, "BW_CLIENTSECRET": difficult.client_secret}
    return ready


@contextmanager
def piped(text: str) -> Iterator[int]:
    """Give a descriptor that `text` can be read from, once."""
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    yield reader
    os.close(reader)


def runs(pid: int) -> bool:
    """Return whether a process lives: one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# Where the master password comes from.


@pytest.mark.parametrize("newline", ["", "\n", "\r\n"])
def test_password_file(keyed: Surroundings, difficult: Account, newline: str) -> None:
    """Of a file all is the password but one newline at its end, be it of Unix or of Windows."""
    write_private(keyed.work / "pw", difficult.master_password, newline=newline)

    assert keyed.run("--password-file", "pw", "--", "true") == Ended(0, "", "")


@pytest.mark.parametrize(
    "environment",
    [
        {"BW_PASSWORD_FILE": "pw"},
        {"BWRUN_PASSWORD_FILE": "pw"},
        {"BWRUN_PASSWORD_COMMAND": "cat pw"},
        {"BWRUN_PASSWORD_FD": "0"},
    ],
    ids=str,
)
def test_password_by_a_variable(keyed: Surroundings, difficult: Account, environment: dict[str, str]) -> None:
    """Each way to the password is a variable too, and the password arrives byte by byte."""
    write_private(keyed.work / "pw", difficult.master_password)

    done = keyed.run("--", "cat", env=environment, stdin=difficult.master_password + "\n")

    at_the_end = "" if "BWRUN_PASSWORD_FD" in environment else difficult.master_password + "\n"
    assert done == Ended(0, at_the_end, "")


def test_password_in_the_environment(keyed: Surroundings, difficult: Account) -> None:
    """BW_PASSWORD is taken as it is, white space at its ends included."""
    assert keyed.run("--", "true", env={"BW_PASSWORD": difficult.master_password}) == Ended(0, "", "")


def test_password_from_a_descriptor(keyed: Surroundings, difficult: Account) -> None:
    """--password-fd reads a descriptor of the caller's, which the command then does not get."""
    with piped(difficult.master_password + "\n") as number:
        done = keyed.run(
            "--password-fd", str(number), "--", "sh", "-c", f"test ! -e /dev/fd/{number}", pass_fds=[number]
        )

    assert done == Ended(0, "", "")


def test_password_from_a_command(keyed: Surroundings, difficult: Account) -> None:
    """--password-command is a shell line that gets no stdin of the command's, no credential, and leaves no zombie."""
    write_private(keyed.work / "pw", difficult.master_password)
    look = "import os\ntry: os.waitpid(-1, 0)\nexcept ChildProcessError: print('no child', input())"
    environment = {"BWRUN_TIMEOUT": "50", "BW_CLIENTID_FILE": "", "KEPT": "yes"}

    done = keyed.run(
        *("--password-command", "env >seen; cat >>seen; echo said >&2; cat pw | cat", "--", "python3", "-c", look),
        env=environment,
        stdin="for the command\n",
    )

    assert done == Ended(0, "no child for the command\n", "said\n")
    seen = (keyed.work / "seen").read_text().splitlines()
    assert "KEPT=yes" in seen
    assert [line for line in seen if line.startswith(("BW_", "BWRUN_", "for the"))] == []


def test_password_command_takes_its_time(keyed: Surroundings, difficult: Account) -> None:
    """The time limit is for bwrun's own work: what a password command takes does not count."""
    write_private(keyed.work / "pw", difficult.master_password)

    assert keyed.run("--timeout=6", "--password-command=sleep 6.1; cat pw", "--", "true") == Ended(0, "", "")


@pytest.mark.linux("death with the parent")
def test_password_command_ends_with_bwrun(keyed: Surroundings) -> None:
    """A signal that ends bwrun ends the password command it waits for, and nothing is left."""
    pid_file = keyed.work / "pid"
    process = subprocess.Popen(
        [BWRUN, "--password-command", "echo $$ >new; mv new pid; exec sleep 100", "--", "true"],
        env=keyed.environment,
        cwd=keyed.work,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(pid_file.exists)
        process.terminate()

        assert process.wait(TIMEOUT) == -signal.SIGTERM
        wait_until(lambda: not runs(int(pid_file.read_text())))
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("echo canary; exit 3", "ended with status 3"),
        ("echo canary; kill -9 $$", "ended with signal 9"),
        ("echo", "printed nothing"),
        ("yes canary | head -c 70000", "printed more than 64 KiB"),
    ],
)
def test_password_command_fails(keyed: Surroundings, server: BitwardenServer, command: str, why: str) -> None:
    """A password command that fails or prints no password is an error that does not show what it printed."""
    done = keyed.run("--password-command", command, "--", "true")
    first = done.stderr.splitlines()[0]

    assert (done.status, done.stdout) == (125, "")
    assert first == f"bwrun: error: the password command {why} [credentials.password-command]"
    assert "canary" not in done.stderr
    assert server.requests() == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--password-file", "nope"],
            "cannot read the file that `--password-file` names: No such file or directory [~.unreadable]",
        ),
        (["--password-file", "."], "cannot read `.` (from `--password-file`): Is a directory [~.unreadable]"),
        (["--password-file", "empty"], "`empty` (from `--password-file`) is empty [~.empty]"),
        (
            ["--password-file", "large"],
            "`large` (from `--password-file`) contains more than 64 KiB [~.too-large]",
        ),
        (["--password-fd", "0"], "descriptor 0 (from `--password-fd`) is empty [~.empty]"),
        (["--password-fd", "9"], "cannot read descriptor 9 (from `--password-fd`): Bad file descriptor [~.unreadable]"),
        (["--password-fd", "-1"], "`--password-fd` needs the number of an open descriptor [~.bad-fd]"),
        (["--password-fd", "٣"], "`--password-fd` needs the number of an open descriptor [~.bad-fd]"),
    ],
)  # fmt: skip
def test_password_cannot_be_read(keyed: Surroundings, server: BitwardenServer, words: list[str], error: str) -> None:
    """A file or descriptor that gives no password is named, and no request is sent."""
    (keyed.work / "empty").write_bytes(b"\n")
    (keyed.work / "large").write_bytes(b"canary" * 20_000)

    done = keyed.run(*words, "--", "true")

    assert (done.status, done.stdout) == (125, "")
    assert done.stderr.splitlines()[0] == "bwrun: error: " + error.replace("~", "credentials")
    assert "canary" not in done.stderr
    assert server.requests() == []


@pytest.mark.parametrize("number", ["3", "4", "5"])
def test_descriptors_of_bwruns_own(keyed: Surroundings, number: str) -> None:
    """A descriptor that the caller does not have is not open, even where bwrun itself uses that number."""
    done = keyed.run("--password-fd", number, "--", "true")

    assert (done.status, done.codes) == (125, ["credentials.unreadable"])


# Where the API key comes from.


@pytest.mark.parametrize("place", [".env", "--env-file", "BWRUN_ENV_FILE", "NAME_FILE", "NAME_FILE in --env-file"])
def test_all_three_from_files(ready: Surroundings, account: Account, server: BitwardenServer, place: str) -> None:
    """The three credentials may all come from an env file, or each from a file of its own."""
    given = {name: ready.environment[name] for name in CREDENTIALS}
    if "NAME_FILE" in place:
        given = {f"{name}_FILE": str(write_private(ready.work / name, value)) for name, value in given.items()}
    write_private(ready.work / (".env" if place == ".env" else "settings"), *(f"{n}='{v}'" for n, v in given.items()))
    words = ["--env-file", "settings"] if place.endswith("--env-file") else []
    variables = {"BWRUN_ENV_FILE": {"BWRUN_ENV_FILE": "settings"}, "NAME_FILE": given}.get(place, {})

    assert ready.run(*words, "--", "true", env={**NONE, **variables}) == Ended(0, "", "")
    logins = [request.form for request in server.requests() if request.path.endswith("/connect/token")]
    assert [(form["client_id"], form["client_secret"]) for form in logins] == [
        (account.client_id, account.client_secret)
    ]


# Who wins.  In each case the loser's values are wrong ones.


def environment_over_file(work: Path, account: Account) -> Sources:
    """The environment wins over an env file, and an empty variable counts as not set."""
    write_private(work / ".env", f"BW_CLIENTID={STRANGER}", f"BW_CLIENTSECRET={account.client_secret}", "BW_PASSWORD=x")
    return [], {"BW_CLIENTSECRET": ""}


def later_file_over_earlier(work: Path, account: Account) -> Sources:
    """The later of two --env-file wins, also where only the earlier has the password directly."""
    write_private(work / "pw", account.master_password)
    write_private(work / "one", f"BW_CLIENTID={STRANGER}", "BW_CLIENTSECRET=wrong", "BW_PASSWORD=wrong")
    write_private(work / "two", f"BW_CLIENTID={account.client_id}", f"BW_CLIENTSECRET={account.client_secret}",
                  "BW_PASSWORD_FILE=pw")  # fmt: skip
    return ["--env-file", "one", "--env-file=two"], NONE


def named_file_instead_of_automatic(work: Path, account: Account) -> Sources:
    """An env file that is named replaces `.env` and BWRUN_ENV_FILE, even ones that cannot be parsed."""
    write_private(work / ".env", "BW_PASSWORD='unfinished")
    write_private(work / "named", f"BW_PASSWORD={account.master_password}")
    return ["--env-file", "named"], {"BWRUN_ENV_FILE": ".env", "BW_PASSWORD": None}


def option_over_environment(work: Path, account: Account) -> Sources:
    """An option wins over the environment, two ways to the password in it included."""
    write_private(work / "pw", account.master_password)
    return ["--password-file", "pw"], {"BW_PASSWORD": "wrong", "BWRUN_PASSWORD_COMMAND": "touch ran"}


def path_in_environment_over_file(work: Path, account: Account) -> Sources:
    """NAME_FILE in the environment wins over NAME in an env file."""
    write_private(work / "secret", account.client_secret)
    write_private(work / ".env", "BW_CLIENTSECRET=wrong")
    return [], {"BW_CLIENTSECRET": None, "BW_CLIENTSECRET_FILE": "secret"}


@pytest.mark.parametrize(
    "prepare",
    [
        environment_over_file,
        later_file_over_earlier,
        named_file_instead_of_automatic,
        option_over_environment,
        path_in_environment_over_file,
    ],
)
def test_who_wins(ready: Surroundings, account: Account, prepare: Callable[[Path, Account], Sources]) -> None:
    """An option wins over the environment, that over env files, a later file over an earlier one."""
    words, environment = prepare(ready.work, account)

    assert ready.run(*words, "--", "true", env=environment) == Ended(0, "", "")
    assert not (ready.work / "ran").exists()


# What cannot be used.


@pytest.mark.parametrize(
    ("words", "environment", "error"),
    [
        (
            ["--password-file=x", "--password-fd=0"], {},
            "`--password-file` and `--password-fd` cannot be used together [usage.conflict]",
        ),
        (
            [], {"BW_PASSWORD_FILE": "x"},
            f"{TWICE} in the environment: BW_PASSWORD, BW_PASSWORD_FILE [~.conflict]",
        ),
        (
            [], {"BW_PASSWORD": None, "BWRUN_PASSWORD_COMMAND": "touch ran", "BWRUN_PASSWORD_FD": "0"},
            f"{TWICE} in the environment: BWRUN_PASSWORD_FD, BWRUN_PASSWORD_COMMAND [~.conflict]",
        ),
        (
            [], {"BW_CLIENTSECRET_FILE": "x"},
            "both BW_CLIENTSECRET and BW_CLIENTSECRET_FILE are set in the environment [~.conflict]",
        ),
        (
            ["--env-file", "both"], NONE,
            "both BW_CLIENTID and BW_CLIENTID_FILE are set in `both` [~.conflict]",
        ),
        (
            [], {"BW_CLIENTID": "organization.00000000-0000-4000-8000-000000000000"},
            "the client id from the environment belongs to an organization's API key [~.organization-key]",
        ),
        (
            [], {"BW_CLIENTID": "ada@example.com"},
            "the client id from the environment does not have the form `user.UUID` [~.malformed-client-id]",
        ),
        (
            ["--env-file", "short"], {"BW_CLIENTID": None},
            "the client id from `short` line 2 does not have the form `user.UUID` [~.malformed-client-id]",
        ),
        (
            [], {"BW_CLIENTID": f'"{STRANGER}"'},
            "the value of BW_CLIENTID from the environment begins or ends with a quote [~.quoted]",
        ),
        (
            [], {"BW_CLIENTSECRET": "'canary'"},
            "the value of BW_CLIENTSECRET from the environment begins or ends with a quote [~.quoted]",
        ),
        (
            [], {"BW_CLIENTSECRET": " \t"},
            "the client secret from the environment is empty [~.empty]",
        ),
        (
            [], {"BW_CLIENTID": None, "BW_CLIENTID_FILE": "nope"},
            "cannot read the file that BW_CLIENTID_FILE names: No such file or directory [~.unreadable]",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used(
    ready: Surroundings, server: BitwardenServer, words: list[str], environment: dict[str, str | None], error: str
) -> None:
    """A credential that cannot be right is an error that names its place, never its value, before any request."""
    write_private(ready.work / "both", f"BW_CLIENTID={STRANGER}", "BW_CLIENTID_FILE=x")
    write_private(ready.work / "short", "", "BW_CLIENTID=user.canary")

    done = ready.run(*words, "--", "true", env=environment)

    assert (done.status, done.stdout) == (125, "")
    assert done.stderr.splitlines()[0] == "bwrun: error: " + error.replace("~", "credentials")
    assert "canary" not in done.stderr
    assert not (ready.work / "ran").exists()
    assert server.requests() == []


def test_hint_for_an_organizations_key(ready: Surroundings) -> None:
    """Who has an organization's key is told where the personal one is found."""
    done = ready.run("--", "true", env={"BW_CLIENTID": "organization.00000000-0000-4000-8000-000000000000"})

    assert done.stderr.splitlines()[1:] == [
        f"bwrun: hint: use a personal API key, whose client id begins with `user.`; {KEY_HINT}"
    ]


def test_everything_missing_is_one_error(ready: Surroundings, server: BitwardenServer) -> None:
    """Without a terminal all that is missing is named at once."""
    done = ready.run("--", "true", env=NONE)

    assert done == Ended(
        125,
        "",
        "bwrun: error: BW_CLIENTID, BW_CLIENTSECRET and BW_PASSWORD are not set, and there is no terminal to ask"
        " for them [credentials.missing]\n"
        "bwrun: hint: bwrun looked in the environment; there is no `.env` in the working directory"
        " or above it in its git repository\n"
        "bwrun: hint: set them in the environment or in `.env`, or set NAME_FILE to the path of a file"
        " that contains the value\n"
        "bwrun: hint: or run `bwrun --login` on a terminal, once: it keeps them for all later runs\n"
        f"bwrun: hint: {KEY_HINT}\n"
        "bwrun: hint: set the master password too: an API key alone cannot unlock a vault\n"
        "bwrun: hint: if your organization runs a Key Connector, set `--key-connector-url` instead\n",
    )
    assert server.requests() == []


def test_only_the_password_is_missing(ready: Surroundings) -> None:
    """Who has set the API key alone is told what the master password is for, and nothing of the key."""
    done = ready.run("--", "true", env={"BW_PASSWORD": None})

    assert done == Ended(
        125,
        "",
        "bwrun: error: BW_PASSWORD is not set, and there is no terminal to ask for it [credentials.missing]\n"
        "bwrun: hint: bwrun looked in the environment; there is no `.env` in the working directory"
        " or above it in its git repository\n"
        "bwrun: hint: set it in the environment or in `.env`, or set NAME_FILE to the path of a file"
        " that contains the value\n"
        "bwrun: hint: or run `bwrun --login` on a terminal, once: it keeps it for all later runs\n"
        "bwrun: hint: set the master password too: an API key alone cannot unlock a vault\n"
        "bwrun: hint: if your organization runs a Key Connector, set `--key-connector-url` instead\n",
    )


# What the server does not accept.


@pytest.mark.parametrize("halves", ["two places", "one place"])
def test_key_of_two_halves(ready: Surroundings, account: Account, server: BitwardenServer, halves: str) -> None:
    """When a key is not accepted and its halves came from two places, a hint says which."""
    write_private(ready.work / ".env", "", f"BW_CLIENTID={account.client_id}", "BW_CLIENTSECRET=canary")
    taken = dict(NONE) if halves == "one place" else {"BW_CLIENTSECRET": None}

    done = ready.run("--", "true", env={**taken, "BW_PASSWORD": account.master_password})

    places = "client_id is from the environment, client_secret from `.env` line 3"
    one_place = "client_id is from `.env` line 2, client_secret from `.env` line 3"
    both = f"check that both halves belong to one key: {places}" if halves == "two places" else one_place
    assert done.status == 125
    assert done.stderr.splitlines() == [
        f"bwrun: error: {server.url} does not accept this API key (400 invalid_client) [auth.invalid-api-key]",
        f"bwrun: hint: {both}",
        f"bwrun: hint: copy the key again if it was rotated; {KEY_HINT}",
    ]


@pytest.mark.parametrize(
    ("password", "hint"),
    [
        ("\udcff\udcfe canary", None),  # no UTF-8
        ("'canary'", "it is in quotes: remove them if they do not belong to it"),
        ("canary\n", "it begins or ends with white space: remove that if it does not belong to it"),
    ],
)
def test_wrong_master_password(ready: Surroundings, password: str, hint: str | None) -> None:
    """A master password that does not fit is called wrong, with its place and what is odd about it."""
    done = ready.run("--", "true", env={"BW_PASSWORD": password})

    assert (done.status, done.stdout) == (125, "")
    assert done.stderr.splitlines() == [
        "bwrun: error: wrong master password [crypto.wrong-master-password]",
        "bwrun: hint: check the master password from the environment",
        *([] if hint is None else [f"bwrun: hint: {hint}"]),
    ]
