"""The recipes of docs/credentials.md, each run with the real tool, and a real keyring of a desktop."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.kept import all_of, change_kept, write_kept
from tests.support.needs import program
from tests.support.pages import page
from tests.support.program import BWRUN, TIMEOUT, Surroundings
from tests.support.terminal import Terminal

KEY = "bwrun-test@example.com"
UNLOCK = "printf %s keyring-password | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1"


def recipe(tool: str) -> list[str]:
    """Return the command lines of the recipe whose first one starts a tool, with a command that only succeeds."""
    recipes = [[step.command for step in one.steps] for one in page("docs/credentials.md").examples()]
    found = [lines for lines in recipes if lines[0].partition(" | ")[2].startswith(tool) or lines[0].startswith(tool)]

    assert len(found) == 1
    return [line.replace("make deploy", "true") for line in found[0]]


def with_secrets(line: str, account: Account) -> str:
    """Return a command line for a shell that knows the two secrets, but gives them to no program."""
    secrets = {"BW_CLIENTSECRET": account.client_secret, "BW_PASSWORD": account.master_password}
    return "; ".join((*(f"{name}={shlex.quote(value)}" for name, value in secrets.items()), line))


def run(line: str, surroundings: Surroundings, stdin: str = "") -> str:
    """Run a command line with `stdin`; it must succeed. Return what it printed."""
    done = subprocess.run(
        ["sh", "-c", line],
        check=False,
        cwd=surroundings.work,
        env=surroundings.environment,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=TIMEOUT,
        start_new_session=True,
    )

    assert done.returncode == 0, f"{line}\n{done.stdout}"
    return done.stdout


@pytest.fixture
def desk(ready: Surroundings, account: Account) -> Iterator[Surroundings]:
    """Give surroundings in which the two secrets are missing, with a short path for sockets, and bwrun on the PATH."""
    for name in ("BW_CLIENTSECRET", "BW_PASSWORD"):
        del ready.environment[name]
    with tempfile.TemporaryDirectory(prefix="bw") as folder:
        ready.environment |= {
            "PATH": os.pathsep.join((str(BWRUN.parent), ready.environment["PATH"])),
            "GNUPGHOME": folder,
            "USER": "somebody",
        }
        yield ready


@pytest.mark.slow
def test_pass(desk: Surroundings, account: Account) -> None:
    """Pass prints what gpg decrypts."""
    program("pass", "pass is not installed")
    new_key = f"gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-gen-key {KEY} future-default"
    run(f"{new_key} default never && pass init {KEY}", desk)
    try:
        insert_secret, insert_password, use = recipe("pass insert")
        run(insert_secret, desk, f"{account.client_secret}\n" * 2)
        run(insert_password, desk, f"{account.master_password}\n" * 2)

        assert run(use, desk) == ""
    finally:
        run("gpgconf --kill all", desk)


def test_age(desk: Surroundings, account: Account) -> None:
    """Age decrypts with an identity in a file."""
    program("age", "age is not installed")
    *prepare, use = recipe("age-keygen")
    for line in prepare:
        run(with_secrets(line, account), desk)

    assert run(use, desk) == ""


@pytest.mark.slow
def test_systemd_creds(desk: Surroundings, account: Account) -> None:
    """systemd-creds decrypts with the key of the machine."""
    program("systemd-creds", "systemd-creds is not installed")
    if os.geteuid() != 0:
        pytest.skip("systemd-creds needs root")
    *prepare, use = recipe("systemd-creds")
    for line in prepare:
        run(with_secrets(line, account), desk)

    run(use, desk)


@pytest.mark.parametrize("line", recipe("security"))
def test_security(desk: Surroundings, line: str) -> None:
    """The commands for macOS are at least the shell's grammar, down to the command within."""
    run(f"sh -n -c {shlex.quote(line)}", desk)
    for inner in shlex.split(line):
        if inner.startswith("security "):
            run(f"sh -n -c {shlex.quote(inner)}", desk)


# A real Secret Service.


@pytest.fixture
def desktop(desk: Surroundings) -> Surroundings:
    """Give surroundings for a D-Bus session with a keyring of GNOME's."""
    for tool in ("dbus-run-session", "gnome-keyring-daemon", "secret-tool"):
        program(tool, f"{tool} is not installed")
    desk.environment |= {"XDG_RUNTIME_DIR": desk.environment["GNUPGHOME"], "BWRUN_RUNTIME_DIR": str(desk.runtime)}
    return desk


@pytest.mark.slow
def test_secret_tool(desktop: Surroundings, account: Account) -> None:
    """secret-tool asks the keyring of the desktop."""
    store_secret, store_password, use = recipe("secret-tool")
    write_private(desktop.work / "secret", account.client_secret, newline="")
    write_private(desktop.work / "pw", account.master_password, newline="")
    script = f"set -e; {UNLOCK}; {store_secret} <secret; {store_password} <pw; {use}; echo ran"

    assert run(f"dbus-run-session -- sh -c {shlex.quote(script)} 2>/dev/null", desktop) == "ran\n"


@pytest.mark.slow
def test_login_with_a_desktop(desktop: Surroundings, server: BitwardenServer, account: Account) -> None:
    """--login keeps in the Secret Service, a run in the same desktop takes it from there, and --logout removes it."""
    for name in ("BW_CLIENTID", "BWRUN_SERVER"):
        desktop.environment.pop(name)
    script = desktop.work / "desktop"
    later = "bwrun -v -- true 2>&1 | grep -o 'master password from the keyring'"
    gone = "secret-tool search --all service bwrun 2>&1 | grep -c attribute"
    script.write_text(f"#!/bin/sh\n{UNLOCK}\nbwrun --login && {later} && bwrun --logout; {gone}; echo finished\n")
    script.chmod(0o755)

    status, screen = log_in_within(["dbus-run-session", "--", str(script)], desktop, account, server)

    assert status == 0, screen
    assert "kept client_id, client_secret and master password in the keyring (SecretService Keyring)" in screen
    assert "\nmaster password from the keyring\n" in screen
    assert f"bwrun: removed the credentials of {account.email} at {server.url} from the keyring and " in screen
    assert "\n0\nfinished\n" in screen


def log_in_within(
    words: list[str], desktop: Surroundings, account: Account, server: BitwardenServer
) -> tuple[int, str]:
    """Answer `bwrun --login`, which a program runs on a terminal; return the status of the program, and the screen."""
    with Terminal.start(words, desktop.environment, desktop.work) as terminal:
        for question, answer in all_of(account, server.url):
            terminal.wait_for(question)
            terminal.type(answer + "\n")
        return terminal.ended(), terminal.screen


@pytest.mark.slow
def test_locked_keyring(desktop: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A run without a terminal does not wait longer than its time limit for a keyring that nobody unlocks."""
    path = write_kept(desktop.home, account, server=server.url)
    change_kept(path, client_secret=None, master_password=None, in_keyring=["client_secret", "master_password"])
    desktop.environment.pop("BW_CLIENTID")
    script = (
        f"{UNLOCK}; printf x | secret-tool store --label=x a b; secret-tool lock; bwrun --timeout 5 -- true; echo $?"
    )

    shown = run(f"dbus-run-session -- sh -c {shlex.quote(script)} 2>&1", desktop)

    assert "[credentials.keyring]" in shown
    assert shown.endswith("\n125\n")
    assert server.requests() == []
