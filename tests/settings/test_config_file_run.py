"""config.toml in whole runs: where it is, whose it may be, what it does for a run and for one inside another."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.settings.test_found_file import NOBODY
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.users import needs_root

OTHER_SERVER = "https://127.0.0.1:1"  # nothing listens there
NO_CREDENTIALS = dict.fromkeys(("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"))
NO_SETTINGS = {**NO_CREDENTIALS, "BWRUN_SERVER": None, "SSL_CERT_FILE": None}


def write_config(surroundings: Surroundings, *lines: str) -> Path:
    """Write config.toml in the usual place."""
    path = surroundings.home / ".config" / "bwrun" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_private(path, *lines)


def account_lines(surroundings: Surroundings, account: Account) -> list[str]:
    """Return the lines for an account, and write the files that they name beside config.toml."""
    folder = surroundings.home / ".config" / "bwrun"
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / "secret", account.client_secret)
    write_private(surroundings.home / "pass word", account.master_password)
    return [f'clientid = "{account.client_id}"', 'clientsecret-file = "secret"', "password-command = 'cat ~/pass*'"]


def test_a_profile_is_all_that_a_run_needs(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Server, CA, account and options of a profile make a run; the command sees nothing of it."""
    (ready.home / "ca.pem").write_bytes(server.ca_file.read_bytes())
    path = write_config(
        ready, 'server = "eu"', 'ca-file = "~/ca.pem"', "no-session = false", "[profile.work]",
        f'server = "{server.url}"', *account_lines(ready, account),
    )  # fmt: skip
    words = ("-e", "A=bw://prod-db/password", "--profile", "work")
    done = ready.run(
        "-v", *words, "--", "sh", "-c", "env | grep -c -e BWRUN_ -e BW_C -e BW_P; echo $A", env=NO_SETTINGS
    )
    report = ready.run("--check", "--json", *words, env=NO_SETTINGS)

    assert (done.status, done.stdout) == (0, "0\np4ss\n")
    assert f"  settings from `{path}` (profile `work`)\n" in done.stderr
    place = f"[profile.work] of `{path}`"
    assert f"  credentials: client_id from {place}, client_secret from `{path.parent}/secret`," in done.stderr
    found = json.loads(report.stdout)
    assert (found["config_file"], found["profile"], found["env_files"]) == (str(path), "work", [])
    assert found["account"]["server"] == server.url


def test_variables_choose_and_win(ready: Surroundings, account: Account) -> None:
    """BWRUN_PROFILE chooses, an option wins over it, and a switch of the file can be turned off by its variable."""
    write_config(ready, "[profile.one]", "verbose = true", "[profile.two]", "timings = true")
    one, two = (ready.run("--check", env={"BWRUN_PROFILE": name}).stderr for name in ("one", "two"))
    option = ready.run("--profile=two", "--check", env={"BWRUN_PROFILE": "one"}).stderr
    off = ready.run("--check", env={"BWRUN_PROFILE": "one", "BWRUN_VERBOSE": "0"}).stderr

    assert "logged in to" in one
    assert "timing" not in one + off
    assert two.startswith("bwrun: timing: start")
    assert option.startswith("bwrun: timing: start")
    assert off == ""


def test_no_such_profile(ready: Surroundings, server: BitwardenServer) -> None:
    """A profile that is not there is an error before any request, with those that are."""
    absent = ready.run("--profile", "wrok", "--", "touch", "started")
    path = write_config(ready, "[profile.work]", "[profile.home]")
    unknown = ready.run("--profile", "wrok", "--", "touch", "started")

    assert absent == Ended(
        125,
        "",
        f"bwrun: error: there is no profile `wrok`: there is no `{path}` [config.profile]\n"
        "bwrun: hint: make the file, with a table `[profile.wrok]`, or leave out `--profile` and BWRUN_PROFILE\n",
    )
    assert unknown == Ended(
        125,
        "",
        f"bwrun: error: there is no profile `wrok` in `{path}` [config.profile]\n"
        "bwrun: hint: did you mean `work`? profiles: `home`, `work`\n",
    )
    assert server.requests() == []


def test_a_found_env_file_chooses_no_profile(ready: Surroundings) -> None:
    """A `.env` that bwrun found by itself cannot choose a profile; one that was named can."""
    write_config(ready, "[profile.work]", "timings = true")
    write_private(ready.work / ".env", "BWRUN_PROFILE=work")

    found = ready.run("--check")
    named = ready.run("--env-file", ".env", "--check")

    assert found.stderr.startswith("bwrun: warning: ignoring BWRUN_PROFILE in `.env`: bwrun found this file by itself")
    assert "timing" not in found.stderr
    assert named.stderr.startswith("bwrun: timing: start")


