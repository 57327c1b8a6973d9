"""The files in $CREDENTIALS_DIRECTORY, and the command that prints the client secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.kept import CREDENTIALS
from tests.support.program import Ended, Surroundings
from tests.support.user_keys import text_of

FILES = ("bw_clientid", "bw_clientsecret", "bw_password")
ELSEWHERE = "https://vault.example.com"
TOKEN = "/identity/connect/token"
SHOW = 'echo "${CREDENTIALS_DIRECTORY-unset}"'


@pytest.fixture
def service(ready: Surroundings, account: Account) -> Surroundings:
    """Give surroundings as a service has them: no credential in the environment, a file for each."""
    folder = ready.home / "credentials"
    folder.mkdir(mode=0o700)
    for file, name in zip(FILES, CREDENTIALS, strict=True):
        write_private(folder / file, ready.environment.pop(name))
    ready.environment["CREDENTIALS_DIRECTORY"] = str(folder)
    return ready


def folder_of(service: Surroundings) -> Path:
    """Return the directory with the credentials."""
    return Path(service.environment["CREDENTIALS_DIRECTORY"])


def test_read_without_an_option(service: Surroundings) -> None:
    """All three are read, `-v` names each file, and the command does not get the variable."""
    done = service.run("-v", "--", "sh", "-c", SHOW)

    assert (done.status, done.stdout) == (0, "unset\n")
    folder = folder_of(service)
    places = ", ".join(
        f"{what} from `{folder / file}`"
        for what, file in zip(("client_id", "client_secret", "master password"), FILES, strict=True)
    )
    assert f"credentials: {places}\n" in done.stderr
    assert service.run("--pass", "CREDENTIALS_DIRECTORY", "--", "sh", "-c", SHOW).stdout == f"{folder}\n"


def test_directory_of_others(service: Surroundings, server: BitwardenServer, account: Account) -> None:
    """The variable stays if no file in the directory is bwrun's."""
    for file in FILES:
        (folder_of(service) / file).unlink()
    service.use(server, account)

    assert service.run("--", "sh", "-c", SHOW).stdout == f"{folder_of(service)}\n"


@pytest.mark.parametrize("name", ["BW_CLIENTSECRET", "BW_PASSWORD"])
def test_who_wins(service: Surroundings, server: BitwardenServer, account: Account, name: str) -> None:
    """The environment wins over a file of the service, and that over an env file."""
    file, right = folder_of(service) / FILES[CREDENTIALS.index(name)], vars(account)
    value = right["client_secret" if name == "BW_CLIENTSECRET" else "master_password"]
    write_private(service.work / "wrong", f"{name}=wrong")

    assert service.run("--env-file", "wrong", "--", "true") == Ended(0, "", "")
    write_private(file, "wrong too")
    assert service.run("--env-file", "wrong", "--", "true", env={name: value}) == Ended(0, "", "")


def test_only_one_is_there(service: Surroundings, account: Account) -> None:
    """Each file may be missing, and then that credential comes from elsewhere."""
    (folder_of(service) / "bw_clientid").unlink()
    (folder_of(service) / "bw_clientsecret").unlink()
    write_private(
        service.work / "api-key", f"BW_CLIENTID={account.client_id}", f"BW_CLIENTSECRET={account.client_secret}"
    )

    assert service.run("--env-file", "api-key", "--", "true") == Ended(0, "", "")


def test_user_key(service: Surroundings, account: Account) -> None:
    """A user key can be there in place of the master password, but not beside it."""
    write_private(folder_of(service) / "bwrun_user_key", text_of(account))

    both = service.run("--", "true")

    assert both.codes == ["credentials.conflict"]
    assert "are set in CREDENTIALS_DIRECTORY: bw_password, bwrun_user_key [" in both.stderr
    (folder_of(service) / "bw_password").unlink()
    assert service.run("--", "true") == Ended(0, "", "")


@pytest.mark.parametrize("secret", ["BW_CLIENTSECRET=x", ""])
def test_strangers_env_file(service: Surroundings, server: BitwardenServer, secret: str) -> None:
    """A client secret of the service does not go to the server of a `.env` that is found, whatever else is in there."""
    del service.environment["BWRUN_SERVER"]
    write_private(service.work / ".env", f"BWRUN_SERVER={server.url}", secret)

    done = service.run("--", "true")

    assert (done.status, done.codes) == (125, ["config.untrusted-server"])
    assert server.requests() == []


