"""--clean-env: the command gets four variables of the caller and what bwrun sets, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings

SHOW = ("env", "-0")
CALLER = {"TERM": "dumb", "EDITOR": "vi", "LC_ALL": "C", "A": "of the caller", "B": "bw://prod-db/username"}
FOUR = ("PATH", "HOME", "TERM", "LANG")


def variables(done: Ended) -> dict[str, str]:
    """Return the variables that `env -0` has printed."""
    assert (done.status, done.stderr) == (0, "")
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)


def four(surroundings: Surroundings, **more: str) -> dict[str, str]:
    """Return what is left of the caller's variables, and `more`."""
    environment = surroundings.full_environment(CALLER)
    return {name: environment[name] for name in FOUR} | more


def test_what_is_left(ready: Surroundings) -> None:
    """The four variables are left; references, -e, env files and the session are added; all others are gone."""
    write_private(ready.work / "env", "A=of the file\nC={{ bw://prod-db/username }}!\nTERM=no\n")
    done = ready.run(
        "--clean-env", "--env-file", "env", "-e", "D=bw://prod-db/password", "-e", "E=e", "--", *SHOW, env=CALLER
    )
    got = variables(done)
    session = {name: got.pop(name) for name in ("BW_SESSION", "BITWARDENCLI_APPDATA_DIR", "NODE_EXTRA_CA_CERTS")}

    assert all(session.values())
    assert got == four(ready, A="of the file", B="deploy", C="deploy!", D="p4ss", E="e")


def test_without_a_session(ready: Surroundings) -> None:
    """With --no-session, an old session of the caller is taken away too, and so are the certificates."""
    old = {
        "BW_SESSION": "old",
        "BITWARDENCLI_APPDATA_DIR": "/nowhere",
        "NODE_EXTRA_CA_CERTS": ready.environment["SSL_CERT_FILE"],
    }
    done = ready.run("--clean-env", "--no-session", "--", *SHOW, env={**CALLER, **old, "B": None})

    assert variables(done) == four(ready)


def test_what_is_not_there(ready: Surroundings) -> None:
    """A variable that the caller does not have is not made up: without TERM and LANG there are two."""
    done = ready.run("--clean-env", "--no-session", "--", *SHOW, env={"LANG": None})

    assert variables(done).keys() == {"PATH", "HOME"}


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (("--clean-env", "--keep", "A", "--keep", "EDITOR", "--keep", "NOT_SET"), {}),
        ((), {"BWRUN_CLEAN_ENV": "1", "BWRUN_KEEP": "A, EDITOR"}),
        (("--clean-env",), {"BWRUN_KEEP": "A EDITOR"}),
    ],
)
def test_keep(ready: Surroundings, words: tuple[str, ...], env: Mapping[str, str]) -> None:
    """--keep leaves a variable to the command, which then wins over env files as ever."""
    write_private(ready.work / "env", "A=of the file\n")
    done = ready.run(*words, "--no-session", "--env-file", "env", "--", *SHOW, env={**CALLER, **env, "B": None})

    assert variables(done) == four(ready, A="of the caller", EDITOR="vi")


def test_pass(ready: Surroundings, account: Account) -> None:
    """A credential that --pass names is left to the command."""
    done = ready.run("--clean-env", "--no-session", "--pass", "BW_CLIENTID", "--", *SHOW)

    assert variables(done).keys() == {"PATH", "HOME", "LANG", "BW_CLIENTID"}


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        ("x bw://prod-db", False),
        ("{{ x }} bw://prod-db", False),
        ("{{ bw://prod-db/username }}", True),
        ("x{{\tbw://prod-db/username}}y", True),
    ],
)
def test_text_with_a_reference(ready: Surroundings, value: str, stays: bool) -> None:  # noqa: FBT001
    """Of the caller's variables that contain `bw://`, only those are left in which bwrun replaces it."""
    done = ready.run("--clean-env", "--no-session", "--", *SHOW, env={"X": value})

    assert ("X" in variables(done)) == stays


