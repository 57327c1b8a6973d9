"""`open_vault()` and `open_session()` in processes of their own: the programs of tests/library/sample.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.server.control import Account, BitwardenServer
from tests.server.faults import Delay, Fault, Hang, Hold
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login, Pbkdf2
from tests.supervisor.clearing.test_memory import ordinary_user, probe
from tests.support.example_vault import credentials
from tests.support.files import write_private
from tests.support.memory import found_in
from tests.support.program import TIMEOUT, Ended, Surroundings
from tests.support.terminal import Terminal, wait_until

SAMPLE = Path(__file__).with_name("sample.py")
STRICT = (sys.executable, "-X", "dev", "-W", "error")  # a resource that is not closed is an error on stderr
CANARY = "canary-of-a-caller-51d0"
TOKEN = "/connect/token"


def run(surroundings: Surroundings, *words: str | Path, env: Mapping[str, str | None] | None = None) -> Ended:
    """Run one of the programs and wait for it."""
    return surroundings.run_program(*STRICT, SAMPLE, *words, env=env)


def report(
    surroundings: Surroundings, *words: str | Path, env: Mapping[str, str | None] | None = None
) -> dict[str, object]:
    """Run one of the programs, which must print its report and nothing else; return the report."""
    ended = run(surroundings, *words, env=env)

    assert (ended.status, ended.stderr) == (0, "")
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


@contextmanager
def running(
    surroundings: Surroundings, *words: str, env: Mapping[str, str | None] | None = None, before: Sequence[str] = ()
) -> Iterator[subprocess.Popen[str]]:
    """Run one of the programs for the block; at its end, the program is killed, and its session must go."""
    with subprocess.Popen(
        [*before, sys.executable, SAMPLE, *words],
        env=surroundings.full_environment(env or {}),
        cwd=surroundings.work,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
    wait_until(lambda: surroundings.left() == [])


def directory_of(process: subprocess.Popen[str]) -> Path:
    """Wait until the program has a session; return its directory."""
    assert process.stdout is not None
    return Path(json.loads(process.stdout.readline())["directory"])


def test_values(ready: Surroundings) -> None:
    """A vault gives values as text and as bytes, texts with values in them, and a list without values."""
    found = report(ready, "values")

    assert found == {
        "password": "p4ss",
        "raw": "deploy\n",
        "texts": {"DB_PASSWORD": "p4ss", "DB_URL": "postgres://deploy:p4ss@localhost/", "STAGE": "test"},
        "items": [["mail", "login", "bw://mail"], ["prod-db", "login", "bw://prod-db"]],
        "code": 6,
    }


def test_closed_vault(ready: Surroundings) -> None:
    """After its block, a vault gives nothing, and says why."""
    found = report(ready, "closed")

    message = "the vault is closed: use it inside the `with` block of `open_vault()`"
    assert found == {"open": "<Vault, open>", "closed": "<Vault, closed>", "errors": [message] * 3}


def test_errors_of_references(ready: Surroundings) -> None:
    """Errors have their classes, codes and hints, a traceback shows both, and all that is wrong is told at once."""
    found = report(ready, "errors")

    assert found["missing"] == [
        "SecretNotFoundError", "reference.not-found", "no item is called `prod-bd`", ["did you mean `prod-db`?"],
    ]  # fmt: skip
    assert found["missing notes"] == ["[reference.not-found]", "hint: did you mean `prod-db`?"]
    assert [found[name][:2] for name in ("malformed", "file")] == [["InvalidReferenceError", "reference.invalid"]] * 2  # type: ignore[index]
    assert found["all"] == {"A": "reference.no-field", "B": "reference.invalid", "C": "reference.invalid"}


@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({"BW_PASSWORD": f"wrong {CANARY}"}, "WrongMasterPasswordError", "crypto.wrong-master-password"),
        ({"BW_CLIENTSECRET": CANARY * 2}, "AuthenticationError", "auth.invalid-api-key"),
        ({"BW_PASSWORD": None}, "CredentialError", "credentials.missing"),
        ({"BWRUN_SERVER": "https://127.0.0.1:9"}, "NetworkError", "network.unreachable"),
        ({"BWRUN_TIMEOUT": "soon"}, "ConfigError", "config.timeout"),
    ],
)
def test_both_fail_alike(
    ready: Surroundings, account: Account, changes: dict[str, str | None], kind: str, code: str
) -> None:
    """Vault and session fail with the same exception, without a secret in it or its frames. None asks on a terminal."""
    with Terminal.start([*STRICT, SAMPLE, "refused"], ready.full_environment(changes), ready.work) as terminal:
        status = terminal.ended()
    of_vault, of_session = json.loads(terminal.screen)["errors"]

    assert status == 0
    assert (of_vault["type"], of_vault["code"]) == (kind, code)
    assert (of_session["type"], of_session["code"]) == (kind, code)
    assert of_session["message"].startswith(of_vault["message"])
    assert of_vault["hints"] == of_session["hints"]
    assert of_vault["is_password"] == of_session["is_password"] == (kind == "WrongMasterPasswordError")
    assert of_vault["frames"]
    assert of_session["frames"]
    assert [one for one in (CANARY, account.client_secret, account.master_password) if one in terminal.screen] == []


def test_failed_references_of_a_session(ready: Surroundings) -> None:
    """All references of a session that fail are in one exception, by the names of their variables."""
    env = {"ONE": "bw://prod-bd", "TWO": "bw://prod-db/nothing"}
    found = report(ready, "refused", env=env)["errors"]
    assert isinstance(found, list)
    (of_session,) = found  # the vault opens: its references come later

    assert of_session["type"] == "UnresolvedReferencesError"
    assert of_session["failures"] == {"ONE": "reference.not-found", "TWO": "reference.no-field"}


def test_session(ready: Surroundings) -> None:
    """The environment of a session is that of a command of bwrun; when the block has ended, the session is gone."""
    found = report(ready, "session", env={"MINE": "of the caller"})
    environment = found["environment"]
    assert isinstance(environment, dict)

    assert environment == found["seen"]
    assert environment["DB_PASSWORD"] == "p4ss"
    assert environment["MINE"] == "of the caller"
    assert not environment.keys() & {"BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD", "BWRUN_SERVER"}
    assert found["files"] == ["data.json", "owner", "session"]
    assert found["left"] is False
    assert found["shown"] == f"<Session, {len(environment)} variables>"


def test_environment_is_the_commands(ready: Surroundings) -> None:
    """Apart from the session itself, the environment is the one that a command of `bwrun` gets, byte for byte."""
    env = {"LC_ALL": "C", "LANG": None, "BYTES": os.fsdecode(b"\xff"), "A": "x{{ bw://prod-db/password }}"}
    found = report(ready, "session", env=env)["environment"]
    ended = ready.run("-e", "DB_PASSWORD=bw://prod-db/password", "--", "env", "-0", env=env)
    of_command = dict(entry.partition("=")[::2] for entry in ended.stdout.split("\0") if entry)
    assert isinstance(found, dict)

    different = {"BW_SESSION", "BITWARDENCLI_APPDATA_DIR"}
    assert {name: text for name, text in found.items() if name not in different} == {
        name: text for name, text in of_command.items() if name not in different
    }


def test_nested(ready: Surroundings) -> None:
    """Inside a session, vault and session need no credentials, and the session stays when the inner block ends."""
    assert report(ready, "nested") == {"value": "p4ss", "same": True, "other": "m4il", "alive": True}


def test_inside_a_run(ready: Surroundings) -> None:
    """A program that `bwrun` runs opens the vault with the session that it has."""
    ended = ready.run("--", sys.executable, SAMPLE, "values")

    assert ended.status == 0
    assert json.loads(ended.stdout)["password"] == "p4ss"


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with an attachment that is not text."""
    item = ItemSpec("file", Login(), attachments=(AttachmentSpec("a.bin", b"\xff\x00a"),))
    return server.add_account(AccountSpec("library@example.com", "correct horse", Pbkdf2(5_000), items=(item,)))


