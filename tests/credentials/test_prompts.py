"""What is missing is asked for on the terminal, and the terminal is afterwards as it was."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.program import BWRUN, Surroundings
from tests.support.terminal import Terminal, wait_until

CREDENTIALS = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
PASSWORD_PROMPT = "Bitwarden master password: "
AGAIN = f"{PASSWORD_PROMPT}\nwrong master password; try again\n"
REFUSED = (
    "bwrun: error: wrong master password [crypto.wrong-master-password]\n"
    "bwrun: hint: check the master password from the prompt\n"
)
TOKEN, SYNC = "/identity/connect/token", "/api/sync"


@pytest.fixture
def asking(ready: Surroundings) -> Surroundings:
    """Give surroundings in which only the master password is missing."""
    del ready.environment["BW_PASSWORD"]
    return ready


def asked(server: BitwardenServer, path: str) -> int:
    """
    Return how many requests there were for a path that every run waits for.

    A run does not wait for long for the server's config, so on a busy machine that request may come in after its end.
    """
    return [request.path for request in server.requests()].count(path)


def test_asks_for_all_three(ready: Surroundings, account: Account) -> None:
    """The client id is shown as it is typed, the secret ones are not, and the command gets a session."""
    environment = ready.full_environment(dict.fromkeys(CREDENTIALS))
    with Terminal.start([BWRUN, "--", "sh", "-c", "echo ${#BW_SESSION}"], environment, ready.work) as terminal:
        before = terminal.modes_at_first
        terminal.wait_for("client_id: ")
        shows_id = terminal.echoes()
        terminal.type(account.client_id + "\n")
        terminal.wait_for("client_secret: ")
        shows_secret = terminal.echoes()
        terminal.type(account.client_secret + "\n")
        terminal.wait_for(PASSWORD_PROMPT)
        shows_password = terminal.echoes()
        terminal.type(account.master_password + "\n")

        assert terminal.ended() == 0
        assert terminal.screen == (
            f"Bitwarden client_id: {account.client_id}\nBitwarden client_secret: \n{PASSWORD_PROMPT}\n88\n"
        )
        assert (shows_id, shows_secret, shows_password) == (True, False, False)
        assert terminal.modes() == before


def test_asks_on_the_terminal_not_on_stdin(asking: Surroundings, account: Account) -> None:
    """With stdin, stdout and stderr redirected the prompt is still the terminal's, and stdin the command's."""
    file = write_private(asking.work / "file", "for the command")
    words: list[str | Path] = [BWRUN, "--", "sh", "-c", 'read -r line; echo "got: $line"']
    with (
        file.open("r+") as redirected,
        Terminal.start(words, asking.environment, asking.work, redirected=redirected) as terminal,
    ):
        terminal.wait_for(PASSWORD_PROMPT)
        terminal.type(account.master_password + "\n")

        assert terminal.ended() == 0
        assert terminal.screen == f"{PASSWORD_PROMPT}\n"
    assert file.read_text() == "for the command\ngot: for the command\n"


@pytest.mark.parametrize(
    ("way", "number"),
    [("Ctrl-C", signal.SIGINT), ("Ctrl-\\", signal.SIGQUIT), ("kill", signal.SIGTERM), ("kill", signal.SIGHUP)],
)
def test_signal_at_the_prompt(asking: Surroundings, server: BitwardenServer, way: str, number: signal.Signals) -> None:
    """A signal at the prompt ends bwrun by that signal, with the terminal's modes as they were and nothing said."""
    with Terminal.start([BWRUN, "--", "true"], asking.environment, asking.work) as terminal:
        before = terminal.modes_at_first
        terminal.wait_for(PASSWORD_PROMPT)
        if way == "kill":
            terminal.process.send_signal(number)
        else:
            terminal.type({"Ctrl-C": "\x03", "Ctrl-\\": "\x1c"}[way])

        assert terminal.ended() == -number
        assert terminal.modes() == before
        assert "bwrun:" not in terminal.screen
    assert asking.left() == []
    assert asked(server, TOKEN) == 0