@pytest.mark.parametrize("name", ["SUDO_COMMAND", "MAKEFLAGS"])
def test_command_line_of_another_program(ready: Surroundings, name: str) -> None:
    """A command line that another program keeps in a variable is taken away, whatever stands in it."""
    done = ready.run("--clean-env", "--no-session", "--", *SHOW, env={name: "bwrun -e A={{ bw://nowhere }}"})

    assert name not in variables(done)


def test_socket_activation(ready: Surroundings) -> None:
    """LISTEN_PID goes with LISTEN_FDS: both are taken away, or both are left."""
    script = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --clean-env --no-session "$@" -- env -0'
    for words, count in (((), 0), (("--keep", "LISTEN_FDS", "--keep", "LISTEN_PID"), 2)):
        done = ready.run("--no-session", "--", "sh", "-c", script, BWRUN, *words)

        assert sum(name.startswith("LISTEN_") for name in variables(done)) == count


@pytest.mark.parametrize("option", [(), ("--kill-after", "60")], ids=["in place", "with a worker"])
def test_nested(ready: Surroundings, server: BitwardenServer, option: tuple[str, ...]) -> None:
    """A nested run leaves the outer session to its command, with the certificates, and what it resolves itself."""
    inner: tuple[str | Path, ...] = (
        BWRUN,
        "--clean-env",
        *option,
        "--keep",
        "EDITOR",
        "-e",
        "D=bw://prod-db/password",
        "--",
        *SHOW,
    )
    done = ready.run("-e", "OF_OUTER=bw://mail/password", "--", *inner, env=CALLER)
    got = variables(done)

    assert got.pop("NODE_EXTRA_CA_CERTS")
    assert got.pop("BW_SESSION")
    assert got.pop("BITWARDENCLI_APPDATA_DIR").startswith(str(ready.runtime))
    assert got == four(ready, D="p4ss", EDITOR="vi")
    assert [one.path for one in server.requests()].count("/identity/connect/token") == 1


def test_check_says_what_is_taken_away(ready: Surroundings) -> None:
    """--check lists what is taken away, and no such variable as one that loses."""
    write_private(ready.work / "env", "A=of the file\n")
    words = ("--clean-env", "--keep", "EDITOR", "--env-file", "env", "--check", "--json", "--", "true")
    report = json.loads(ready.run(*words, env={**CALLER, "BW_SESSION": "old"}).stdout)
    by_name = {one["name"]: one for one in report["variables"]}

    assert report["taken_away"] == sorted(
        ["BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD", "BWRUN_SERVER", "LC_ALL", "SSL_CERT_FILE", "XDG_RUNTIME_DIR"]
    )
    assert report["inherited"] == ["EDITOR", "HOME", "LANG", "PATH", "TERM"]
    assert (by_name["A"]["set_by"], by_name["A"]["instead_of"]) == ("`env` line 1", [])
    assert by_name["B"]["set_by"] == "the environment"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--keep", "A"), "usage.conflict"),
        (("--clean-env", "--keep", "BW_PASSWORD"), "usage.keep"),
        (("--clean-env", "--keep", "A=1"), "usage.keep"),
        (("--clean-env", "--keep", ""), "usage.keep"),
    ],
)
def test_cannot_be_kept(ready: Surroundings, words: tuple[str, ...], code: str) -> None:
    """--keep needs --clean-env, and the name of a variable that is not bwrun's own."""
    done = ready.run(*words, "--", "true")

    assert (done.status, done.codes) == (125, [code])


def test_not_by_a_found_file(ready: Surroundings) -> None:
    """A `.env` that bwrun found by itself cannot say what is kept."""
    write_private(ready.work / ".env", "BWRUN_KEEP=EDITOR\n")
    done = ready.run("--clean-env", "--no-session", "--", *SHOW, env=CALLER)

    assert "BWRUN_KEEP" in done.stderr
    assert "EDITOR=" not in done.stdout
