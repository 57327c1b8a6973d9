"""A bwrun under a bwrun: the outer session is reused where it fits, and known by its mark, not by a variable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings

SHOW = 'echo "$BW_SESSION $BITWARDENCLI_APPDATA_DIR"'
MOVE = "resolve the reference in the outer run: `bwrun -e NAME=bw://ITEM/FIELD -- COMMAND`"
OWN = "give this run credentials of its own, for example with `--env-file FILE`"
STRANGER = "user.00000000-0000-4000-8000-000000000000"
NO_ENV_FILE = "there is no `.env` in the working directory or above it in its git repository"


@pytest.fixture(scope="session")
def other(server: BitwardenServer) -> Account:
    """Make a second account."""
    return server.add_account(AccountSpec("eve@example.com", "eve's own password", kdf=CHEAP))


def run_shell(surroundings: Surroundings, script: str, **variables: str | None) -> Ended:
    """Run a shell script under bwrun; `$0` in it is bwrun."""
    return surroundings.run("--", "sh", "-c", script, BWRUN, env=variables)


@pytest.mark.parametrize("inner", ['"$0"', '"$0" --', '"$0" -v --server "$SERVER" --', 'BW_CLIENTID="$ID" "$0"'])
def test_reuses_the_outer_session(ready: Surroundings, server: BitwardenServer, account: Account, inner: str) -> None:
    """A nested run for the same account and server logs in nowhere, and leaves the session to the outer run."""
    script = f"""{SHOW}; {inner} sh -c '{SHOW}; exit 7'; echo $?; test -s "$BITWARDENCLI_APPDATA_DIR/data.json" """

    done = run_shell(ready, script, SERVER=server.url, ID=account.client_id)

    assert done.status == 0
    outer, nested, status = done.stdout.splitlines()
    assert (nested, status) == (outer, "7")
    assert ("reusing the session of the outer bwrun" in done.stderr) == ("-v" in inner)
    assert server.logins() == 1


def test_with_the_same_env_file(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A Makefile target under bwrun that calls bwrun itself reads the same `.env`, and has the same session."""
    write_private(
        ready.work / ".env",
        f"BWRUN_SERVER={server.url}",
        f"BW_CLIENTID={account.client_id}",
        f"BW_CLIENTSECRET={account.client_secret}",
        f"BW_PASSWORD='{account.master_password}'",
        "ENTRY=reaches both",
    )
    credentials = dict.fromkeys(("BWRUN_SERVER", "BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"))

    inner = f'{SHOW}; echo "$ENTRY [${{BW_PASSWORD-}}]"'
    done = run_shell(ready, f"{SHOW}; exec \"$0\" sh -c '{inner}'", **credentials)

    assert (done.status, done.stderr) == (0, "")
    outer, nested, entry = done.stdout.splitlines()
    assert (nested, entry) == (outer, "reaches both []")
    assert server.logins() == 1


def test_leaves_no_trace_in_the_process(ready: Surroundings) -> None:
    """A nested run becomes the command in place: same process, no variable of Python's, a broken pipe ends it."""
    inner = "echo $$; env | grep LC_; yes | head -n 1"

    done = run_shell(ready, f"echo $$; exec \"$0\" -- sh -c '{inner}'", LANG=None)

    assert (done.status, done.stderr) == (0, "")
    pid, nested_pid, *rest = done.stdout.splitlines()
    assert (nested_pid, rest) == (pid, ["y"])


@pytest.mark.parametrize("way", ["environment", "pipe"])
def test_another_account_has_a_session_of_its_own(
    ready: Surroundings, server: BitwardenServer, other: Account, way: str
) -> None:
    """With another client id a nested run logs in itself, clears what is its own, and leaves the outer session."""
    values = {
        "BW_CLIENTID": other.client_id,
        "BW_CLIENTSECRET": other.client_secret,
        "BW_PASSWORD": other.master_password,
        "BWRUN_SERVER": server.url,
    }
    settings = write_private(ready.work / "other", *(f'{name}="{value}"' for name, value in values.items()))
    inner = 'set -a; . ./other; "$0" --' if way == "environment" else 'cat other | "$0" --env-file /dev/stdin --'

    done = run_shell(ready, f"{SHOW}; ({inner} sh -c '{SHOW}'); ls -d {ready.runtime}/*")

    assert (done.status, done.stderr) == (0, "")
    outer, nested, left = done.stdout.splitlines()
    assert outer.split()[0] != nested.split()[0]
    assert outer.split()[1] == left != nested.split()[1]
    assert server.logins() == 2
    assert settings.exists()