def test_all_mistakes_of_the_file(ready: Surroundings, server: BitwardenServer) -> None:
    """All mistakes are printed, each with its hint, and nothing is asked of the server."""
    path = write_config(ready, "timout = 3", "[profile.work]", "password = 'canary'", "timeout = 'soon'")

    assert ready.run("--", "true") == Ended(
        125,
        "",
        f"bwrun: error: `timout` in `{path}` is not a setting of bwrun [config.config-file]\n"
        "bwrun: hint: did you mean `timeout`?\n"
        f"bwrun: error: `password` in [profile.work] of `{path}` is a secret, and this file holds none"
        " [config.secret]\n"
        "bwrun: hint: keep it with `bwrun --login`, or name a file that holds it with `password-file`\n"
        f"bwrun: error: `timeout` in [profile.work] of `{path}` is not a number of seconds [config.config-file]\n"
        "bwrun: hint: write it like `timeout = 30`\n",
    )
    assert server.requests() == []


# Where it is, and whose it may be


def test_where_it_is(bare: Surroundings) -> None:
    """XDG_CONFIG_HOME counts if it is absolute, and without HOME the user database does."""
    paths = []
    for env in ({"XDG_CONFIG_HOME": "/no/such"}, {"XDG_CONFIG_HOME": "such"}, {"HOME": ""}, {"HOME": "x"}):
        done = bare.run("--profile", "canary", "--", "true", env=env)
        paths.append(done.stderr.partition("\n")[0].rpartition(": there is no ")[2].removesuffix(" [config.profile]"))

    home = pwd.getpwuid(os.geteuid()).pw_dir
    assert paths == [
        "`/no/such/bwrun/config.toml`", f"`{bare.home}/.config/bwrun/config.toml`",
        f"`{home}/.config/bwrun/config.toml`", "home directory",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", [0o602, 0o666, 0o777])
def test_others_can_write(ready: Surroundings, server: BitwardenServer, mode: int) -> None:
    """A file that others can write is refused: it could name commands; a link does not help."""
    path = write_config(ready, "password-command = 'touch started'")
    path.rename(ready.home / "dotfile")
    path.symlink_to("../../dotfile")
    (ready.home / "dotfile").chmod(mode)

    assert ready.run("--", "true") == Ended(
        125,
        "",
        f"bwrun: error: other users can write to `{path}` (mode {mode:04o}) [config.untrusted-config-file]\n"
        f"bwrun: hint: run `chmod go-w {path}`\n",
    )
    assert not (ready.work / "started").exists()
    assert server.requests() == []
    (ready.home / "dotfile").chmod(0o644)
    assert ready.run("--check").status == 0


@needs_root
@pytest.mark.parametrize("what", ["the file", "a link to one's own file"])
def test_of_another_user(ready: Surroundings, what: str) -> None:
    """A file of another user is refused, and so is a link of another user's."""
    path = write_config(ready, "timeout = 30")
    if what != "the file":
        path.rename(ready.home / "dotfile")
        path.symlink_to("../../dotfile")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    done = ready.run("--", "true")

    assert (done.status, done.codes) == (125, ["config.untrusted-config-file"])
    assert done.stderr.startswith(f"bwrun: error: `{path}` belongs to another user (`nobody`)")
    assert "or set XDG_CONFIG_HOME or HOME to a directory of the user who runs bwrun" in done.stderr


def test_what_is_no_file(bare: Surroundings) -> None:
    """What is no file of text is refused at once, and what cannot be there is not looked for."""
    path = write_config(bare)
    path.unlink()
    told = []
    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.write_bytes(b"\xff"), lambda: path.symlink_to(path)):
        make()
        told.append(bare.run("--no-session", "--", "true").stderr.partition("\n")[0])
        path.rmdir() if path.is_dir() else path.unlink()
    path.parent.rmdir()
    path.parent.write_text("")

    assert told == [
        f"bwrun: error: the config file `{path}` is not a regular file [config.config-file]",
        f"bwrun: error: the config file `{path}` is not a regular file [config.config-file]",
        f"bwrun: error: the config file `{path}` is not in UTF-8 [config.config-file]",
        f"bwrun: error: cannot read the config file `{path}`: Too many levels of symbolic links [config.config-file]",
    ]
    assert bare.run("--no-session", "--", "true") == Ended(0, "", "")


# Server and account belong together


@pytest.mark.parametrize("place", ["option", "environment", "a found .env"])
def test_the_api_key_goes_to_no_other_server(
    ready: Surroundings, server: BitwardenServer, account: Account, place: str
) -> None:
    """If another place names a server, the account of config.toml is not sent there."""
    write_config(ready, 'server = "eu"', *account_lines(ready, account))
    words = ("--server", server.url) if place == "option" else ()
    missing = ["BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"]
    if place == "a found .env":
        write_private(ready.work / ".env", f"BWRUN_SERVER={server.url}", "BW_CLIENTSECRET=x")
        missing.remove("BW_CLIENTSECRET")
    env = {**NO_CREDENTIALS, "BWRUN_SERVER": server.url if place == "environment" else None}

    done = ready.run(*words, "--", "true", env=env)

    assert (done.status, done.codes) == (125, ["credentials.missing"])
    assert done.stderr.startswith(f"bwrun: error: {' and '.join(', '.join(missing).rsplit(', ', 1))} are not set")
    assert server.requests() == []


