"""What bwrun's processes know while the command runs, and who may look: nothing secret, and nobody but root."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Hang
from tests.server.specs import AccountSpec, FieldSpec, ItemSpec, Login, Pbkdf2, SecureNote
from tests.supervisor.clearing import (
    CANARY,
    GONE,
    JANITOR,
    PAUSE,
    PYTHON,
    RECORDS,
    SLEEP,
    Run,
    session_of,
    wait_cleared,
)
from tests.support.memory import found_in
from tests.support.openssh import secret_piece, tool
from tests.support.portable import name_of
from tests.support.program import Surroundings
from tests.support.ssh_vault import pair_of
from tests.support.terminal import wait_until
from tests.support.users import ANOTHER_USER, as_user, needs_root

TOKEN = "/connect/token"
HELPER = "bwrun.helpers.renewing"
KDF = Pbkdf2(iterations=5_000)
PLAINTEXT = {
    "item name": "plain-name-3b1c9f",
    "username": "plain-user-77aa01",
    "password": "plain-password-e4d2",
    "notes": "plain-notes-0c0ffee1",
    "field": "plain-field-91827364",
}
SPEC = AccountSpec(
    "memory@example.com",
    "correct horse battery 5fe1a9",
    KDF,
    items=(
        ItemSpec(PLAINTEXT["item name"], Login(username=PLAINTEXT["username"], password=PLAINTEXT["password"])),
        ItemSpec("note", SecureNote(), notes=PLAINTEXT["notes"], fields=(FieldSpec("f", PLAINTEXT["field"], 1),)),
    ),
)


@pytest.fixture
def secretive(bare: Surroundings, server: BitwardenServer) -> Iterator[tuple[Surroundings, Account]]:
    """Give surroundings for an account whose secrets are long enough to be looked for in memory."""
    server.clear_faults()
    server.clear_requests()
    account = server.add_account(SPEC)
    bare.use(server, account)
    yield bare, account

    server.clear_faults()


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand of one block (RFC 5869 2.3)."""
    return hmac.digest(key, info + b"\1", "sha256")


def secrets_of(account: Account) -> dict[str, bytes]:
    """Return every form of an account's secrets that could lie in a memory."""
    password = account.master_password.encode()
    master_key = hashlib.pbkdf2_hmac("sha256", password, account.email.encode(), KDF.iterations)
    user_key = bytes.fromhex(account.user_key_hex)
    return {
        "client secret": account.client_secret.encode(),
        "master password": password,
        "master key": master_key,
        "stretched key, encryption": expand(master_key, b"enc"),
        "stretched key, authentication": expand(master_key, b"mac"),
        "master password hash": base64.b64encode(hashlib.pbkdf2_hmac("sha256", master_key, password, 1)),
        "user key, encryption": user_key[:32],
        "user key, authentication": user_key[32:],
        "user key, hex": account.user_key_hex.encode(),
        "user key, base64": base64.b64encode(user_key)[:-4],
        **{name: text.encode() for name, text in PLAINTEXT.items()},
    }


def wait_for_sleep(run: Run) -> psutil.Process:
    """Wait until the worker has become `sleep`; return it."""
    worker = run.first()
    wait_until(lambda: worker.cmdline()[:1] == ["sleep"] or run.process.poll() is not None, GONE)
    return worker


def token_in(directory: Path) -> bytes:
    """Return the access token in a session."""
    state = json.loads((directory / "data.json").read_bytes())
    return str(next(value for name, value in state.items() if name.endswith("_token_accessToken"))).encode()


@needs_root
def test_scan_finds_what_is_there(secretive: tuple[Surroundings, Account], server: BitwardenServer) -> None:
    """The scan is good: in the worker, during the login, it finds client secret and master password."""
    surroundings, account = secretive
    server.set_fault(Fault(TOKEN, Hang()))
    with Run.start(surroundings, "--", "true") as run:
        wait_until(lambda: any(request.path.endswith(TOKEN) for request in server.requests()), GONE)
        found = found_in(run.first(), secrets_of(account))
        run.kill(signal.SIGTERM)
        run.wait()

    assert {"client secret", "master password"} <= found


