"""A `.env` that bwrun found by itself: whose it may be, and which variables it may set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bwrun.settings.variable_names import TRUST_OF_NODE
from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.program import Ended, Surroundings
from tests.support.users import needs_root

NOBODY = 65534
TRUST = "or name the file to trust it: `--env-file .env`"


@needs_root
@pytest.mark.parametrize("what", ["the file", "a link to one's own file"])
def test_a_file_of_another_user_is_refused(ready: Surroundings, server: BitwardenServer, what: str) -> None:
    """A `.env` of another user is refused, for root too; a link of another user's is no better than a file."""
    path = ready.work / ".env"
    if what == "the file":
        write_private(path, "GREETING=hello")
    else:
        write_private(ready.work / "own", "GREETING=hello")
        path.symlink_to("own")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    refused = ready.run("--", "touch", "started")
    named = ready.run("--env-file", ".env", "--", "sh", "-c", "echo $GREETING")

    assert (refused.status, refused.codes) == (125, ["config.untrusted-env-file"])
    assert refused.stderr.startswith("bwrun: error: `.env` belongs to another user (`nobody`)")
    assert f"bwrun: hint: take it over with `chown`, {TRUST}\n" in refused.stderr
    assert not (ready.work / "started").exists()
    assert named == Ended(0, "hello\n", "")


@pytest.mark.parametrize("mode", [0o602, 0o622, 0o666, 0o777])
def test_a_file_that_others_can_write_is_refused(ready: Surroundings, server: BitwardenServer, mode: int) -> None:
    """A `.env` that every user can write is refused before any request."""
    write_private(ready.work / ".env", "GREETING=hello")
    (ready.work / ".env").chmod(mode)

    assert ready.run("--", "true") == Ended(
        125,
        "",
        f"bwrun: error: other users can write to `.env` (mode {mode:04o}) [config.untrusted-env-file]\n"
        f"bwrun: hint: run `chmod go-w .env`, {TRUST}\n",
    )
    assert server.requests() == []


@needs_root
def test_a_group_of_several_can_write(ready: Surroundings) -> None:
    """Write permission of a group is refused, unless the group is the owner's own."""
    write_private(ready.work / ".env", "GREETING=hello")
    os.chown(ready.work / ".env", 0, NOBODY)
    (ready.work / ".env").chmod(0o660)

    shared = ready.run("--", "true")
    os.chown(ready.work / ".env", 0, 0)
    private = ready.run("--", "true")

    assert shared.codes == ["config.untrusted-env-file"]
    assert private == Ended(0, "", "")


@pytest.mark.parametrize(
    "name",
    ["BASH_ENV", "GIT_SSH_COMMAND", "LD_PRELOAD", "NODE_OPTIONS", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "EDITOR",
     "GIT_CONFIG_COUNT", "npm_config_script_shell", "MAKEFLAGS", "PATH", "NODE_EXTRA_CA_CERTS",
     "NODE_TLS_REJECT_UNAUTHORIZED"],
)  # fmt: skip
def test_a_variable_that_leads_to_code_is_refused(ready: Surroundings, server: BitwardenServer, name: str) -> None:
    """A found `.env` may not set what programs take code from, nor whom the official CLI trusts; a named one may."""
    why = "by which programs trust a server" if name in TRUST_OF_NODE else "from which programs take code"
    write_private(ready.work / ".env", "GREETING=hello", f"{name}=x")
    without = {name: None}

    refused = ready.run("--", "/bin/true", env=without)

    assert refused == Ended(
        125,
        "",
        f"bwrun: error: `.env` line 2: a file that bwrun found by itself may not set {name},"
        f" {why} [config.untrusted-env-file]\n"
        f"bwrun: hint: remove the line, {TRUST}\n",
    )
    assert server.requests() == []
    assert ready.run("--env-file", ".env", "--", "/bin/true", env=without).codes == []


def test_all_such_variables_are_named_at_once(ready: Surroundings) -> None:
    """Every line that has to go is named; a variable that the environment has already is no matter."""
    write_private(ready.work / ".env", "BASH_ENV=x", "A=1", "EDITOR=vi", "PAGER=less")

    done = ready.run("--", "true", env={"PAGER": "more"})

    assert "`.env` lines 1, 3: a file that bwrun found by itself may not set BASH_ENV, EDITOR," in done.stderr


@pytest.mark.parametrize("name", ["LANG", "TERM", "TMPDIR", "PYTHONUNBUFFERED", "NODE_ENV", "XDG_DATA_HOME"])
def test_plain_variables_are_set(ready: Surroundings, name: str) -> None:
    """What changes only language, terminal or places of data is a variable like any other."""
    write_private(ready.work / ".env", f"{name}=/nowhere/here")

    assert ready.run("--", "sh", "-c", f"echo ${name}", env={name: None}) == Ended(0, "/nowhere/here\n", "")


