"""
The official CLI under `bwrun --`.

Each call of `bw` costs seconds, so a test puts all its calls into one function and runs that as the command, inside
one `bwrun --`; what the function returns comes back as JSON.
"""

from __future__ import annotations

import base64
import fcntl
import importlib
import json
import os
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.server.control import Account, BitwardenServer
from tests.server.json_types import Json, JsonValue
from tests.support.program import BWRUN, Ended, Surroundings

ROOT = Path(__file__).parents[2]
TIMEOUT = 500  # seconds: for a whole function of `bw` calls
PROGRAM = "TEST_OFFICIAL_BW"  # the variable that tells the function inside which `bw` to call
VERSION = "2026.9.0"


class Bw:
    """Calls the official CLI in an environment, without a terminal."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        """Call `program`."""
        self.program = program
        self.environment = dict(environment)

    def __call__(self, *words: str, send: JsonValue = None, env: Mapping[str, str] | None = None) -> Json:
        """Run `bw WORDS…`: its status, stdout and stderr; `send` goes to stdin as base64 of JSON."""
        done = subprocess.run(
            [self.program, *words],
            check=False,
            env=self.environment | dict(env or {}),
            input="" if send is None else base64.b64encode(json.dumps(send).encode()).decode(),
            capture_output=True,
            encoding="utf-8",
        )
        return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    def all(self, calls: Mapping[str, Sequence[str]]) -> Json:
        """Run several calls: what each came to, by its name."""
        return {name: self(*words) for name, words in calls.items()}

    def json(self, *words: str, send: JsonValue = None) -> JsonValue:
        """Run `bw WORDS…`, which must succeed, and read its stdout."""
        done = self(*words, send=send)

        assert done["status"] == 0, done
        return json.loads(done["stdout"])


def log_in(program: Path, server: BitwardenServer, account: Account, directory: Path) -> Bw:
    """Log in and unlock in the official way, in a data directory of its own: three calls."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "BITWARDENCLI_APPDATA_DIR": str(directory),
        "NODE_EXTRA_CA_CERTS": str(server.ca_file),
        "BW_NOINTERACTION": "true",
        "BW_CLIENTID": account.client_id,
        "BW_CLIENTSECRET": account.client_secret,
        "BW_PASSWORD": account.master_password,
    }
    bw = Bw(str(program), environment)
    for words in (("config", "server", server.url), ("login", "--apikey")):
        done = bw(*words)
        assert done["status"] == 0, done
    unlocked = bw("unlock", "--passwordenv", "BW_PASSWORD", "--raw")
    assert unlocked["stdout"], unlocked
    bw.environment["BW_SESSION"] = unlocked["stdout"]
    return bw


@dataclass(frozen=True)
class Inside:
    """What came of a function run inside `bwrun --`."""

    ended: Ended
    value: JsonValue


@dataclass(frozen=True)
class Runner:
    """Runs functions of the test modules inside `bwrun --`."""

    surroundings: Surroundings
    program: Path

    @classmethod
    def make(cls, root: Path, program: Path, server: BitwardenServer, account: Account) -> Runner:
        """Make surroundings below `root` in which `bwrun -- …` just works for `account`."""
        surroundings = Surroundings.make(root)
        surroundings.use(server, account)
        return cls(surroundings, program)

    def start(
        self,
        function: Callable[..., JsonValue],
        *arguments: JsonValue,
        options: tuple[str, ...] = (),
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.Popen[str]:
        """Start `bwrun OPTIONS -- FUNCTION(bw, *arguments)`."""
        call = json.dumps([function.__module__, function.__name__, *arguments])
        changes = {PROGRAM: str(self.program), "PYTHONPATH": str(ROOT), **(env or {})}
        return subprocess.Popen(
            [BWRUN, *options, "--", sys.executable, "-c", "from tests.official import inside; inside()", call],
            env=self.surroundings.full_environment(changes),
            cwd=self.surroundings.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(
        self,
        function: Callable[..., JsonValue],
        *arguments: JsonValue,
        options: tuple[str, ...] = (),
        env: Mapping[str, str | None] | None = None,
    ) -> Inside:
        """Run `bwrun OPTIONS -- FUNCTION(bw, *arguments)`, which must succeed and leave nothing."""
        done = finish(self.start(function, *arguments, options=options, env=env))

        assert self.surroundings.left() == []
        return done


def finish(process: subprocess.Popen[str]) -> Inside:
    """Wait for a started function, which must succeed."""
    with process:
        try:
            stdout, stderr = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.terminate()
            raise

    assert process.returncode == 0, stderr
    return Inside(Ended(process.returncode, stdout, stderr), json.loads(stdout))


def inside() -> None:
    """Run the function that argv names, as the command; its result goes to stdout."""
    module, name, *arguments = json.loads(sys.argv[1])
    function = getattr(importlib.import_module(module), name)
    json.dump(function(Bw(os.environ[PROGRAM], os.environ), *arguments), sys.stdout)


def session_bytes() -> bytes:
    """All bytes of all files in the session's directory; to be called inside."""
    directory = Path(os.environ["BITWARDENCLI_APPDATA_DIR"])
    return b"\0".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


def session_state() -> Json:
    """What data.json holds; to be called inside."""
    state: Json = json.loads((Path(os.environ["BITWARDENCLI_APPDATA_DIR"]) / "data.json").read_bytes())
    return state


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[], JsonValue]) -> JsonValue:
    """Return `make`'s result, made by one alone of the test processes that run in parallel."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = root / f"{name}.json"
        if not made.exists():
            made.write_text(json.dumps(make()))
        return json.loads(made.read_text())


def token_and_sync(server: BitwardenServer, account: Account) -> tuple[Json, Json]:
    """Return the server's replies to a token request and to a sync, for a test to change and to set as faults."""
    context = ssl.create_default_context(cafile=server.ca_file)
    headers = {"Bitwarden-Client-Version": VERSION, "Bitwarden-Client-Name": "cli", "Device-Type": "25"}

    def ask(url: str, form: Mapping[str, str] | None = None) -> Json:
        data = None if form is None else urlencode(form).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), context=context) as answer:  # noqa: S310
            reply: Json = json.load(answer)
            return reply

    token = ask(
        server.identity_url + "/connect/token",
        {
            "grant_type": "client_credentials",
            "scope": "api",
            "client_id": account.client_id,
            "client_secret": account.client_secret,
            "deviceType": "25",
            "deviceIdentifier": "7a6f0d3c-0000-4000-8000-000000000000",
            "deviceName": "linux",
        },
    )
    headers["Authorization"] = "Bearer " + token["access_token"]
    return token, ask(server.api_url + "/sync?excludeDomains=true")


def paths(server: BitwardenServer) -> list[str]:
    """The requests recorded so far, as "METHOD path"."""
    return [f"{request.method} {request.path}" for request in server.requests()]
