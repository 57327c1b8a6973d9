"""--print-user-key: what is asked, on which terminal, and that nothing is printed but after a yes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login, OrganizationSpec
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.pty_session import Shell
from tests.support.terminal import Terminal
from tests.support.user_keys import PREFIX, text_of, with_user_key

OPTION = "--print-user-key"
QUESTION = 'answer ("yes" prints it): '
NOT_CONFIRMED = "bwrun: error: the answer was not `yes`, so the user key is not printed [credentials.not-confirmed]\n"
PASSWORD_PROMPT = "Bitwarden master password: "
SPEC = AccountSpec(
    "print@example.com",
    "correct horse",
    kdf=CHEAP,
    organizations=(OrganizationSpec("Acme"),),
    items=(ItemSpec("prod-db", Login("u", "p4ss")),),
)
KINDS = {
    "V1": SPEC,
    "V2": replace(SPEC, v2=True),
    "V2 of 2025": replace(SPEC, v2=True, xchacha20=True),
    "Key Connector": replace(SPEC, key_connector=True),
    "no private key": replace(SPEC, drop_fields=("AccountKeys", "PrivateKey"), organizations=()),
    "old": replace(SPEC, legacy_user_key=True, reply_style="vaultwarden-1.35"),
}


@contextmanager
def asked(surroundings: Surroundings, *words: str, env: Mapping[str, str | None] | None = None) -> Iterator[Terminal]:
    """Give the terminal on which the question has been asked."""
    environment = surroundings.full_environment(env or {})
    with Terminal.start([BWRUN, OPTION, *words], environment, surroundings.work) as terminal:
        terminal.wait_for(QUESTION)
        yield terminal


@pytest.mark.parametrize("kind", KINDS)
def test_prints_it_and_it_opens(bare: Surroundings, server: BitwardenServer, kind: str) -> None:
    """After a yes, the one line is the key that the account has, of each kind, and it opens the vault."""
    server.clear_faults()
    account = server.add_account(KINDS[kind])
    bare.use(server, account)
    with asked(bare) as terminal:
        terminal.type("yes\n")

        assert terminal.ended() == 0
        explanation, _, printed = terminal.screen.partition(QUESTION)
        assert printed == f"yes\n{text_of(account)}\n"
    assert explanation.startswith("The user key of print@example.com decrypts its whole vault\n")
    assert explanation.count(".\n") == 2  # sentences
    done = bare.run("-e", "A=bw://prod-db", "--", "sh", "-c", 'printf "$A"', env=with_user_key(account))
    assert done == Ended(0, "p4ss", "")


@pytest.mark.parametrize("answer", ["no\n", "y\n", "Yes\n", "yes!\n", "yes please\n", "\n", "\x04"])
def test_every_other_answer(ready: Surroundings, account: Account, answer: str) -> None:
    """Every answer but `yes` prints nothing."""
    with asked(ready) as terminal:
        terminal.type(answer)

        assert terminal.ended() == 125
        assert terminal.screen.endswith(NOT_CONFIRMED)
        assert PREFIX not in terminal.screen
        assert terminal.modes() == terminal.modes_at_first


def test_what_is_typed_before_is_no_answer(ready: Surroundings) -> None:
    """A yes that was typed before the question was asked does not answer it."""
    with Terminal.start([BWRUN, OPTION], ready.environment, ready.work) as terminal:
        terminal.type("yes\n")
        terminal.wait_for(QUESTION)
        terminal.type("no\n")

        assert terminal.ended() == 125
        assert PREFIX not in terminal.screen


def test_ctrl_c(ready: Surroundings) -> None:
    """Ctrl-C at the question ends bwrun by SIGINT, and nothing is printed."""
    with asked(ready) as terminal:
        terminal.type("\x03")

        assert terminal.ended() == -2
        assert PREFIX not in terminal.screen


def test_stop_and_go_on(ready: Surroundings, account: Account) -> None:
    """In a shell with job control, Ctrl-Z at the question gives the shell back, and `fg` asks again."""
    with Shell.open(ready) as bash:
        bash.type(f"bwrun {OPTION}\n")
        bash.wait_for(QUESTION)
        bash.type("\x1a")
        bash.prompt()
        bash.type("fg\n")
        bash.wait_for(QUESTION, times=2)
        bash.type("yes\n")
        bash.prompt()

        assert f"\n{text_of(account)}\n" in bash.screen


def test_into_a_file(ready: Surroundings, account: Account) -> None:
    """The key may go to a file: the question is the terminal's, and the file gets the one line."""
    path = ready.work / "key"
    path.touch(mode=0o600)
    with (
        path.open("r+") as file,
        Terminal.start([BWRUN, OPTION], ready.environment, ready.work, redirected=file) as terminal,
    ):
        terminal.wait_for(QUESTION)
        terminal.type("yes\n")

        assert terminal.ended() == 0
        assert PREFIX not in terminal.screen
    assert path.read_text() == f"{text_of(account)}\n"
    assert ready.run("--", "true", env={"BW_PASSWORD": None, "BWRUN_USER_KEY_FILE": "key"}) == Ended(0, "", "")