@needs_root
def test_nothing_in_memory(secretive: tuple[Surroundings, Account]) -> None:
    """While the command runs no process of bwrun's, and not the command, holds any secret of the account's."""
    surroundings, account = secretive
    with Run.start(surroundings, "--", "sleep", "1000") as run:
        command = wait_for_sleep(run)
        secrets = secrets_of(account) | {"access token": token_in(session_of(surroundings))}
        session = dict(pair.partition("=")[::2] for pair in _environ(command))["BW_SESSION"].encode()
        key = base64.b64decode(session)
        session_key = {"BW_SESSION": session, "session key": key[:32], "session key, authentication": key[32:]}
        supervisor, janitor, canary = run.members()[0], run.named(JANITOR), run.named(CANARY)
        found = {
            name: found_in(process, secrets | session_key)
            for name, process in (("supervisor", supervisor), ("janitor", janitor), ("canary", canary))
        }
        in_command = found_in(command, secrets | session_key)
        of_supervisor = found_in(supervisor, {"runtime directory": str(surroundings.runtime).encode()})
        run.kill(signal.SIGTERM)
        run.wait()

    assert found == {"supervisor": set(), "janitor": set(), "canary": set()}
    assert in_command == {"BW_SESSION"}
    assert of_supervisor == {"runtime directory"}


def _environ(process: psutil.Process) -> list[str]:
    return Path(f"/proc/{process.pid}/environ").read_text().split("\0")


@needs_root
def test_memory_with_renewal(secretive: tuple[Surroundings, Account], server: BitwardenServer) -> None:
    """With --renew supervisor and helper hold the client secret, nothing else; the other processes nothing."""
    surroundings, account = secretive
    secrets = secrets_of(account)
    server.change_spec(account, token_lifetime=4)
    server.set_fault(Fault(TOKEN, Hang(), skip=1))
    with Run.start(surroundings, "--renew", "--", "sleep", "1000") as run:
        command = wait_for_sleep(run)
        supervisor, janitor, canary = run.members()[0], run.named(JANITOR), run.named(CANARY)
        wait_until(lambda: sum(request.path.endswith(TOKEN) for request in server.requests()) == 2, GONE)
        (helper,) = [one for one in supervisor.children() if one not in (command, janitor, canary)]
        found = {
            name: found_in(process, secrets)
            for name, process in (
                ("supervisor", supervisor),
                ("helper", helper),
                ("janitor", janitor),
                ("canary", canary),
                ("command", command),
            )
        }
        run.kill(signal.SIGTERM)
        run.wait()

    assert found == {
        "supervisor": {"client secret"},
        "helper": {"client secret"},
        "janitor": set(),
        "canary": set(),
        "command": set(),
    }


def test_nothing_in_environments(secretive: tuple[Surroundings, Account]) -> None:
    """No environment of bwrun's processes has a credential or a variable of the command's; nor has the command's."""
    surroundings, account = secretive
    env: dict[str, str | None] = {"MINE": "of the command"}
    with Run.start(surroundings, "--", *SLEEP, env=env) as run:
        run.wait_ready()
        secrets = secrets_of(account)
        for process in run.members():
            try:
                block = Path(f"/proc/{process.pid}/environ").read_bytes()
            except PermissionError:
                continue  # not root: it is closed, as it should be
            assert [name for name, secret in secrets.items() if secret in block] == []
            assert (b"MINE" in block) == (process == run.first())
        run.kill(signal.SIGTERM)
        run.wait()


def test_nothing_in_words(secretive: tuple[Surroundings, Account], server: BitwardenServer) -> None:
    """At no time of a run, renewals included, is a secret in the words or the name of one of its processes."""
    surroundings, account = secretive
    secrets = secrets_of(account)
    server.change_spec(account, token_lifetime=4)
    script = 'while [ ! -e go ]; do sleep 0.1; done; printf %s "$BW_SESSION"'
    seen: set[tuple[str, ...]] = set()

    def words() -> str:
        return "\0".join(word for one in seen for word in one)

    with Run.start(surroundings, "--renew", "--", "sh", "-c", script) as run:

        def look() -> None:
            for process in run.members():
                try:
                    seen.add((process.name(), *process.cmdline()))
                except psutil.Error:
                    pass

        def renewed() -> bool:
            look()
            return sum(request.path.endswith(TOKEN) for request in server.requests()) > 1 and HELPER in words()

        wait_until(renewed, GONE)
        (surroundings.work / "go").touch()
        while run.process.poll() is None:
            look()
        session = run.wait().stdout
    text = words().encode()

    assert len(session) == 88
    assert [name for name, secret in secrets.items() if secret in text] == []
    assert session.encode() not in text
    assert HELPER in text.decode()  # the helper was looked at
    assert server.requests()[-1].path.endswith(TOKEN)


