"""Many runs at once in one HOME, with random kills among them: each answer is right, and nothing is left."""

from __future__ import annotations

import base64
import hmac
import json
import os
import random
import signal
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from Crypto.Cipher import AES

from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login, Pbkdf2
from tests.supervisor.clearing import GONE, JANITOR, Run, end, sweep
from tests.support.portable import name_of
from tests.support.program import Surroundings
from tests.support.terminal import wait_until

SPEC = AccountSpec("many@example.com", "correct horse", Pbkdf2(5_000))
ACCOUNTS = 3
PATIENCE = 600  # seconds: for fifty logins on a small machine
# Prints its session, and ends when the barrier (a FIFO) is opened for writing.
SHOW = ("sh", "-c", 'echo "$BW_SESSION"; cat "$BITWARDENCLI_APPDATA_DIR/data.json"; echo; read -r _ < barrier; exit 5')
ASK = ("sh", "-c", '"$0" get password "$1"; echo; read -r _ < barrier; exit 5')
KILLS = ("bwrun", "group", "janitor", "janitor and bwrun", "everything", "term", "group term")
SWEPT = {"janitor and bwrun", "everything"}  # what only a sweep can clear


@pytest.fixture
def accounts(server: BitwardenServer) -> list[Account]:
    """Make accounts that differ in every secret."""
    server.clear_faults()
    return [
        server.add_account(
            replace(
                SPEC,
                email=f"many{number}@example.com",
                items=(ItemSpec("db", Login("deploy", f"p4ss of {number}")),),
            )
        )
        for number in range(ACCOUNTS)
    ]


def variables(account: Account) -> dict[str, str | None]:
    """Return what makes a run one of `account`."""
    return {
        "BW_CLIENTID": account.client_id,
        "BW_CLIENTSECRET": account.client_secret,
        "BW_PASSWORD": account.master_password,
        "BWRUN_TIMEOUT": str(PATIENCE),
    }


def opened(data: bytes, key: bytes) -> bytes:
    """Decrypt type 2: AES-256-CBC with HMAC-SHA256 over IV and ciphertext."""
    iv, mac, text = data[:16], data[16:48], data[48:]
    assert hmac.digest(key[32:], iv + text, "sha256") == mac
    plain = AES.new(key[:32], AES.MODE_CBC, iv).decrypt(text)
    return bytes(plain[: -plain[-1]])


def enc_string(text: str) -> bytes:
    """Return IV, MAC and ciphertext of an EncString of type 2."""
    iv, data, mac = (base64.b64decode(part) for part in text.removeprefix("2.").split("|"))
    return iv + mac + data


def answer(printed: str) -> tuple[str, str]:
    """Open the session that a run printed; return its user key (hex) and the password in it."""
    session, data = printed.strip().split("\n")
    state = json.loads(data)
    user = state["global_account_activeAccountId"]
    buffer = base64.b64decode(state[f"__PROTECTED__{user}_user_auto"])
    user_key = opened(buffer[1:], base64.b64decode(session))
    ciphers = state[f"user_{user}_ciphers_ciphers"]
    (cipher,) = ciphers.values()
    key = opened(enc_string(cipher["key"]), user_key) if cipher.get("key") else user_key
    return user_key.hex(), opened(enc_string(cipher["login"]["password"]), key).decode()


class Victim:
    """A run that is to be killed in a way at a moment."""

    def __init__(self, run: Run, how: str, after: float) -> None:
        """`after`: seconds from the start of them all."""
        self.run = run
        self.how = how
        self.after = after
        self.killed = False

    def kill(self) -> None:
        """Kill it."""
        members = self.run.members()
        janitors = [process for process in members[1:] if name_of(process) == JANITOR]
        if self.how in ("term", "group term"):
            self.run.kill(signal.SIGTERM) if self.how == "term" else self.run.kill_group(signal.SIGTERM)
        elif self.how == "group":
            self.run.kill_group()
        else:
            for process in janitors if self.how != "bwrun" else []:
                end(process)
            for process in {"janitor": [], "everything": members}.get(self.how, members[:1]):
                end(process)
        self.killed = True