def test_attachments(run_in: Surroundings) -> None:
    """An attachment is given as bytes; as text it is an error if it is none."""
    assert report(run_in, "attachments", "60", "0") == {"content": [0xFF, 0, ord("a")], "code": "reference.not-text"}


@pytest.mark.slow
def test_attachments_later(run_in: Surroundings) -> None:
    """The time limit of the login does not count while the vault is open: each value has it anew."""
    assert report(run_in, "attachments", "8", "9")["content"] == [0xFF, 0, ord("a")]


def test_leaves_the_caller_as_it_was(ready: Surroundings) -> None:
    """Blocks, failed ones too, change nothing of the process, and leave no descriptor and no thread behind."""
    found = report(ready, "twice")

    assert found["changed"] == {}
    assert found["before"] == found["after"]
    assert found["after"][1] == 1  # type: ignore[index]


def test_threads(ready: Surroundings) -> None:
    """Threads share a vault, and open sessions at the same time."""
    assert report(ready, "threads") == {"found": ["m4il", "p4ss"], "count": 162}


def test_asyncio(ready: Surroundings) -> None:
    """Beside an event loop, both work in threads."""
    assert report(ready, "in_asyncio") == {"values": ["p4ss", "m4il"]}


def test_logging(ready: Surroundings) -> None:
    """Steps and warnings go to the logger `bwrun`, the same for both."""
    write_private(ready.work / ".env", "BWRUN_VERBOSE=1")
    found = report(ready, "logged")
    steps = found["vault"]
    assert isinstance(steps, list)

    assert steps[0].startswith("WARNING ")
    assert "BWRUN_VERBOSE" in steps[0]
    assert any(step.startswith("DEBUG logged in to ") for step in steps)
    assert isinstance(found["session"], list)
    assert set(steps) <= set(found["session"])


