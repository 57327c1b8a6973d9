"""Later runs take what they lack from what `bwrun --login` keeps, and never mix it with another account or server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec
from tests.support.files import write_private
from tests.support.kept import FILE, YES, change_kept, log_in, without_credentials, write_kept
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.terminal import Terminal

STRANGER = "user.00000000-0000-4000-8000-000000000000"
ELSEWHERE = "https://vault.example.com"
NOT_USED = "bwrun: hint: the credentials that `bwrun --login` keeps are not used: "


@pytest.fixture
def kept(ready: Surroundings, server: BitwardenServer, account: Account) -> Surroundings:
    """Give surroundings in which nothing is set, and the file has all."""
    write_kept(ready.home, account, server=server.url)
    return without_credentials(ready)


def hint_of(done: Ended) -> str:
    """Return the hint that says why nothing of what is kept is used."""
    return next((line.removeprefix(NOT_USED) for line in done.stderr.splitlines() if line.startswith(NOT_USED)), "")


# What may be set elsewhere.


@pytest.mark.parametrize(
    "names", [("BW_CLIENTID",), ("BW_PASSWORD",), ("BWRUN_SERVER",), ("BW_CLIENTID", "BW_CLIENTSECRET", "BWRUN_SERVER")]
)
def test_the_rest_is_taken(
    kept: Surroundings, server: BitwardenServer, account: Account, names: tuple[str, ...]
) -> None:
    """Each of the three is taken separately, if what is set elsewhere is of the same account and server."""
    values = {
        "BW_CLIENTID": account.client_id,
        "BW_CLIENTSECRET": account.client_secret,
        "BW_PASSWORD": account.master_password,
        "BWRUN_SERVER": server.url,
    }

    assert kept.run("--", "true", env={name: values[name] for name in names}) == Ended(0, "", "")


def test_elsewhere_wins(kept: Surroundings) -> None:
    """What is set elsewhere wins over what is kept."""
    done = kept.run("--", "true", env={"BW_PASSWORD": "not the kept one"})

    assert (done.status, done.codes) == (125, ["crypto.wrong-master-password"])


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        (
            {"BW_CLIENTID": STRANGER},
            "the client_id from the environment is not that of the account that `bwrun --login` keeps",
        ),
        (
            {"BW_CLIENTSECRET": "of another account"},
            "a client_secret is set elsewhere without its client_id, and may be another account's",
        ),
        ({"BWRUN_SERVER": ELSEWHERE}, f"they are for SERVER, and the server of this run is {ELSEWHERE}"),
        ({"BWRUN_SERVER": "eu"}, "they are for SERVER, and the server of this run is https://vault.bitwarden.eu"),
    ],
)
def test_another_account_or_server(
    kept: Surroundings, server: BitwardenServer, environment: Mapping[str, str], why: str
) -> None:
    """What may be another account's or leads to another server is not mixed with what is kept; the error says why."""
    done = kept.run("--", "true", env=environment)

    assert (done.status, done.codes) == (125, ["credentials.missing"])
    assert hint_of(done) == why.replace("SERVER", server.url)
    assert server.requests() == []


def test_client_id_in_a_file(kept: Surroundings, server: BitwardenServer) -> None:
    """The client id of another account in a file is noticed before anything is sent."""
    write_private(kept.work / "id", STRANGER)

    done = kept.run("--", "true", env={"BW_CLIENTID_FILE": "id"})

    assert (done.status, done.codes) == (125, ["credentials.other-account"])
    assert server.requests() == []


def test_the_prompt_says_why(kept: Surroundings, server: BitwardenServer) -> None:
    """On a terminal, the reason stands in front of the questions."""
    environment = kept.full_environment({"BW_CLIENTID": STRANGER})
    with Terminal.start([BWRUN, "--", "true"], environment, kept.work) as terminal:
        terminal.wait_for("client_secret: ")
        terminal.type("\x03")
        terminal.ended()

        assert "are not used: the client_id from the environment is not that of" in terminal.screen
    assert server.requests() == []