@pytest.mark.parametrize("setting", ["BWRUN_SERVER", "BWRUN_API_URL"])
def test_the_key_is_not_sent_to_another_server(ready: Surroundings, server: BitwardenServer, setting: str) -> None:
    """A server in a found `.env`, with the key in the environment, is an error: the login would go to the cloud."""
    write_private(ready.work / ".env", "A=1", f"{setting}={server.url}")

    done = ready.run("--", "touch", "started", env={"BWRUN_SERVER": None})

    assert (done.status, done.codes) == (125, ["config.untrusted-server"])
    assert f"bwrun: error: {setting} in `.env` line 2 names a server, but the client secret is not in" in done.stderr
    assert not (ready.work / "started").exists()
    assert server.requests() == []


def test_a_nested_run_needs_no_server(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A run that reuses the outer session sends no key, so the server in a found `.env` is no error there."""
    write_private(ready.work / ".env", f"BWRUN_SERVER={server.url}", f"BW_CLIENTSECRET={account.client_secret}")
    inner = 'echo BWRUN_SERVER="$1" > .env; "$0" -- echo inner'
    (ready.work / ".env").chmod(0o600)

    done = ready.run("--", "sh", "-c", inner, "bwrun", server.url, env=with_path(ready) | {"BWRUN_SERVER": None})

    assert (done.status, done.stdout) == (0, "inner\n")


def with_path(surroundings: Surroundings) -> dict[str, str | None]:
    """Return a PATH with bwrun on it."""
    from tests.support.program import BWRUN  # noqa: PLC0415

    return {"PATH": f"{Path(BWRUN).parent}:{surroundings.environment['PATH']}", "BW_CLIENTSECRET": None}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_named(ready: Surroundings, encoding: str) -> None:
    """A file that an editor saved in UTF-16 is refused with the cure."""
    (ready.work / ".env").write_bytes("\ufeffA=1\n".encode(encoding))
    (ready.work / ".env").chmod(0o600)

    assert ready.run("--", "true") == Ended(
        125,
        "",
        "bwrun: error: the env file `.env` is encoded in UTF-16 [config.env-file]\nbwrun: hint: save it in UTF-8\n",
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BWRUN_SEVER", "BWRUN_SERVER"),
        ("BWRUN_PASSWORD_COMAND", "BWRUN_PASSWORD_COMMAND"),
        ("BW_CLIENT_ID", "BW_CLIENTID"),
        ("BW_CLIENT_SECRET", "BW_CLIENTSECRET"),
        ("BW_MASTER_PASSWORD", "BW_PASSWORD"),
    ],
)
@pytest.mark.parametrize("place", ["the environment", "`.env` line 1"])
def test_a_name_that_does_not_exist(ready: Surroundings, name: str, meant: str, place: str) -> None:
    """A misspelled setting or credential is a warning that says what was probably meant, and never shows the value."""
    if place == "`.env` line 1":
        write_private(ready.work / ".env", f"{name}=canary")
    env = {name: "canary"} if place == "the environment" else {}

    done = ready.run("--", "true", env=env)

    warning = f"bwrun: warning: {name} in {place} is not a setting of bwrun\nbwrun: hint: did you mean {meant}?\n"
    assert done == Ended(0, "", warning)


def test_the_official_clis_variables_are_its_own(ready: Surroundings) -> None:
    """Variables of the official CLI are nothing to warn of."""
    env = dict.fromkeys(("BW_NOINTERACTION", "BW_RAW", "BW_PRETTY", "BW_QUIET", "BITWARDENCLI_DEBUG"), "true")

    assert ready.run("--", "true", env=env) == Ended(0, "", "")


@pytest.mark.parametrize("pasted", ["{}/#/login", "{}/#/vault?id=1", "{}/api", "{}/identity/", "{}/"])
def test_a_server_as_it_is_pasted(ready: Surroundings, server: BitwardenServer, pasted: str) -> None:
    """The address bar's text, and the address of one service, mean the server."""
    assert ready.run("--server", pasted.format(server.url), "--", "true") == Ended(0, "", "")


def test_a_wrong_server_names_its_place(ready: Surroundings) -> None:
    """An error of a setting says in which line of which file the setting is."""
    write_private(ready.work / "settings", "A=1", "", "BWRUN_SERVER=https://vault example")

    done = ready.run("--env-file", "settings", "--", "true", env={"BWRUN_SERVER": None})

    assert "bwrun: error: BWRUN_SERVER in `settings` line 3 is not a URL [config.server]" in done.stderr
