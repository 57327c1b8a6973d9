"""`bwrun --login` tries what is typed, and keeps it only if it is right; `--logout` removes it."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec
from tests.support.files import write_private
from tests.support.kept import (
    FILE,
    FILE_KEYRING,
    QUESTIONS,
    YES,
    all_of,
    change_kept,
    kept_in,
    log_in,
    write_kept,
)
from tests.support.program import Ended, Surroundings
from tests.support.terminal import Terminal

SERVER, ID, SECRET, PASSWORD = QUESTIONS
WRONG_SECRET = "the server does not accept this client_secret for this client_id; try again\n"


def test_keeps_in_a_file(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Without a keyring and after a yes, a private file has it all, and later runs need nothing else."""
    status, screen = log_in(empty, [*all_of(account, server.url), (YES, "yes")])
    path = empty.home / FILE

    assert (status, server.logins()) == (0, 1), screen
    assert f"logged in and unlocked the vault: the account of {account.email} at {server.url}\n" in screen
    assert f"kept client_id, client_secret and master password in `{path}`; `bwrun --logout` removes them\n" in screen
    assert account.client_id in screen
    assert account.client_secret not in screen
    assert account.master_password not in screen
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)]
    assert (modes, [one.name for one in path.parent.iterdir()]) == ([0o600, 0o700], ["credentials"])
    done = empty.run("-v", "--", "sh", "-c", "echo ${#BW_SESSION}$BW_PASSWORD")
    assert (done.status, done.stdout) == (0, "88\n")
    place = f"`{path}`"
    assert (
        f"credentials: client_id from {place}, client_secret from {place}, master password from {place}\n"
        in done.stderr
    )