def test_keyring_that_fails_on_a_terminal(kept: Surroundings, account: Account) -> None:
    """Where somebody can be asked, a keyring that fails is said, and what it holds is asked for."""
    change_kept(kept.home / FILE, client_secret=None, in_keyring=["client_secret"])
    environment = kept.full_environment({"BW_PASSWORD": account.master_password})
    with Terminal.start([BWRUN, "--", "echo", "ran"], environment, kept.work) as terminal:
        terminal.wait_for("client_secret: ")
        terminal.type(account.client_secret + "\n")

        assert terminal.ended() == 0
        no_keyring = "there is no keyring on this system that bwrun can use"
        assert terminal.screen == f"{no_keyring}\nBitwarden client_secret: \nran\n"


@pytest.mark.parametrize("name", ["same", "other"])
def test_server_of_a_found_env_file(kept: Surroundings, server: BitwardenServer, name: str) -> None:
    """The kept client secret goes to the kept server: a found `.env` that names another one ends the run."""
    write_private(kept.work / ".env", f"BWRUN_SERVER={server.url if name == 'same' else ELSEWHERE}")

    done = kept.run("--", "true")

    assert (done.status, done.codes) == ((0, []) if name == "same" else (125, ["config.untrusted-server"]))
    assert bool(server.requests()) == (name == "same")


def test_strangers_env_file_with_a_secret(kept: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A `.env` with a client secret and a server of its own, and the right client id, gets no kept password."""
    write_private(
        kept.work / ".env", f"BW_CLIENTID={account.client_id}", "BW_CLIENTSECRET=x", f"BWRUN_SERVER={ELSEWHERE}"
    )

    done = kept.run("--", "true")

    assert (done.status, done.codes) == (125, ["credentials.missing"])
    assert "BW_PASSWORD is not set" in done.stderr


def test_password_alone_is_kept(kept: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Without a kept client secret, the kept server does not count: no other client secret is sent there."""
    change_kept(kept.home / FILE, client_secret=None)
    secret = {"BW_CLIENTSECRET": account.client_secret}

    done = kept.run("--", "true", env=secret)

    assert (done.status, done.codes) == (125, ["credentials.missing"])
    assert hint_of(done) == f"they are for {server.url}, and no server is set for this client_secret"
    assert server.requests() == []
    assert kept.run("--", "true", env={**secret, "BWRUN_SERVER": server.url}) == Ended(0, "", "")


def test_inside_another_run(kept: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A bwrun inside another one opens no more than that one did: it does not use what is kept."""
    done = kept.run("--only", "bw://mail", "--", BWRUN, "--only", "bw://prod-db", "--", "true")

    assert (done.status, done.codes) == (125, ["credentials.missing"])
    assert [request.path for request in server.requests()].count("/identity/connect/token") == 1


def test_not_opened_if_nothing_is_missing(kept: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A run that lacks nothing does not even look at the file: a damaged one does not disturb it."""
    (kept.home / FILE).write_text("damaged")
    kept.use(server, account)

    assert kept.run("--", "true") == Ended(0, "", "")


# Where the file is, and whether it can be trusted.


def test_where_the_file_is(kept: Surroundings) -> None:
    """XDG_CONFIG_HOME moves it, but not if it is relative, as the specification says."""
    (kept.home / ".config").rename(kept.home / "elsewhere")

    assert kept.run("--", "true", env={"XDG_CONFIG_HOME": str(kept.home / "elsewhere")}) == Ended(0, "", "")
    relative = os.path.relpath(kept.home / "elsewhere", kept.work)
    assert kept.run("--", "true", env={"XDG_CONFIG_HOME": relative}).codes == ["credentials.missing"]


DAMAGED = "is damaged"


def a_link(path: Path) -> None:
    """Make the file a link to itself under another name."""
    path.symlink_to(path.rename(path.with_name("real")))


def a_pipe(path: Path) -> None:
    """Put a pipe, which nobody writes to, in the place of the file."""
    path.unlink()
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (a_link, "is a link"),
        (lambda path: path.chmod(0o620), "can be written to by other users (mode 0620)"),
        (lambda path: path.write_text('{"version": 1, "profiles": {"default": {"client_id": "x"}}}'), DAMAGED),
        (lambda path: path.write_text(path.read_text().replace('"client_secret"', '"in_keyring": [[]], "x"')), DAMAGED),
        (lambda path: path.write_bytes(b"\xff\xfe"), DAMAGED),
        (lambda path: path.write_text("[" * 100_000), DAMAGED),
        (lambda path: path.write_text('{"version": 2, "profiles": {}}'), DAMAGED),
        (a_pipe, "is not a regular file"),
        (lambda path: os.chown(path, 12345, -1), "belongs to another user (user id 12345)"),
    ],
    ids=["link", "writable", "form", "names", "bytes", "deep", "version", "pipe", "owner"],
)  # fmt: skip
def test_file_that_is_refused(
    kept: Surroundings, server: BitwardenServer, change: Callable[[Path], object], why: str
) -> None:
    """A file that is damaged, or that somebody else may have written, is named in the error, and never waited for."""
    if why.startswith("belongs") and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    path = kept.home / FILE
    change(path)

    done = kept.run("--", "true")

    assert (done.status, done.codes) == (125, ["credentials.kept-file"])
    assert f"`{path}`, which `bwrun --login` writes, {why}" in done.stderr
    assert kept.run("--logout").codes == ["credentials.kept-file"]
    assert server.requests() == []


