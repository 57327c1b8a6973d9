"""What bwrun waits for is a line on the terminal, rewritten while the wait goes on and gone at its end."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.server.control import Account, BitwardenServer
from tests.server.faults import Delay, Drip, Fault, Hold, Status
from tests.support.cached import Cached
from tests.support.program import BWRUN, Surroundings
from tests.support.pty_session import CTRL_C, CTRL_Z, Line, Shell

TOKEN, SYNC, LOGGING_IN, ANSWER = "/connect/token", "/api/sync", "bwrun: logging in to ", "waiting for the answer ("
REWRITABLE = {"TERM": "xterm-256color"}


@pytest.fixture
def slow(ready: Surroundings, server: BitwardenServer) -> Surroundings:
    """Give surroundings in which the server does not answer a login before its faults are cleared."""
    ready.environment |= REWRITABLE
    server.set_fault(Fault(TOKEN, Hold()))
    return ready


@contextmanager
def terminal(surroundings: Surroundings, *words: str, columns: int = 100) -> Iterator[Line]:
    """Run `bwrun WORDS…` on a terminal of that width."""
    script = f'stty columns {columns}; exec "$@"'
    with Line.start(["sh", "-c", script, "sh", BWRUN, *words], surroundings.environment, surroundings.work) as found:
        assert isinstance(found, Line)
        yield found


def seen(screen: str) -> list[str]:
    """Return the lines that a person sees when all was written: CR goes back, and EL clears what is behind it."""
    lines = []
    for written in screen.split("\n"):
        line, column = "", 0
        for part in re.split(r"(\r|\x1b\[K)", written):
            if part == "\r":
                column = 0
            elif part == "\x1b[K":
                line = line[:column]
            else:
                line = line[:column] + part + line[column + len(part) :]
                column += len(part)
        lines.append(line)
    return lines


def drawn(screen: str) -> list[str]:
    """Return the lines that were written to be rewritten."""
    return re.findall(r"\r(bwrun: [^\r\n\x1b]*)\x1b\[K", screen)


def test_a_slow_login(slow: Surroundings, server: BitwardenServer) -> None:
    """After a second, a line says what is waited for and how long; it is gone when the command starts."""
    with terminal(slow, "--", "echo", "ran") as found:
        found.wait_for(f": {ANSWER}")
        found.wait_for(" (2 s)")
        server.clear_faults()

        assert found.ended() == 0
    assert drawn(found.screen)[-1].startswith(f"{LOGGING_IN}{server.url}: {ANSWER}")
    assert seen(found.screen) == ["ran", ""]
    assert found.screen.endswith("\r\x1b[Kran\n")


def test_interrupted_on_a_narrow_terminal(slow: Surroundings, server: BitwardenServer) -> None:
    """The line is cut to the width, with the seconds behind it; Ctrl-C removes it, and ends bwrun as ever."""
    with terminal(slow, "--", "echo", "ran", columns=30) as found:
        found.wait_for("… (2 s)")
        found.type(CTRL_C)

        assert found.ended() == -signal.SIGINT
    assert {len(line) <= 29 for line in drawn(found.screen)} == {True}
    assert seen(found.screen)[-1].strip() in ("", "^C")
    server.clear_faults()


def test_a_limit_is_counted_down(ready: Surroundings, server: BitwardenServer) -> None:
    """The seconds that the server asks for are counted down on one line."""
    ready.environment |= REWRITABLE
    server.set_fault(Fault(TOKEN, Status(429, "{}", headers={"Retry-After": "3"}), count=1))
    with terminal(ready, "--", "echo", "ran") as found:
        assert found.ended() == 0
    waits = [int(line.split()[2]) for line in drawn(found.screen) if line.endswith(" s: the server limits logins")]
    assert waits == sorted(waits, reverse=True)
    assert len(set(waits)) >= 2
    assert seen(found.screen) == ["ran", ""]


@pytest.mark.slow
def test_a_large_vault(ready: Surroundings, server: BitwardenServer) -> None:
    """While the vault comes, the line says how much of it is there."""
    ready.environment |= REWRITABLE
    server.set_fault(Fault(SYNC, Drip(1700, 600)))
    with terminal(ready, "--", "echo", "ran") as found:
        assert found.ended() == 0
    assert re.search(r"\rbwrun: downloading the vault: \d\.\d of \d\.\d kB \(\d s\)\x1b\[K", found.screen)
    assert seen(found.screen) == ["ran", ""]


def test_questions_and_errors_stand_alone(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A question, a second one and an error each stand on a line of their own."""
    ready.environment |= REWRITABLE
    del ready.environment["BW_PASSWORD"]
    server.set_fault(Fault(TOKEN, Delay(1500)))
    server.set_fault(Fault(SYNC, Hold()))
    with terminal(ready, "-e", "A=bw://missing/x", "--", "echo", "ran") as found:
        found.wait_for("master password: ")
        found.type("wrong\n")
        found.wait_for("master password: ", times=2)
        found.type(f"{account.master_password}\n")
        found.wait_for("downloading the vault")
        server.clear_faults()

        assert found.ended() == 125
    asked = "Bitwarden master password: "
    lines = seen(found.screen)
    assert lines[:3] == [asked, "wrong master password; try again", asked]
    assert lines[3].startswith("bwrun: error: A: ")
    assert "(" not in "".join(lines[:3])