@needs_root
def test_private_key_in_no_memory(with_keys: Surroundings) -> None:
    """With --ssh-key neither bwrun nor the command holds the private key (which the scan finds in a variable)."""
    tool("ssh-agent")
    text = pair_of("Ed25519").private
    key = load_ssh_private_key(text, None)
    assert isinstance(key, Ed25519PrivateKey)
    needles = {"seed": key.private_bytes_raw(), "text": secret_piece(text)}
    words = ["--no-session", "--ssh-key", "Ed25519"]
    with Run.start(with_keys, *words, "--", *RECORDS) as run:
        run.wait_ready()
        processes = {"command": run.first(), "supervisor": run.members()[0]}
        processes |= {"janitor": run.named(JANITOR), "canary": run.named(CANARY)}
        found = {name: found_in(process, needles) for name, process in processes.items()}
        run.kill(signal.SIGTERM)
        run.wait()

    with Run.start(with_keys, *words, "-e", "KEY=bw://Ed25519", "--", *RECORDS) as run:
        run.wait_ready()
        in_command = found_in(run.first(), needles)
        run.kill(signal.SIGTERM)
        run.wait()

    assert found == {"command": set(), "supervisor": set(), "janitor": set(), "canary": set()}
    assert in_command == {"text"}


# Who may look ---------------------------------------------------------------------------------------------------------

PROBE = """\
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
answers = {}
for word in sys.argv[1:]:
    pid = int(word)
    opened = []
    for name in ("mem", "environ", "maps"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                opened.append(name) if name == "mem" or file.read(1) else None
        except OSError:
            pass
    if libc.ptrace(16, pid, None, None) == 0:  # PTRACE_ATTACH
        os.waitpid(pid, 0x40000000)  # __WALL
        libc.ptrace(17, pid, None, None)  # PTRACE_DETACH
        opened.append("ptrace")
    answers[word] = opened
print(json.dumps(answers))
"""


def probe(surroundings: Surroundings, before: list[str], processes: dict[str, psutil.Process]) -> dict[str, list[str]]:
    """Return what of each process another process of the same user can open."""
    pids = [str(process.pid) for process in processes.values()]
    words = [*before, *PYTHON, PROBE, *pids]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=surroundings.work)
    answers = json.loads(done.stdout)
    return {name: answers[str(process.pid)] for name, process in processes.items()}


def ordinary_user(surroundings: Surroundings) -> list[str]:
    """Return what makes a program run as a user without privileges: the present one, unless that is root."""
    return as_user(surroundings, ANOTHER_USER) if os.geteuid() == 0 else []


@pytest.mark.linux("closed memory")
def test_closed_to_the_same_user(ready: Surroundings) -> None:
    """While the command runs another process of the same user can neither read nor trace any process of bwrun's."""
    before = ordinary_user(ready)
    with Run.start(ready, "--", *PAUSE, before=before) as run:
        run.wait_ready()
        processes = {
            "supervisor": run.members()[0],
            "janitor": run.named(JANITOR),
            "canary": run.named(CANARY),
            "command": run.first(),
        }
        answers = probe(ready, before, processes)
        run.kill(signal.SIGTERM)
        run.wait()

    open_to_all = ["mem", "environ", "maps", "ptrace"]
    assert answers == {"supervisor": [], "janitor": [], "canary": [], "command": open_to_all}