def test_login_of_the_same_account_goes_to_the_same_server(ready: Surroundings, server: BitwardenServer) -> None:
    """The outer run takes BWRUN_SERVER away; a login of a nested run must not go to bitwarden.com because of that."""
    names = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
    write_private(ready.work / ".env", *(f'{name}="{ready.environment.pop(name)}"' for name in names))

    done = run_shell(ready, '"$0" --session-api-key -- echo inside; "$0" --only mail -- echo limited')

    assert (done.status, done.stdout, done.stderr) == (0, "inside\nlimited\n", "")
    assert server.logins() == 3


def test_outer_session_does_not_fit(ready: Surroundings, server: BitwardenServer) -> None:
    """Another server, account or kind of session, or variables that do not belong together, need a login."""
    script = f"""
        "$0" --server https://localhost:1 -- echo reused for another server
        BW_CLIENTID={STRANGER} "$0" -- echo reused for another account
        "$0" --session-api-key -- echo reused without the API key
        BW_SESSION=forged "$0" -- echo reused with a forged key
        BITWARDENCLI_APPDATA_DIR="$HOME" "$0" -- echo reused in another directory
        ln -s "$BITWARDENCLI_APPDATA_DIR" bwrun.1.0123456789abcdef
        BITWARDENCLI_APPDATA_DIR="$PWD/bwrun.1.0123456789abcdef" "$0" -- echo reused by a link
        chmod 755 "$BITWARDENCLI_APPDATA_DIR"
        "$0" -- echo reused from a directory that others can enter
        """

    done = run_shell(ready, script)

    assert (done.stdout, done.codes) == ("", ["credentials.missing"] * 7)
    assert server.logins() == 1


@pytest.mark.parametrize(
    ("inner", "hint"),
    [
        ("--only mail -e X=bw://prod-db -- true", f"{MOVE}; or {OWN}"),
        ("--session-api-key -- true", OWN),
        ("--server https://localhost:1 --list", OWN),
    ],
)
def test_credentials_that_the_outer_run_took_away(ready: Surroundings, inner: str, hint: str) -> None:
    """A nested run that needs credentials says that the outer one does not pass them on, and what to do instead."""
    done = run_shell(ready, f'"$0" {inner}')

    assert (done.status, done.codes) == (125, ["credentials.missing"])
    assert done.stderr.splitlines()[1:] == [
        f"bwrun: hint: bwrun looked in the environment; {NO_ENV_FILE}",
        "bwrun: hint: this run is inside another bwrun, which does not pass its credentials on",
        f"bwrun: hint: {hint}",
    ]


def test_variables_alone_are_no_outer_run(ready: Surroundings) -> None:
    """Where no other bwrun is running, missing credentials are not put down to one, whatever the variables say."""
    outside = {"BW_SESSION": "x", "BITWARDENCLI_APPDATA_DIR": str(ready.home), "BW_PASSWORD": None}
    done = ready.run("-e", "X=bw://prod-db", "--", "true", env=outside)

    assert (done.status, done.codes) == (125, ["credentials.missing"])
    assert "another bwrun" not in done.stderr


def test_session_with_the_api_key_serves_both(ready: Surroundings, server: BitwardenServer) -> None:
    """An outer session that holds the API key is reused by a nested run with and without --session-api-key."""
    script = '"$0" --session-api-key -- "$0" -- echo reused'

    done = ready.run("--session-api-key", "--", "sh", "-c", script, BWRUN)

    assert done == Ended(0, "reused\n", "")
    assert server.logins() == 1


def test_failure_of_a_nested_run(ready: Surroundings) -> None:
    """A nested run fails as any other: one error, its own status, no login."""
    script = '"$0" -- nope; echo $?; "$0" --env-file nope true; "$0" --env-file nope -- true; echo $?'

    done = run_shell(ready, script)

    assert done.stdout == "127\n125\n"
    assert done.codes == ["command.not-found", "usage.no-separator", "config.env-file"]


@pytest.mark.parametrize("owner", ["is gone", "is another process by now", "is not named"])
def test_session_without_its_owner(ready: Surroundings, server: BitwardenServer, owner: str) -> None:
    """A directory with a real mark and the right BW_SESSION is no session when its bwrun does not live any more."""
    kept = ready.home / "bwrun.1.0123456789abcdef"
    first = run_shell(ready, f'{SHOW}; cp -a "$BITWARDENCLI_APPDATA_DIR" {kept}')
    bw_session = first.stdout.split()[0]
    if owner == "is another process by now":
        started = (kept / "owner").read_text().split()[1]
        (kept / "owner").write_text(f"{os.getpid()} {started}\n")
    elif owner == "is not named":
        (kept / "owner").unlink()

    done = ready.run("--", "sh", "-c", SHOW, env={"BW_SESSION": bw_session, "BITWARDENCLI_APPDATA_DIR": str(kept)})

    assert (done.status, done.stderr) == (0, "")
    own_session, own_directory = done.stdout.split()
    assert own_session != bw_session
    assert Path(own_directory).parent == ready.runtime
    assert server.logins() == 2
    assert (kept / "data.json").exists()