def test_logout(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """--logout says what it removes; where nothing is kept it says that, and both succeed."""
    path = write_kept(empty.home, account, server=server.url)

    removed = empty.run("--logout")

    assert removed == Ended(0, f"bwrun: removed the credentials of {account.email} at {server.url} from `{path}`\n", "")
    assert not path.exists()
    assert empty.run("--logout") == Ended(0, "bwrun: no credentials are kept\n", "")
    assert server.requests() == []


def test_wrong_password(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A wrong master password may be typed again, twice, with one login for all tries; the right one is kept."""
    answers = all_of(account, server.url)[:3]
    wrong = [*answers, (PASSWORD, "wrong"), (PASSWORD, "wrong too"), (PASSWORD, "wrong again")]

    status, screen = log_in(empty, wrong)

    assert (status, server.logins()) == (125, 1)
    assert "[crypto.wrong-master-password]" in screen
    assert not (empty.home / ".config").exists()
    status, screen = log_in(empty, [*wrong[:4], (PASSWORD, account.master_password), (YES, "yes")])
    assert (status, server.logins()) == (0, 2), screen
    assert kept_in(empty.home / FILE)["default"]["master_password"] == account.master_password


def test_wrong_secret(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A wrong client secret may be typed again, twice, with one login for each; the right one is kept."""
    answers = all_of(account, server.url)
    wrong = [*answers[:2], (SECRET, "wrong"), answers[3], (SECRET, account.client_secret), (YES, "yes")]

    status, screen = log_in(empty, wrong)

    assert (status, server.logins()) == (0, 2), screen
    assert WRONG_SECRET in screen
    assert kept_in(empty.home / FILE)["default"]["client_secret"] == account.client_secret


def test_failed_login_keeps_nothing_new(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """After three wrong client secrets, what was kept before is as it was."""
    path = write_kept(empty.home, account, server=server.url)
    before = path.read_text()
    answers = all_of(account, server.url)

    status, screen = log_in(
        empty, [*answers[:2], (SECRET, "wrong 1"), answers[3], (SECRET, "wrong 2"), (SECRET, "wrong 3")]
    )

    assert (status, server.logins()) == (125, 3)
    assert "[auth.invalid-api-key]" in screen
    assert path.read_text() == before


@pytest.mark.parametrize("answer", ["", "y"])
def test_no_file_without_a_yes(empty: Surroundings, server: BitwardenServer, account: Account, answer: str) -> None:
    """Nothing is written before a yes to a question that says what the file means."""
    status, screen = log_in(empty, [*all_of(account, server.url), (YES, answer)])

    assert status == 125
    assert "anyone who can read this file as you, or a backup of it, can\nopen your vault." in screen
    assert "the answer was not `yes`, so nothing is kept [credentials.not-confirmed]" in screen
    assert not (empty.home / ".config").exists()


@pytest.mark.parametrize("change", [{}, {"BW_NOINTERACTION": "1"}])
def test_needs_a_terminal(empty: Surroundings, change: dict[str, str]) -> None:
    """--login asks on a terminal; without one it says so."""
    done = empty.run("--login", env=change)

    assert (done.status, done.stdout, done.codes) == (125, "", ["credentials.no-terminal"])
    assert "`--login` asks on a terminal" in done.stderr


def test_left_out(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """What is left out is taken from elsewhere for the try, and not kept; without a password bwrun only logs in."""
    empty.environment |= {"BWRUN_SERVER": server.url, "BW_CLIENTSECRET": account.client_secret}

    status, screen = log_in(empty, [(SERVER, ""), (ID, account.client_id), (SECRET, ""), (PASSWORD, "")])
    path = empty.home / FILE

    assert status == 0, screen
    assert f"logged in: the account of {account.email} at {server.url}\n" in screen
    assert f"kept client_id in `{path}`; " in screen
    assert kept_in(path)["default"].keys() == {"server", "account", "client_id"}
    assert [request.path for request in server.requests()].count("/api/sync") == 0
    assert empty.run("--", "true", env={"BW_PASSWORD": account.master_password}) == Ended(0, "", "")


def test_left_out_and_nowhere(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Without a client secret anywhere there is nothing to try, and no request is sent."""
    status, screen = log_in(empty, [(SERVER, server.url), (ID, account.client_id), (SECRET, ""), (PASSWORD, "x")])

    assert status == 125
    assert "client_secret is neither entered nor set elsewhere, so there is nothing to log in with" in screen
    assert server.requests() == []


@pytest.mark.parametrize("place", ["environment", "config.toml", "another account"])
def test_what_is_for_another_server_or_account(
    empty: Surroundings, server: BitwardenServer, account: Account, place: str
) -> None:
    """Nothing that is set for another server or account goes to the server that is typed."""
    other = "https://127.0.0.1:1"
    if place == "config.toml":
        secret = write_private(empty.work / "secret", account.client_secret)
        lines = (f'server = "{other}"', f'clientsecret-file = "{secret}"', f'header-file = "{secret}"')
        (empty.home / FILE).parent.mkdir(parents=True)
        write_private((empty.home / FILE).with_name("config.toml"), *lines)
    elif place == "environment":
        empty.environment |= {"BWRUN_SERVER": other, "BW_CLIENTSECRET": account.client_secret}
    else:
        id_of_other = "user.00000000-0000-4000-8000-000000000000"
        empty.environment |= {"BW_CLIENTID": id_of_other, "BW_CLIENTSECRET": account.client_secret}

    status, screen = log_in(empty, [(SERVER, server.url), (ID, account.client_id), (SECRET, ""), (PASSWORD, "x")])

    assert status == 125
    assert "client_secret is neither entered nor set elsewhere" in screen
    assert "hint: what is set elsewhere is for another server or account, so it is not used here\n" in screen
    assert server.requests() == []
    answers = [*all_of(account, server.url), (YES, "yes")]
    assert log_in(empty, answers)[0] == 0


def test_logout_removes_what_a_killed_login_left(empty: Surroundings, account: Account) -> None:
    """A half-written file with secrets is removed, whether or not something is kept."""
    left = (empty.home / FILE).with_name("credentials.new")
    left.parent.mkdir(mode=0o700, parents=True)
    write_private(left, account.client_secret)

    assert empty.run("--logout").status == 0
    assert not left.exists()


def test_env_file_in_the_directory_is_not_read(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """What is typed cannot go to the server of a `.env` that is found, not even as a default."""
    (empty.work / ".env").write_text(f"BWRUN_SERVER={server.url}\nBW_CLIENTSECRET=x\nBW_CLIENTID={account.client_id}\n")

    status, screen = log_in(empty, [(SERVER, "eu"), (ID, ""), (SECRET, ""), (PASSWORD, "")])

    assert status == 125
    assert "[https://vault.bitwarden.com]: " in screen
    assert "client_id and client_secret are neither entered nor set elsewhere" in screen


@pytest.mark.slow
def test_replaces(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Another --login replaces what was kept, the left-out password too; one for another profile leaves it."""
    path = write_kept(empty.home, account, server=server.url)
    other = server.add_account(AccountSpec("second@example.com", "second pässword", kdf=CHEAP))
    write_private(path.with_name("config.toml"), "[profile.second]", f'server = "{server.url}"')

    status, screen = log_in(empty, [*all_of(account, server.url)[:3], (PASSWORD, ""), (YES, "yes")])
    assert status == 0, screen
    assert "log in as you, and get your vault in its encrypted form." in screen
    answers = [(SERVER, ""), *all_of(other, server.url)[1:], (YES, "yes")]
    status, screen = log_in(empty, answers, "--profile", "second")
    assert status == 0, screen

    kept = kept_in(path)
    assert kept.keys() == {"default", "second"}
    assert "master_password" not in kept["default"]
    run = empty.run("-v", "--", "true", env={"BWRUN_PROFILE": "second"})
    assert (run.status, "as second@example.com" in run.stderr) == (0, True)
    assert empty.run("--", "true").codes == ["credentials.missing"]
    logout = empty.run("--logout", "--profile", "second")
    assert logout.stdout.endswith("bwrun: still kept: those of `default`; `--profile NAME` names one\n")
    assert kept_in(path).keys() == {"default"}


# With a keyring.


def test_keyring(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A keyring that there is keeps the secrets without a question; the file only says so; --logout empties both."""
    empty.environment["PYTHON_KEYRING_BACKEND"] = FILE_KEYRING
    status, screen = log_in(empty, all_of(account, server.url))
    path, keyring = empty.home / FILE, empty.home / ".local/share/python_keyring/keyring_pass.cfg"

    assert status == 0, screen
    assert "kept client_id, client_secret and master password in the keyring (" in screen
    assert kept_in(path)["default"]["in_keyring"] == ["client_secret", "master_password"]
    assert account.client_secret not in path.read_text()
    assert keyring.exists()
    run = empty.run("-v", "--", "true")
    assert (run.status, "client_secret from the keyring, master password from the keyring" in run.stderr) == (0, True)
    done = empty.run("--logout")
    assert done.stdout.endswith(f" from the keyring and `{path}`\n")
    assert not path.exists()
    assert empty.run("--logout").stdout == "bwrun: no credentials are kept\n"


@pytest.mark.slow
def test_keyring_that_is_a_file(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A keyring that only writes a plain file is not used, unless PYTHON_KEYRING_BACKEND chooses it."""
    del empty.environment["PYTHON_KEYRING_BACKEND"]  # `keyring` then finds that of keyrings.alt

    status, screen = log_in(empty, [*all_of(account, server.url), (YES, "no")])

    assert status == 125
    assert "the only keyring on this system (file " in screen
    assert ") is not one that `keyring` recommends\n" in screen
    assert not (empty.home / ".local").exists()


WITHOUT_PACKAGE = "import sys; sys.modules['keyring'] = None; from bwrun.__main__ import main; sys.exit(main())"


def test_without_the_package(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Without the extra, --login says how to get it and offers the file, and --logout does without it."""
    words = [sys.executable, "-c", WITHOUT_PACKAGE, "--login"]
    with Terminal.start(words, empty.environment, empty.work) as terminal:
        for question, answer in [*all_of(account, server.url), (YES, "yes")]:
            terminal.wait_for(question)
            terminal.type(answer + "\n")

        assert terminal.ended() == 0
        assert "there is no keyring: the package `keyring` is not installed\n" in terminal.screen
        assert "\ninstall it together with bwrun, in a checkout: `pipx install '.[keyring]'`\n" in terminal.screen
    words[-1] = "--logout"
    done = subprocess.run(words, check=True, env=empty.environment, capture_output=True, text=True)
    assert done.stdout.startswith(f"bwrun: removed the credentials of {account.email} ")


SLOW = """\
import time
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 1
    def get_password(self, service, name):
        time.sleep(600)
    set_password = delete_password = get_password
"""


@pytest.mark.parametrize("backend", ["keyring.backends.fail.Keyring", "slow_backend.Keyring", "nowhere.Keyring"])
def test_keyring_fails(empty: Surroundings, server: BitwardenServer, account: Account, backend: str) -> None:
    """A keyring that has vanished, or waits to be unlocked, ends a run with an error within its time limit."""
    path = write_kept(empty.home, account, server=server.url)
    change_kept(path, client_secret=None, master_password=None, in_keyring=["client_secret", "master_password"])
    settings = empty.home / ".config/python_keyring/keyringrc.cfg"
    settings.parent.mkdir()
    (empty.home / "slow_backend.py").write_text(SLOW)
    settings.write_text(f"[backend]\ndefault-keyring={backend}\nkeyring-path={empty.home}\n")
    del empty.environment["PYTHON_KEYRING_BACKEND"]

    done = empty.run("--timeout", "2", "--", "true")

    assert (done.status, done.codes) == (125, ["credentials.keyring"])
    assert server.requests() == []
    assert empty.run("--", "true", env={"BW_CLIENTSECRET": account.client_secret, "BW_PASSWORD": "x",
                                        "BW_CLIENTID": account.client_id, "BWRUN_SERVER": server.url,
                                        }).codes == ["crypto.wrong-master-password"]  # fmt: skip


def test_keyring_lost_it(empty: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A keyring that holds nothing for what the file names is an error that says what to do."""
    empty.environment["PYTHON_KEYRING_BACKEND"] = FILE_KEYRING
    change_kept(write_kept(empty.home, account, server=server.url), client_secret=None, in_keyring=["client_secret"])

    done = empty.run("--", "true")

    assert (done.status, done.codes) == (125, ["credentials.kept-file"])
    assert "bwrun: hint: run `bwrun --login` again\n" in done.stderr