def test_stopped_and_continued(slow: Surroundings, server: BitwardenServer) -> None:
    """Ctrl-Z removes the line and stops bwrun; `fg` shows the line again; in the background, nothing is written."""
    with Shell.open(slow) as bash:
        bash.type("stty columns 100\n")
        bash.prompt()
        bash.type("bwrun -- echo ran\n")
        bash.wait_for(ANSWER)
        bash.type(CTRL_Z)
        bash.prompt()
        stopped = len(drawn(bash.screen))
        bash.type("fg\n")
        bash.wait_for(ANSWER, times=stopped + 1)
        server.clear_faults()
        bash.prompt()

    shown = [line for line in seen(bash.screen) if LOGGING_IN in line]
    assert shown == []
    assert "ran" in seen(bash.screen)


def test_a_job_in_the_background_is_silent(ready: Surroundings, server: BitwardenServer) -> None:
    """A job in the background neither writes a line nor is stopped by `stty tostop`."""
    ready.environment |= REWRITABLE
    server.set_fault(Fault(TOKEN, Delay(1200), count=1))
    server.set_fault(Fault(TOKEN, Status(429, "{}", headers={"Retry-After": "1"}), count=1))
    with Shell.open(ready) as bash:
        bash.run("stty tostop")
        shown = bash.run("bwrun -- sh -c 'exit 7' & wait $!; echo status $?")

    assert "status 7" in shown
    assert "bwrun: " not in shown.replace("bwrun -- sh", "")


@pytest.mark.parametrize("term", ["dumb", None])
def test_terminals_without_rewriting(ready: Surroundings, server: BitwardenServer, term: str | None) -> None:
    """Where a line cannot be rewritten, none is: only the waits that a server asks for are told, on lines that stay."""
    ready.environment |= {} if term is None else {"TERM": term}
    server.set_fault(Fault(TOKEN, Status(429, "{}", headers={"Retry-After": "1"}), count=1))
    with terminal(ready, "--", "echo", "ran") as found:
        assert found.ended() == 0
    assert re.fullmatch(r"bwrun: waiting [12] s: the server limits logins\nran\n", found.screen)


def test_another_run_is_waited_for(cached: Cached) -> None:
    """A run that waits for another one's login says so on the line that is rewritten, and on no other."""
    cached.ask()
    cached.path.unlink()
    cached.surroundings.environment |= REWRITABLE
    with cached.path.with_suffix(".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with terminal(cached.surroundings, "--cache", "--", "echo", "ran") as found:
            found.wait_for("\rbwrun: waiting for another run of bwrun, which is logging in to this account (")
            fcntl.flock(lock, fcntl.LOCK_UN)

            assert found.ended() == 0
    assert seen(found.screen) == ["ran", ""]


def test_nothing_on_a_pipe(ready: Surroundings, server: BitwardenServer) -> None:
    """Who reads a pipe gets no line, however slow the login is."""
    server.set_fault(Fault(TOKEN, Delay(1500)))

    done = ready.run("--", "echo", "ran", env=REWRITABLE)

    assert (done.status, done.stdout, done.stderr) == (0, "ran\n", "")


def test_a_slow_password_command(ready: Surroundings, account: Account) -> None:
    """A password command that takes long is named, and its own words are readable; the line is gone at its end."""
    ready.environment |= {**REWRITABLE, "PASSWORD": account.master_password}
    del ready.environment["BW_PASSWORD"]
    go = ready.work / "go"
    os.mkfifo(go)
    command = f'echo touch your key >&2; cat {go} >&2; printf %s "$PASSWORD"'
    with terminal(ready, "--password-command", command, "--", "echo", "ran") as found:
        found.wait_for("waiting for the password command")
        go.write_text("thanks\n")

        assert found.ended() == 0
    assert seen(found.screen)[0] == "touch your key"
    assert seen(found.screen)[-2:] == ["ran", ""]
    assert found.screen.count("waiting for the password command") == 1


@pytest.mark.slow
def test_a_password_command_that_asks(ready: Surroundings, account: Account) -> None:
    """A password command that asks on the terminal has it to itself: nothing is written into its question."""
    ready.environment |= {**REWRITABLE, "PASSWORD": account.master_password}
    del ready.environment["BW_PASSWORD"]
    command = 'exec 3</dev/tty; stty -echo <&3; sleep 1.2; printf "PIN: " >&2; read pin <&3; stty echo <&3; echo >&2'
    with terminal(ready, "--password-command", f'{command}; printf %s "$PASSWORD"', "--", "echo", "ran") as found:
        found.wait_for("PIN: ")
        time.sleep(0.6)  # two looks at the terminal
        found.type("1234\n")

        assert found.ended() == 0
    assert "PIN: \n" in found.screen
    assert "\x1b[K" not in found.screen.partition("PIN: ")[2]
