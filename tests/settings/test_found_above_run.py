"""Runs in a directory of a repository whose root has a `.env`."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.settings.test_found_file import NOBODY
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.users import needs_root


@pytest.fixture
def below(ready: Surroundings) -> Path:
    """Make the working directory a repository; return a directory in it."""
    (ready.work / ".git").mkdir()
    folder = ready.work / "one" / "two"
    folder.mkdir(parents=True)
    return folder


def test_a_run_below_the_root(ready: Surroundings, server: BitwardenServer, account: Account, below: Path) -> None:
    """Credentials, server, variables and references of the file count; -v and --check say which file that is."""
    path = write_private(
        ready.work / ".env", f"BW_CLIENTSECRET={account.client_secret}", f"BWRUN_SERVER={server.url}", "A=1",
        "B=bw://prod-db/password",
    )  # fmt: skip
    env = {"BW_CLIENTSECRET": None, "BWRUN_SERVER": None}

    done = ready.run("-v", "--", "sh", "-c", "echo $A $B; pwd", env=env, cwd=below)
    report = json.loads(ready.run("--check", "--json", env=env, cwd=below).stdout)

    assert (done.status, done.stdout) == (0, f"1 p4ss\n{below}\n")
    assert f"  settings from `{path}`\n" in done.stderr
    assert f"client_secret from `{path}` line 1," in done.stderr
    assert (report["env_files"], report["config_file"], report["profile"]) == ([str(path)], None, None)
    assert {one["name"]: one["set_by"] for one in report["variables"] if one["name"] in "AB"} == {
        "A": f"`{path}` line 3", "B": f"`{path}` line 4",
    }  # fmt: skip


def test_it_is_trusted_no_more(ready: Surroundings, server: BitwardenServer, below: Path) -> None:
    """A setting and a server that a found file may not set are ignored, with a hint that names the file."""
    path = write_private(ready.work / ".env", "BWRUN_TIMEOUT=1", f"BWRUN_SERVER={server.url}")

    done = ready.run("--", "true", env={"BWRUN_SERVER": None}, cwd=below)

    trust = f"or name the file to trust it: `--env-file {path}`"
    lines = done.stderr.splitlines()
    assert (done.status, done.codes) == (125, ["config.untrusted-server"])
    assert [line for line in lines if line.endswith(trust)] == lines[1::2]
    assert lines[0].startswith(f"bwrun: warning: ignoring BWRUN_TIMEOUT in `{path}`: bwrun found this file by itself")
    assert lines[4].startswith(f"bwrun: error: BWRUN_SERVER in `{path}` line 2 names a server, but the client secret")
    assert server.requests() == []


@pytest.mark.parametrize("what", ["code", "mode", pytest.param("owner", marks=needs_root)])
def test_it_is_refused_no_less(ready: Surroundings, server: BitwardenServer, below: Path, what: str) -> None:
    """A file that leads to code, that others can write or that is not ours is refused as one that is here."""
    path = write_private(ready.work / ".env", "LD_PRELOAD=x" if what == "code" else "A=1")
    if what == "mode":
        path.chmod(0o666)
    if what == "owner":
        os.chown(path, NOBODY, NOBODY)

    done = ready.run("--", "touch", "started", cwd=below)

    assert (done.status, done.codes) == (125, ["config.untrusted-env-file"])
    assert done.stderr.startswith(f"bwrun: error: {'other users can write to ' if what == 'mode' else ''}`{path}` ")
    assert f"or name the file to trust it: `--env-file {path}`\n" in done.stderr
    assert not (below / "started").exists()
    assert server.requests() == []
    assert ready.run("--env-file", "../../.env", "--", "/bin/true", cwd=below).codes == []


def test_a_named_file_replaces_it(ready: Surroundings, below: Path) -> None:
    """With --env-file, no file above is read."""
    write_private(ready.work / ".env", "A=above")
    write_private(below / "own", "B=own")

    assert ready.run("--env-file", "own", "--", "sh", "-c", "echo $A$B", cwd=below) == Ended(0, "own\n", "")


def test_nested(ready: Surroundings, server: BitwardenServer, below: Path) -> None:
    """A run inside another one finds the file of the directory that it is in, and resolves its references."""
    write_private(ready.work / ".env", "A=bw://prod-db/password")
    inner = 'cd one/two && "$0" -- "$0" -- sh -c "echo \\$A; ps -o ppid= -p \\$\\$"; echo $$'

    done = ready.run("--", "env", "-u", "A", "sh", "-c", inner, BWRUN)

    value, parent, outer = done.stdout.split()
    assert (done.status, done.stderr, value, parent) == (0, "", "p4ss", outer)
    assert sum(request.path.endswith("/connect/token") for request in server.requests()) == 1


def test_a_pipe_is_read_once(ready: Surroundings, below: Path) -> None:
    """A `.env` that is a pipe, as password managers make them, is read once by each run, nested ones too."""
    pipe, turn = ready.work / ".env", ready.work / "turn"
    os.mkfifo(pipe, 0o600)
    os.mkfifo(turn)
    served: list[int] = []

    def serve() -> None:
        for number in range(2):
            with pipe.open("w") as file:
                file.write(f"A=bw://prod-db/password\nN={number}\n")
            served.append(number)
            if number == 0:
                turn.read_bytes()  # until the command of the outer run has opened and closed it

    writer = threading.Thread(target=serve, daemon=True)
    writer.start()
    inner = 'echo $A $N; : >../../turn; exec env -u A -u N "$0" -- sh -c "echo \\$A \\$N"'
    done = ready.run("--", "sh", "-c", inner, BWRUN, cwd=below)
    writer.join(60)

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss 0\np4ss 1\n", "")
    assert served == [0, 1]