def test_into_a_file_that_others_can_open(ready: Surroundings, account: Account) -> None:
    """A file that others can open is warned of before the question, and a no leaves it empty."""
    words = f"umask 022; bwrun {OPTION} >key"
    with Shell.open(ready) as bash:
        bash.type(f"{words}\n")
        bash.wait_for(QUESTION)
        before = bash.screen
        bash.type("no\n")
        bash.prompt()

    assert "bwrun: warning: the key will be written to a file that other users can open (mode 0644)\n" in before
    assert (ready.work / "key").read_text() == ""


@pytest.mark.parametrize("how", ["no terminal", "BW_NOINTERACTION"])
def test_nobody_to_ask(ready: Surroundings, server: BitwardenServer, how: str) -> None:
    """Without a terminal, or where prompts are forbidden, it is refused before any request."""
    if how == "no terminal":
        done = ready.run(OPTION, stdin="yes\n")
        status, said = done.status, done.stdout + done.stderr
    else:
        environment = ready.full_environment({"BW_NOINTERACTION": "true"})
        with Terminal.start([BWRUN, OPTION], environment, ready.work) as terminal:
            status, said = terminal.ended(), terminal.screen

    assert status == 125
    assert said.startswith(
        "bwrun: error: `--print-user-key` asks on a terminal, and there is none that it may ask on ["
    )
    assert "[credentials.no-terminal]\n" in said
    assert server.requests() == []


def test_asks_for_the_password(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """It needs the master password, even where a user key is set, and asks for it if it is missing."""
    environment = ready.full_environment({"BW_PASSWORD": None, "BWRUN_USER_KEY": text_of(account)})
    with Terminal.start([BWRUN, OPTION], environment, ready.work) as terminal:
        terminal.wait_for(PASSWORD_PROMPT)
        terminal.type("wrong\n")
        terminal.wait_for(PASSWORD_PROMPT, times=2)
        assert QUESTION not in terminal.screen
        terminal.type(account.master_password + "\n")
        terminal.wait_for(QUESTION)
        terminal.type("yes\n")

        assert terminal.ended() == 0
        assert terminal.screen.endswith(f"\n{text_of(account)}\n")


def test_both_may_be_set(ready: Surroundings, account: Account) -> None:
    """For this mode, a user key beside the password is no conflict: it is not looked at, malformed or not."""
    with asked(ready, env={"BWRUN_USER_KEY": "malformed"}) as terminal:
        terminal.type("yes\n")

        assert terminal.ended() == 0
        assert terminal.screen.endswith(f"\n{text_of(account)}\n")


def test_wrong_password(ready: Surroundings) -> None:
    """Without a real unlock there is no question and no key."""
    environment = ready.full_environment({"BW_PASSWORD": "wrong"})
    with Terminal.start([BWRUN, OPTION], environment, ready.work) as terminal:
        assert terminal.ended() == 125
        assert "[crypto.wrong-master-password]" in terminal.screen
        assert QUESTION not in terminal.screen


def test_a_key_that_would_not_be_accepted(bare: Surroundings, server: BitwardenServer) -> None:
    """Where nothing could prove the key again, it is not printed."""
    server.clear_faults()
    empty = replace(KINDS["no private key"], items=())
    bare.use(server, server.add_account(empty))
    with Terminal.start([BWRUN, OPTION], bare.environment, bare.work) as terminal:
        assert terminal.ended() == 125
        assert "[crypto.unproven-user-key]" in terminal.screen


@pytest.mark.parametrize("words", [["--", "true"], ["--json"], ["--check"], ["--list"], ["--clean"]])
def test_by_itself(ready: Surroundings, server: BitwardenServer, words: list[str]) -> None:
    """It takes no command and no other mode."""
    done = ready.run(OPTION, *words)

    assert (done.status, done.codes) == (125, ["usage.conflict"])
    assert server.requests() == []


def test_leaves_no_session(ready: Surroundings) -> None:
    """While the question is open there is no session on disk."""
    with asked(ready) as terminal:
        assert ready.left() == []
        terminal.type("no\n")
        terminal.ended()


def test_inside_another_run(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Inside another bwrun it is not the session that it asks: it needs credentials of its own."""
    environment = ready.full_environment({"BW_NOINTERACTION": None})
    script = f"{BWRUN} {OPTION}; echo $?"
    with Terminal.start([BWRUN, "--", "sh", "-c", script], environment, ready.work) as terminal:
        terminal.wait_for("Bitwarden client_id: ")
        terminal.type(account.client_id + "\n")
        terminal.wait_for("Bitwarden client_secret: ")
        terminal.type(account.client_secret + "\n")
        terminal.wait_for(PASSWORD_PROMPT)
        terminal.type(account.master_password + "\n")
        terminal.wait_for(QUESTION)
        terminal.type("yes\n")

        assert terminal.ended() == 0
        assert terminal.screen.endswith(f"\n{text_of(account)}\n0\n")