def test_an_untrusted_server_of_a_found_env_file(ready: Surroundings, server: BitwardenServer) -> None:
    """A server that a found `.env` may not name is ignored with a warning, and that of config.toml counts."""
    write_config(ready, f'server = "{server.url}"')
    write_private(ready.work / ".env", f"BWRUN_SERVER={OTHER_SERVER}")

    done = ready.run("--", "true", env={"BWRUN_SERVER": None})

    assert done.status == 0
    assert done.stderr.startswith("bwrun: warning: ignoring BWRUN_SERVER in `.env`: bwrun found this file by itself")
    assert done.stderr.endswith("or name the file to trust it: `--env-file .env`\n")


def test_a_trusted_server_of_a_found_env_file(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A `.env` that names server and client secret wins over config.toml, and gets none of its headers."""
    write_config(ready, f'server = "{OTHER_SERVER}"', "header-file = 'no-such-file'")
    write_private(ready.work / ".env", f"BWRUN_SERVER={server.url}", f"BW_CLIENTSECRET={account.client_secret}")

    assert ready.run("--", "true", env={"BWRUN_SERVER": None, "BW_CLIENTSECRET": None}) == Ended(0, "", "")


# Settings that are for other runs


def test_wishes_for_all_runs(ready: Surroundings) -> None:
    """What has no meaning for a run is no conflict if it is in config.toml."""
    write_config(ready, "renew = true", "session-api-key = true", "max-age = 60", "offline = true", 'ssh-key = ["x"]')

    assert ready.run("--no-session", "--get", "bw://prod-db/password") == Ended(0, "p4ss", "")
    assert ready.run("--export", "json", "-e", "A=bw://prod-db/password").stdout == '{\n  "A": "p4ss"\n}\n'
    write_config(ready, "renew = true", "session-api-key = true")
    assert ready.run("--no-session", "--", "true") == Ended(0, "", "")
    assert ready.run("--only", "prod-db", "--", "true") == Ended(0, "", "")
    assert ready.run("--renew", "--no-session", "--", "true").codes == ["usage.conflict"]


# Runs inside another one


def test_a_nested_run_reuses_the_session(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Inside a run with a profile, a run without one uses its session, whatever is at the top of the file."""
    write_config(
        ready, 'server = "eu"', 'clientid = "user.00000000-0000-4000-8000-000000000000"', 'only = ["mail"]',
        "kill-after = 5", "mask = true", "renew = true", "[profile.work]", f'server = "{server.url}"',
        *account_lines(ready, account), "mask = false", "renew = false", "only = []",
    )  # fmt: skip
    inner = '"$0" -v -- "$0" -e A=bw://prod-db/password -- sh -c "echo \\$A; ps -o ppid= -p \\$\\$"; echo $$'

    done = ready.run("--profile", "work", "--", "sh", "-c", inner, BWRUN, env={**NO_CREDENTIALS, "BWRUN_SERVER": None})

    value, parent, outer = done.stdout.split()
    assert (done.status, value, parent) == (0, "p4ss", outer)  # each has become its command in place
    assert "  settings from no file\n" in done.stderr
    assert server.logins() == 1


def test_a_nested_run_with_a_profile(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A run inside another one that names a profile uses the session if it fits, and otherwise needs its own."""
    write_config(
        ready, "[profile.same]", f'server = "{server.url}"', f'clientid = "{account.client_id}"', "[profile.other]",
        f'server = "{OTHER_SERVER}"', "[profile.stranger]", 'clientid = "user.00000000-0000-4000-8000-000000000000"',
    )  # fmt: skip
    inner = 'for name in same other stranger; do "$0" --profile $name -- echo $name; done'

    done = ready.run("--", "sh", "-c", inner, BWRUN)

    assert done.stdout == "same\n"
    assert done.codes == ["credentials.missing"] * 2
    assert server.logins() == 1


def test_cost_of_no_file(bare: Surroundings) -> None:
    """Without config.toml nothing that reads one is imported."""
    code = (
        "import sys; from bwrun.settings.config import load_config; from bwrun.settings.command_line import parse;"
        " load_config(parse(['true']), {'HOME': sys.argv[1]}); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, bare.home], check=True, capture_output=True, encoding="ascii", cwd=bare.work
    )
    loaded = done.stdout.split()

    assert "bwrun.settings.found_config" in loaded
    assert {"tomllib", "bwrun.settings.config_tables", "bwrun.settings.config_keys", "pwd"}.isdisjoint(loaded)