@dataclass(frozen=True)
class Crowd:
    """Runs of several accounts at once."""

    surroundings: Surroundings
    accounts: list[Account]
    count: int
    program: str = ""  # the official CLI
    callers: int = 0  # how many call it

    def go(self, seed: int) -> None:
        """Start the runs, kill a third of those that do not call the official CLI, and check the rest."""
        chance = random.Random(seed)  # noqa: S311
        barrier = self.surroundings.work / "barrier"
        os.mkfifo(barrier)
        with ExitStack() as stack:
            started = time.monotonic()
            runs = [stack.enter_context(self._start(number)) for number in range(self.count)]
            others = runs[self.callers :]
            victims = [
                Victim(run, KILLS[index % len(KILLS)], chance.uniform(0, self.count / 3))
                for index, run in enumerate(chance.sample(others, len(others) // 3))
            ]
            for victim in sorted(victims, key=lambda one: one.after):
                time.sleep(max(0.0, victim.after - (time.monotonic() - started)))
                victim.kill()
            dead = {victim.run for victim in victims if victim.how != "janitor"}
            survivors = [number for number, run in enumerate(runs) if run not in dead]
            wait_until(lambda: all(self._answered(number, runs[number]) for number in survivors), PATIENCE)
            # bwrun forwards a signal up to two seconds late on a busy machine: the barrier must not open before that.
            wait_until(lambda: all(run.process.poll() is not None for run in dead), PATIENCE)
            writer = os.open(barrier, os.O_RDWR)
            os.write(writer, b"\n" * self.count)  # a line for each reader
            for number in survivors:
                self._check(number, runs[number])
            for victim in victims:
                allowed = {"janitor": 5, "term": -signal.SIGTERM, "group term": -signal.SIGTERM}
                status = victim.run.wait().status
                assert status == allowed.get(victim.how, -signal.SIGKILL), (victim.how, victim.run.stderr)
            os.close(writer)
        # What is left is at most what only a sweep can clear; later runs have swept some of it.
        at_most = sum(victim.how in SWEPT for victim in victims)
        wait_until(lambda: len(self.surroundings.left()) <= at_most, GONE)
        sweep(self.surroundings)
        assert list(self.surroundings.home.iterdir()) == []

    def _account(self, number: int) -> int:
        return number % len(self.accounts)

    def _start(self, number: int) -> AbstractContextManager[Run]:
        words = (*ASK, self.program, "db") if number < self.callers else SHOW
        return Run.start(self.surroundings, "--", *words, env=variables(self.accounts[self._account(number)]))

    def _answered(self, number: int, run: Run) -> bool:
        """Return whether the run has printed all, or has ended (which `_check` will tell)."""
        return run.stdout.count("\n") >= (1 if number < self.callers else 2) or run.process.poll() is not None

    def _check(self, number: int, run: Run) -> None:
        password = f"p4ss of {self._account(number)}"
        done = run.wait()
        assert (done.status, done.stderr) == (5, "")
        if number < self.callers:
            assert done.stdout.strip() == password
        else:
            assert answer(done.stdout) == (self.accounts[self._account(number)].user_key_hex, password)


def test_many(bare: Surroundings, server: BitwardenServer, accounts: list[Account], seed: int, crowd: int) -> None:
    """Of many runs at once a third is killed at random: the others' sessions hold what is theirs, nothing is left."""
    print(f"--fuzz-seed={seed}")  # noqa: T201  (shown when the test fails)
    bare.use(server)
    Crowd(bare, accounts, crowd).go(seed)


@pytest.mark.official_cli
def test_official_cli_among_many(
    bare: Surroundings, server: BitwardenServer, accounts: list[Account], official_bw: Path
) -> None:
    """`bw get` in three of a dozen runs, others of which are killed, gives each the password of its own account."""
    bare.use(server)
    Crowd(bare, accounts, 12, str(official_bw), 3).go(12)
