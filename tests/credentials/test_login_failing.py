"""What `bwrun --login` and `--logout` do with settings that are wrong elsewhere, and with what broken calls left."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.kept import (
    FILE_KEYRING,
    QUESTIONS,
    YES,
    all_of,
    change_kept,
    kept_in,
    log_in,
    write_kept,
)
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.terminal import Terminal

SERVER, ID, SECRET, PASSWORD = QUESTIONS


def test_nothing_is_read_if_all_is_typed(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A file for the client id that cannot be read does not disturb a login for which all is typed."""
    empty.environment["BW_CLIENTID_FILE"] = "no/such"

    status, screen = log_in(empty, [*all_of(account, server.url), (YES, "yes")])

    assert status == 0, screen


def test_client_id_from_a_pipe(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A client id that is left out is read once, because a pipe gives it only once."""
    pipe = empty.work / "pipe"
    os.mkfifo(pipe)
    empty.environment |= {"BW_CLIENTID_FILE": str(pipe), "BWRUN_SERVER": server.url}
    answers = [(SERVER, ""), (ID, ""), *all_of(account, "")[2:], (YES, "yes")]
    words = ["sh", "-c", 'printf %s "$1" > "$2"', "sh", account.client_id, str(pipe)]
    with subprocess.Popen(words) as writer:
        try:
            status, screen = log_in(empty, answers)
        finally:
            writer.kill()

    assert status == 0, screen


def test_client_id_in_capitals(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """The same client id in capitals is the same account, so what is set elsewhere is used."""
    empty.environment |= {"BW_CLIENTID": account.client_id, "BW_CLIENTSECRET": account.client_secret}
    typed = "user." + account.client_id.removeprefix("user.").upper()

    _, screen = log_in(empty, [(SERVER, server.url), (ID, typed), (SECRET, ""), (PASSWORD, "")])

    assert "for another server or account" not in screen
    assert [request.path for request in server.requests()].count("/identity/connect/token") == 1


def test_what_a_killed_login_left(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """--logout and the start of --login remove a file that was not finished and say so, also beside a damaged file."""
    path = write_kept(empty.home, account, server=server.url)
    new = write_private(path.with_name("credentials.new"), account.client_secret)
    said = f"removed `{new}`, which a `bwrun --login` that was killed had left behind\n"

    done = empty.run("--logout")

    assert done.stdout.startswith(f"bwrun: {said}bwrun: removed the credentials of {account.email}")
    assert list(path.parent.iterdir()) == []
    write_private(new, account.client_secret)
    assert empty.run("--logout") == Ended(0, f"bwrun: {said}bwrun: no credentials are kept\n", "")
    write_private(path, "damaged")
    write_private(new, account.client_secret)
    assert empty.run("--logout").codes == ["credentials.kept-file"]
    assert not new.exists()
    path.unlink()
    write_private(new, account.client_secret)
    _, screen = log_in(empty, [(SERVER, "no server")])
    assert said in screen
    assert not new.exists()


def test_empty_profile(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """An empty --profile is the same error for a run and for --logout, which removes nothing then."""
    path = write_kept(empty.home, account, server=server.url)

    run, logout = empty.run("--profile", "", "--", "true"), empty.run("--logout", "--profile", "")

    assert (run.status, run.codes) == (125, ["config.profile"])
    assert run == logout
    assert "`--profile` is empty" in run.stderr
    assert path.exists()


def keyring(surroundings: Surroundings, verb: str, text: str | None = None) -> str:
    """Do `keyring set` or `keyring get` with the entry of bwrun's default profile."""
    words = [sys.executable, "-m", "keyring", verb, "bwrun", "default"]
    done = subprocess.run(
        words, check=True, env=surroundings.environment, input=text, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def test_keyring_gets_back_what_it_had(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """If the file cannot be written after the keyring was, the login that was kept before stays whole."""
    empty.environment["PYTHON_KEYRING_BACKEND"] = FILE_KEYRING
    path = write_kept(empty.home, account, server=server.url)
    keyring(empty, "set", "what was kept before")
    before = kept_in(path)
    with Terminal.start([BWRUN, "--login"], empty.environment, empty.work) as terminal:
        for question, answer in all_of(account, server.url):
            terminal.wait_for(question)
            if question == PASSWORD:
                path.with_name("credentials.new").mkdir()  # so no file can have this name
            terminal.type(answer + "\n")
        status = terminal.ended()

    assert status == 125
    assert "[credentials.kept-file]" in terminal.screen
    assert keyring(empty, "get") == "what was kept before\n"
    assert kept_in(path) == before


LATE = """\
import time
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 1
    def get_password(self, service, name):
        time.sleep(600)
    set_password = delete_password = get_password
"""


@pytest.mark.slow
def test_wait_for_the_keyring_does_not_count(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """After a keyring that took all of --timeout, what is typed still has that time for the login."""
    change_kept(write_kept(empty.home, account, server=server.url), client_secret=None, in_keyring=["client_secret"])
    (empty.home / "late_backend.py").write_text(LATE)
    settings = empty.home / ".config/python_keyring/keyringrc.cfg"
    settings.parent.mkdir()
    settings.write_text(f"[backend]\ndefault-keyring=late_backend.Keyring\nkeyring-path={empty.home}\n")
    del empty.environment["PYTHON_KEYRING_BACKEND"]
    environment = empty.full_environment({"BW_PASSWORD": account.master_password})
    with Terminal.start([BWRUN, "--timeout", "10", "--", "echo", "ran"], environment, empty.work) as terminal:
        terminal.wait_for("client_secret: ")
        terminal.type(account.client_secret + "\n")

        assert terminal.ended() == 0, terminal.screen
        assert terminal.screen.endswith("\nran\n")