@pytest.mark.parametrize("typed", ["\x04", "\n"], ids=["Ctrl-D", "Return"])
@pytest.mark.parametrize(
    ("name", "question"), [("BW_CLIENTID", "Bitwarden client_id"), ("BW_PASSWORD", "Bitwarden master password")]
)
def test_nothing_is_typed(ready: Surroundings, name: str, question: str, typed: str) -> None:
    """Ctrl-D or an empty line at the prompt is an error on a line of its own; the terminal's modes are as they were."""
    environment = ready.full_environment({name: None})
    with Terminal.start([BWRUN, "--", "true"], environment, ready.work) as terminal:
        before = terminal.modes_at_first
        terminal.wait_for(f"{question}: ")
        terminal.type(typed)

        assert terminal.ended() == 125
        assert terminal.modes() == before
        assert terminal.screen == (
            f"{question}: \nbwrun: error: nothing was entered for the {question} [credentials.empty]\n"
        )


@pytest.mark.parametrize("wrong", range(4))
def test_wrong_password_is_typed(asking: Surroundings, server: BitwardenServer, account: Account, wrong: int) -> None:
    """A wrong master password may be typed again, twice; there is one login for all tries, and nothing is echoed."""
    typed = [f"wrong {number}" for number in range(wrong)] + [account.master_password]
    tries = min(len(typed), 3)
    with Terminal.start([BWRUN, "--", "echo", "ran"], asking.environment, asking.work) as terminal:
        before = terminal.modes()
        echoes = []
        for number in range(tries):
            terminal.wait_for(PASSWORD_PROMPT, times=number + 1)
            echoes.append(terminal.echoes())
            terminal.type(typed[number] + "\n")

        assert terminal.ended() == (0 if wrong < 3 else 125)
        last = f"{PASSWORD_PROMPT}\n" + ("ran\n" if wrong < 3 else REFUSED)
        assert terminal.screen == AGAIN * (tries - 1) + last
        assert echoes == [False] * tries
        assert terminal.modes() == before
    assert (asked(server, TOKEN), asked(server, SYNC)) == (1, 1)