def test_options(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Keywords are the long options, as Python values; one that is False wins over its variable."""
    write_private(ready.work / "named.env", f"{credentials(account)}BWRUN_SERVER={server.url}")
    found = report(ready, "options", env={"BWRUN_CACHE": "1h"})

    assert found == {
        "named": "p4ss", "only": True, "no_session": [False, "m4il"], "fd": "m4il", "fd is open": False,
        "command": "p4ss",
    }  # fmt: skip


def test_no_env_files(ready: Surroundings) -> None:
    """An empty list of env files is none: a `.env` that cannot be used is not read."""
    write_private(ready.work / ".env", "LD_PRELOAD=/nowhere")
    found = report(ready, "env_files")
    errors = found["errors"]

    assert found["values"] == ["p4ss", "m4il"]
    assert isinstance(errors, list)
    assert [one["code"] for one in errors] == ["config.untrusted-env-file"] * 2


def test_cache(ready: Surroundings, server: BitwardenServer) -> None:
    """With the cache, vaults and sessions share one login."""
    found = report(ready, "cached")

    assert found["values"] == ["p4ss", "p4ss", "p4ss", "m4il"]
    assert len([request for request in server.requests() if request.path.endswith(TOKEN)]) == 1


def test_wrong_keywords(bare: Surroundings) -> None:
    """What is no keyword, or has a wrong type, is a TypeError that shows no value."""
    assert report(bare, "wrong_keywords")["errors"] == [
        "open_vault() got an unexpected keyword argument 'sever'",
        "open_vault() got an unexpected keyword argument 'only'",
        "`timeout` cannot be of the type `bool`",
        "`allow_protected` cannot be of the type `str`",
        "`only` cannot be of the type `int`",
        "`env` cannot be of the type `list`",
        "`env` cannot be of the type `bytes`",
        "`environment` cannot be of the type `bytes`",
        "`environment` cannot be of the type `str`",
        "`only` cannot be of the type `bool`",
    ]


@pytest.mark.official_cli
def test_official_cli(ready: Surroundings, official_bw: Path) -> None:
    """The official CLI reads an item with the environment of a session."""
    found = report(ready, "official", official_bw)

    assert found == {"stdout": "p4ss", "stderr": ""}


def test_prints_nothing_on_a_terminal(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """However long it takes, nothing is shown on the terminal, and nothing is asked there."""
    server.set_fault(Fault(TOKEN, Delay(1_500)))
    command = f"sleep 1.5; printf %s '{account.master_password}'"
    changes = {"BW_PASSWORD": None, "BWRUN_PASSWORD_COMMAND": command, "TERM": "xterm"}
    with Terminal.start([*STRICT, SAMPLE, "refused"], ready.full_environment(changes), ready.work) as terminal:
        status = terminal.ended()

    assert (status, terminal.screen) == (0, '{"errors": []}\n')


def test_closed_standard_descriptors(ready: Surroundings) -> None:
    """A caller without stdin and stderr, as a daemon may be, opens both."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- 2>&-', "sh", sys.executable, SAMPLE, "refused"],
        check=False, env=ready.environment, cwd=ready.work, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, '{"errors": []}\n')


def test_lost_supervisor(ready: Surroundings) -> None:
    """If the supervisor is killed in the block, the session is cleared all the same, and the block ends."""
    with running(ready, "hold", "x") as process:
        directory = directory_of(process)
        (supervisor,) = psutil.Process(process.pid).children()
        supervisor.kill()
        wait_until(lambda: not directory.exists())
        assert process.stdin is not None
        process.stdin.close()

        assert process.wait(TIMEOUT) == 0


# The end of the caller ------------------------------------------------------------------------------------------------


def test_killed_caller(ready: Surroundings) -> None:
    """When the caller is killed, the session is removed, and no process of it is left."""
    with running(ready, "hold", "x") as process:
        directory = directory_of(process)
        processes = psutil.Process(process.pid).children(recursive=True)
        was_there = directory.exists()
        process.kill()
        wait_until(lambda: not directory.exists())
        wait_until(lambda: not any(one.is_running() for one in processes))

    assert was_there
    assert len(processes) >= 3