@pytest.mark.parametrize("kind", ["directory", "empty"])
def test_unreadable(service: Surroundings, server: BitwardenServer, kind: str) -> None:
    """A file that cannot be read, or is empty, is named."""
    path = folder_of(service) / "bw_password"
    path.unlink()
    if kind == "directory":
        path.mkdir()
    else:
        path.touch(mode=0o600)

    done = service.run("--", "true")

    assert done.status == 125
    assert done.codes == ["credentials.unreadable" if kind == "directory" else "credentials.empty"]
    assert f"`{path}` (from CREDENTIALS_DIRECTORY)" in done.stderr
    assert server.requests() == []


# --clientsecret-command.


@pytest.fixture
def with_commands(ready: Surroundings, account: Account) -> Surroundings:
    """Give surroundings in which a file has the client secret, and another one the master password."""
    write_private(ready.work / "secret", ready.environment.pop("BW_CLIENTSECRET"))
    write_private(ready.work / "pw", ready.environment.pop("BW_PASSWORD"))
    return ready


def test_both_commands(with_commands: Surroundings) -> None:
    """Both commands can be given at once; neither sees a credential, and -v names them."""
    look = "env | grep -c '^BW' >>seen"

    done = with_commands.run(
        *("-v", "--clientsecret-command", f"{look}; cat secret", "--password-command", f"{look}; cat pw", "--", "true")
    )

    assert done.status == 0
    assert "client_secret from the client secret command, master password from the password command\n" in done.stderr
    assert (with_commands.work / "seen").read_text() == "0\n0\n"
    both = {"BWRUN_CLIENTSECRET_COMMAND": "cat secret", "BWRUN_PASSWORD_COMMAND": "cat pw"}
    assert with_commands.run("--", "true", env=both) == Ended(0, "", "")


@pytest.mark.parametrize(
    ("command", "why"), [("echo canary; exit 3", "ended with status 3"), ("true", "printed nothing")]
)
def test_command_fails(with_commands: Surroundings, server: BitwardenServer, command: str, why: str) -> None:
    """A client secret command that fails or prints nothing is an error that does not show what it printed."""
    done = with_commands.run("--clientsecret-command", command, "--password-file", "pw", "--", "true")
    first = done.stderr.splitlines()[0]

    assert (done.status, done.stdout) == (125, "")
    assert first == f"bwrun: error: the client secret command {why} [credentials.clientsecret-command]"
    assert "canary" not in done.stderr
    assert server.requests() == []


def test_command_in_places(with_commands: Surroundings, server: BitwardenServer) -> None:
    """An option wins over the environment; in one place with the secret it is a conflict; a found `.env` has none."""
    option = ("--clientsecret-command", "cat secret", "--password-file", "pw", "--", "true")
    assert with_commands.run(*option, env={"BW_CLIENTSECRET": "wrong"}) == Ended(0, "", "")

    twice = with_commands.run("--", "true", env={"BW_CLIENTSECRET": "x", "BWRUN_CLIENTSECRET_COMMAND": "touch ran"})
    assert twice.codes == ["credentials.conflict"]
    write_private(with_commands.work / ".env", "BWRUN_CLIENTSECRET_COMMAND='touch ran'")
    found = with_commands.run("--password-file", "pw", "--", "true")
    assert found.codes == ["credentials.missing"]
    assert "ignoring BWRUN_CLIENTSECRET_COMMAND in `.env`" in found.stderr
    assert not (with_commands.work / "ran").exists()


def test_commands_secret_and_a_strangers_server(with_commands: Surroundings, server: BitwardenServer) -> None:
    """What a command prints does not go to the server of a `.env` that is found, even if that has a client secret."""
    del with_commands.environment["BWRUN_SERVER"]
    write_private(with_commands.work / ".env", f"BWRUN_SERVER={server.url}", "BW_CLIENTSECRET=x")

    by_option = with_commands.run("--clientsecret-command", "cat secret", "--password-file", "pw", "--", "true")
    variable = {"BWRUN_CLIENTSECRET_COMMAND": "cat secret"}
    by_variable = with_commands.run("--password-file", "pw", "--", "true", env=variable)

    assert by_option.codes == by_variable.codes == ["config.untrusted-server"]
    assert server.requests() == []