def test_wrong_client_secret_is_typed(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A wrong client secret may be typed again, twice, with one login for each; one from elsewhere may not."""
    environment = ready.full_environment({"BW_CLIENTSECRET": None})
    question = "Bitwarden client_secret: "
    with Terminal.start([BWRUN, "--", "echo", "ran"], environment, ready.work) as terminal:
        for number, typed in enumerate(("wrong secret", "another", account.client_secret), 1):
            terminal.wait_for(question, times=number)
            terminal.type(typed + "\n")

        assert terminal.ended() == 0
        assert terminal.screen.endswith(f"{question}\nran\n")
    assert asked(server, TOKEN) == 3
    assert ready.run("--", "true", env={"BW_CLIENTSECRET": "wrong secret"}).codes == ["auth.invalid-api-key"]
    assert asked(server, TOKEN) == 4


def test_wrong_id_is_told_at_once(ready: Surroundings) -> None:
    """Who types an organization's client id is not asked for the rest."""
    environment = ready.full_environment(dict.fromkeys(CREDENTIALS))
    with Terminal.start([BWRUN, "--", "true"], environment, ready.work) as terminal:
        terminal.wait_for("client_id: ")
        terminal.type("organization.00000000-0000-4000-8000-000000000000\n")

        assert terminal.ended() == 125
        assert "[credentials.organization-key]" in terminal.screen
        assert "client_secret: " not in terminal.screen


@pytest.mark.parametrize(
    ("command", "changes", "status", "code"),
    [
        ("true", {"BW_NOINTERACTION": "true"}, 125, "credentials.missing"),
        ("nope", {}, 127, "command.not-found"),
        ("true", {"BW_CLIENTSECRET": "'quoted'"}, 125, "credentials.quoted"),
        ("true", {"BWRUN_SERVER": "http://vault.example.com"}, 125, "config.insecure-server"),
    ],
)
def test_no_prompt_for_a_run_that_must_fail(
    asking: Surroundings, command: str, changes: dict[str, str], status: int, code: str
) -> None:
    """What can be told to fail offline fails before any prompt, and BW_NOINTERACTION forbids prompts."""
    environment = asking.full_environment(changes)
    with Terminal.start([BWRUN, "--", command], environment, asking.work) as terminal:
        assert terminal.ended() == status
        assert f"[{code}]" in terminal.screen
        assert PASSWORD_PROMPT not in terminal.screen


# Under a shell with job control.

SHELL_PROMPT = "READY> "


def start_shell(surroundings: Surroundings) -> tuple[list[str], dict[str, str]]:
    """Return the words of an interactive shell, and its environment."""
    return ["sh", "-i"], surroundings.full_environment({"PS1": SHELL_PROMPT, "ENV": "", "PS2": ""})


def test_stop_and_go_on(asking: Surroundings, account: Account) -> None:
    """Ctrl-Z at the prompt gives the shell a terminal that echoes; after `fg` the question is asked again."""
    words, environment = start_shell(asking)
    with Terminal.start(words, environment, asking.work) as terminal:
        terminal.wait_for(SHELL_PROMPT)
        before = terminal.modes_at_first
        terminal.type(f"{BWRUN} -- sh -c 'echo ${{#BW_SESSION}}'\n")
        terminal.wait_for(PASSWORD_PROMPT)
        assert not terminal.echoes()
        terminal.type("half a passw\x1a")
        terminal.wait_for(SHELL_PROMPT, times=2)

        assert terminal.modes() == before
        terminal.type("fg\n")
        terminal.wait_for(PASSWORD_PROMPT, times=2)
        assert not terminal.echoes()
        terminal.type(account.master_password + "\n")
        terminal.wait_for("\n88\n")
        terminal.wait_for(SHELL_PROMPT, times=3)
        assert terminal.modes() == before
        assert account.master_password not in terminal.screen
        terminal.type("exit\n")
        assert terminal.ended() == 0


def test_killed_while_stopped(asking: Surroundings, server: BitwardenServer) -> None:
    """A run that was stopped at the prompt and is then killed leaves neither a session nor changed modes."""
    words, environment = start_shell(asking)
    with Terminal.start(words, environment, asking.work) as terminal:
        terminal.wait_for(SHELL_PROMPT)
        before = terminal.modes_at_first
        terminal.type(f"{BWRUN} -- true\n")
        terminal.wait_for(PASSWORD_PROMPT)
        terminal.type("\x1a")
        terminal.wait_for(SHELL_PROMPT, times=2)
        terminal.type("kill %1; fg; echo status=$?\n")
        terminal.wait_for(f"\nstatus={128 + signal.SIGTERM}\n")

        assert terminal.modes() == before
        assert "bwrun: " not in terminal.screen
        terminal.type("exit\n")
        terminal.ended()
    assert asked(server, TOKEN) == 0


def test_in_the_background(asking: Surroundings, account: Account) -> None:
    """A run in the background that has to ask is stopped by the terminal, and asks when it comes to the front."""
    words, environment = start_shell(asking)
    with Terminal.start(words, environment, asking.work) as terminal:
        terminal.wait_for(SHELL_PROMPT)
        before = terminal.modes_at_first
        terminal.type(f"{BWRUN} -- true & echo pid=$!.\n")
        terminal.wait_for("pid=", times=2)
        wait_until(lambda: "." in terminal.read().rpartition("pid=")[2])
        pid = int(terminal.screen.rpartition("pid=")[2].partition(".")[0])
        wait_until(lambda: state_of(pid) == "T")

        assert terminal.modes() == before
        terminal.type("fg\n")
        terminal.wait_for(PASSWORD_PROMPT)
        terminal.type(account.master_password + "\n")
        terminal.wait_for(SHELL_PROMPT, times=3)
        terminal.type("echo status=$?\n")
        terminal.wait_for("status=0")
        terminal.type("exit\n")
        assert terminal.ended() == 0


def state_of(pid: int) -> str:
    """Return the state of a process, one letter: T is stopped."""
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True).stdout[:1]