def test_killed_caller_with_a_fork(ready: Surroundings) -> None:
    """The session ends with the caller, even if a process that it has forked lives on."""
    with running(ready, "hold_and_fork") as process:
        directory = directory_of(process)
        (fork,) = [one for one in psutil.Process(process.pid).children() if one.cmdline()[-1:] == ["hold_and_fork"]]
        process.kill()
        wait_until(lambda: not directory.exists())

        assert fork.is_running()
    wait_until(lambda: not fork.is_running())


def test_fork_leaves_the_block(ready: Surroundings) -> None:
    """A forked process that leaves the block does not end the session of its parent."""
    ended = run(ready, "fork_ends")

    assert ended.stderr == ""
    assert [json.loads(line) for line in ended.stdout.splitlines()] == [{}, {"alive": True, "left": False}]


def test_caller_killed_in_the_login(ready: Surroundings, server: BitwardenServer) -> None:
    """When the caller is killed before there is a session, nothing of it is left either."""
    server.set_fault(Fault(TOKEN, Hold()))
    with running(ready, "hold", "x") as process:
        wait_until(lambda: any(request.path.endswith(TOKEN) for request in server.requests()))
        processes = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        server.clear_faults()
        wait_until(lambda: not any(one.is_running() for one in processes))

    assert ready.left() == []


def test_interrupted_login(ready: Surroundings, server: BitwardenServer) -> None:
    """Ctrl-C while a session is being opened ends its processes, and is KeyboardInterrupt in the caller."""
    server.set_fault(Fault(TOKEN, Hang()))
    with running(ready, "hold", "x") as process:
        wait_until(lambda: any(request.path.endswith(TOKEN) for request in server.requests()))
        processes = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        status = process.wait(TIMEOUT)

    assert status == -signal.SIGINT
    assert not any(one.is_running() for one in processes)
    assert ready.left() == []


def test_ctrl_c_in_the_block(ready: Surroundings) -> None:
    """A caller that goes on after Ctrl-C still has its session, also if that was opened on the terminal."""
    with Terminal.start([*STRICT, SAMPLE, "interrupted"], ready.environment, ready.work) as terminal:
        terminal.wait_for("directory")
        terminal.type("\x03")
        status = terminal.ended()

    assert status == 0
    assert json.loads(terminal.screen.splitlines()[-1].removeprefix("^C")) == {"alive": True, "left": False}


@pytest.mark.parametrize("way", ["vault", "session", "thread"])
def test_prompt(ready: Surroundings, account: Account, way: str) -> None:
    """With `prompt`, what is missing is asked for on the terminal, in a thread too."""
    environment = ready.full_environment({"BW_PASSWORD": None})
    with Terminal.start([*STRICT, SAMPLE, "prompted", way], environment, ready.work) as terminal:
        terminal.wait_for("master password: ")
        echoes = terminal.echoes()
        terminal.type(account.master_password + "\n")
        status = terminal.ended()

    assert (status, echoes) == (0, False)
    assert json.loads(terminal.screen.splitlines()[-1]) == {"value": "p4ss"}


# What a process knows -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="reads the memory of other processes")
def test_memory_of_a_caller_with_a_session(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """The caller holds the session and the values, and neither API key nor master password if it does not read them."""
    write_private(ready.work / ".env", f"{credentials(account)}BWRUN_SERVER={server.url}")
    own = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD", "BWRUN_SERVER")
    nothing: dict[str, str | None] = dict.fromkeys(own)
    secrets = {
        "client secret": account.client_secret.encode(),
        "master password": account.master_password.encode(),
        "user key": bytes.fromhex(account.user_key_hex)[:32],
    }
    with running(ready, "hold", CANARY, env=nothing) as process:
        directory = directory_of(process)
        caller = psutil.Process(process.pid)
        in_caller = found_in(caller, secrets | {"value": CANARY.encode(), "session": str(directory).encode()})
        words = b"".join(Path(f"/proc/{one.pid}/cmdline").read_bytes() for one in caller.children(recursive=True))
        in_others = {
            one.name(): found_in(one, secrets | {"value": CANARY.encode()}) for one in caller.children(recursive=True)
        }

    assert in_caller == {"value", "session"}
    assert CANARY.encode() not in words
    holder = Path(sys.executable).name
    assert {name: found for name, found in in_others.items() if found} == {holder: {"value"}}


def test_processes_are_closed(ready: Surroundings) -> None:
    """Another process of the same user can look into none of the processes behind a session, but into the caller."""
    before = ordinary_user(ready)
    with running(ready, "hold", "x", before=before) as process:
        directory_of(process)
        caller = psutil.Process(process.pid)
        others = {f"{one.name()} {one.pid}": one for one in caller.children(recursive=True)}
        answers = probe(ready, before, {"caller": caller, **others})

    assert answers.pop("caller") == ["mem", "environ", "maps", "ptrace"]
    assert len(answers) >= 4
    assert [name for name, opened in answers.items() if opened] == []