@pytest.mark.linux("closed memory")
def test_ssh_agent_is_closed_to_the_same_user(with_keys: Surroundings) -> None:
    """Another process of the same user can neither read nor trace the ssh-agent of a run."""
    tool("ssh-agent")
    before = ordinary_user(with_keys)
    if before:
        os.chown(with_keys.runtime, ANOTHER_USER, ANOTHER_USER)
    with Run.start(with_keys, "--ssh-key", "Ed25519", "--", *SLEEP, before=before) as run:
        run.wait_ready()
        answers = probe(with_keys, before, {"agent": run.named("ssh-agent")})
        run.kill(signal.SIGTERM)
        run.wait()

    assert answers == {"agent": []}


@pytest.mark.linux("closed memory")
def test_worker_is_closed_to_the_same_user(ready: Surroundings, server: BitwardenServer) -> None:
    """During the login another process of the same user can neither read nor trace the worker."""
    before = ordinary_user(ready)
    server.set_fault(Fault(TOKEN, Hang()))
    with Run.start(ready, "--", "true", before=before) as run:
        wait_until(lambda: any(request.path.endswith(TOKEN) for request in server.requests()), GONE)
        answers = probe(ready, before, {"supervisor": run.members()[0], "worker": run.first()})
        run.kill(signal.SIGTERM)
        run.wait()

    assert answers == {"supervisor": [], "worker": []}


@pytest.mark.linux("closed memory")
def test_helper_is_closed_to_the_same_user(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """The helper that renews the token is as closed as the worker was."""
    before = ordinary_user(ready)
    short = server.add_account(
        AccountSpec("helper@example.com", "correct horse", KDF, token_lifetime=4, takes_expired_tokens=True)
    )
    ready.environment |= {
        "BW_CLIENTID": short.client_id,
        "BW_CLIENTSECRET": short.client_secret,
        "BW_PASSWORD": short.master_password,
    }
    server.set_fault(Fault(TOKEN, Hang(), skip=1))
    with Run.start(ready, "--renew", "--", *SLEEP, before=before) as run:
        run.wait_ready()
        wait_until(lambda: sum(request.path.endswith(TOKEN) for request in server.requests()) >= 2, GONE)
        known = (run.first(), run.named(JANITOR), run.named(CANARY))
        (helper,) = [one for one in psutil.Process(run.pid).children() if one not in known]
        answers = probe(ready, before, {"supervisor": run.members()[0], "helper": helper})
        run.kill(signal.SIGTERM)
        run.wait()

    assert answers == {"supervisor": [], "helper": []}


def core_limit(process: psutil.Process) -> str:
    """Return the soft limit of a process's core files."""
    lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max core file size")).split()[4]


def test_no_core_files(ready: Surroundings) -> None:
    """Where core files are allowed, bwrun's processes write none all the same; the command's limit is the caller's."""
    with Run.start(ready, "--", *SLEEP, before=["prlimit", "--core=1000000:1000000"]) as run:
        run.named("sleep")
        limits = {name_of(process): core_limit(process) for process in run.members()}
        run.kill(signal.SIGTERM)
        run.wait()

    assert limits == {"bwrun": "0", JANITOR: "0", CANARY: "0", "sleep": "1000000"}


def test_no_core_file_of_the_worker(ready: Surroundings, server: BitwardenServer) -> None:
    """A worker that crashes in the login writes no core file into the working directory."""
    server.set_fault(Fault(TOKEN, Hang()))
    with Run.start(ready, "--", "true", before=["prlimit", "--core=unlimited:unlimited"]) as run:
        wait_until(lambda: any(request.path.endswith(TOKEN) for request in server.requests()), GONE)
        worker = run.first()
        worker.send_signal(signal.SIGSEGV)
        done = run.wait()
        wait_cleared(ready)

    assert (done.status, done.codes) == (125, ["internal"])
    assert list(ready.work.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's core_pattern")
def test_core_file_of_the_command(ready: Surroundings) -> None:
    """A command that crashes writes its core file, one, where a core file is written at all."""
    if Path("/proc/sys/kernel/core_pattern").read_text().strip() not in ("core", "core.%p"):
        pytest.skip("core files go elsewhere here")
    words = ("--", "sh", "-c", "kill -SEGV $$")
    with Run.start(ready, *words, before=["prlimit", "--core=unlimited:unlimited"]) as run:
        assert run.wait().status == -signal.SIGSEGV

    cores = list(ready.work.iterdir())
    assert len(cores) == 1
    cores[0].unlink()