def test_closed_directory(kept: Surroundings) -> None:
    """A home directory that is closed to the user, as to some services, counts as one in which nothing is kept."""
    if os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    (kept.home / ".config").chmod(0)

    assert kept.run("--", "true").codes == ["credentials.missing"]


def test_file_that_others_can_read(kept: Surroundings) -> None:
    """Others who can read the file are a warning, as for a `.env`."""
    path = kept.home / FILE
    path.chmod(0o644)

    done = kept.run("--", "true")

    assert done == Ended(
        0, "", f"bwrun: warning: `{path}` can be read by other users (mode 0644)\nbwrun: hint: run `chmod 600 {path}`\n"
    )


@pytest.mark.slow
def test_password_that_is_not_ascii(ready: Surroundings, server: BitwardenServer) -> None:
    """A password of any bytes that can be typed is kept as it is."""
    account = server.add_account(AccountSpec("bytes@example.com", ' pä"ss\\ wörd\t€ ', kdf=CHEAP))
    without_credentials(ready)
    answers = [("server: ", server.url), ("client_id: ", account.client_id), ("client_secret: ", account.client_secret),
               ("master password: ", account.master_password), (YES, "yes")]  # fmt: skip

    status, screen = log_in(ready, answers)

    assert status == 0, screen
    assert ready.run("--", "true") == Ended(0, "", "")


@pytest.mark.slow
def test_doctor_and_library(kept: Surroundings, server: BitwardenServer) -> None:
    """The doctor looks at what a run would use, and the library takes it too, from the kept server."""
    done = kept.run("--doctor")
    code = "import bwrun\nwith bwrun.open_vault() as vault: print(vault.get('bw://prod-db/password'))"
    words = [sys.executable, "-c", code]
    read = subprocess.run(
        words,
        check=False,
        env=kept.environment,
        cwd=kept.work,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )

    assert done.status == 0, done.stdout
    assert f"client_secret from `{kept.home / FILE}`" in done.stdout
    assert (read.returncode, read.stdout) == (0, "p4ss\n"), read.stderr


@pytest.mark.slow
def test_check_names_the_place(kept: Surroundings, server: BitwardenServer) -> None:
    """--check says where each credential comes from, and which server is used."""
    done = kept.run("--check")

    path = f"`{kept.home / FILE}`"
    assert (
        f"credentials  client_id from {path}, client_secret from {path}, master password from {path}\n" in done.stdout
    )
    assert f" at {server.url}\n" in done.stdout
