"""A run that would work: what each step says, for people and for programs."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from cryptography import x509

from tests.conftest import CANARY
from tests.doctor import ACCEPTS, REFUSES, STEPS, VAULT, Examined, examine, put_program
from tests.server.control import Account, BitwardenServer, RecordedRequest
from tests.support.files import write_private
from tests.support.pages import page
from tests.support.program import BWRUN, Surroundings
from tests.support.terminal import Terminal

VALUES = (str, int, float, bool, type(None), list, dict)


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with CANARY in every name and value."""
    return server.add_account(VAULT)


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, server: BitwardenServer, vault: Account) -> Surroundings:
    """Give surroundings with an env file, and two programs called `bw`, of which the second refuses the session."""
    root = tmp_path_factory.mktemp("healthy")
    made = Surroundings.make(root)
    made.use(server, vault)
    folders = (put_program(root / "first", "bw", ACCEPTS), put_program(root / "second", "bw", REFUSES))
    made.environment["PATH"] = os.pathsep.join((*map(str, folders), "/usr/bin", "/bin"))
    made.environment["BW_PASSWORD"] = ""
    write_private(
        made.work / ".env", f"BW_PASSWORD='{vault.master_password}'", f"SECRET=bw://{vault.item_ids[f'item {CANARY}']}"
    )
    return made


@pytest.fixture(scope="module")
def requests() -> list[RecordedRequest]:
    """Give a place for what the server was asked by the run of `found`."""
    return []


@pytest.fixture(scope="module")
def found(server: BitwardenServer, surroundings: Surroundings, requests: list[RecordedRequest]) -> Examined:
    """Give the report of one run."""
    server.clear_faults()
    server.clear_requests()
    made = examine(surroundings, "--", "sh", works=True)
    requests += server.requests()
    return made


def test_form(found: Examined) -> None:
    """The JSON report has the form of docs/doctor.md: each step in order, and the same members in each."""
    assert list(found.report) == ["version", "bwrun", "python", "system", "works", "status", "steps"]
    assert found.report["version"] == 1
    assert tuple(found.statuses) == STEPS
    for step in found.report["steps"]:
        assert list(step) == ["name", "status", "text", "seconds", "messages", "facts"]
        assert step["status"] in ("ok", "warning", "failed", "skipped")
        assert isinstance(step["seconds"], float)
        assert all(isinstance(value, VALUES) for value in step["facts"].values())
        for message in step["messages"]:
            assert list(message) == ["kind", "code", "text", "hints"]


def test_facts_are_those_of_the_page(found: Examined) -> None:
    """docs/doctor.md names all facts of each step."""
    section = page("docs/doctor.md").section("For programs")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section, re.MULTILINE))

    assert tuple(rows) == STEPS
    for name, row in rows.items():
        named = {*re.findall(r"`([a-z_]+)`", row), *(("iterations",) if name == "unlock" else ())}
        assert set(found[name]["facts"]) <= named, name


def test_all_is_well(found: Examined) -> None:
    """No step fails, and what is not in order is a warning: here the second CLI, on any machine perhaps more."""
    assert found.named("failed") == found.named("skipped") == []
    assert found.ended.stderr == ""
    assert set(found.named("warning")) - {"directory", "memory"} == {"bw"}


def test_files_and_credentials(found: Examined, surroundings: Surroundings) -> None:
    """The env file is named with mode and owner, the command with its path, each credential with its place."""
    assert found["env-files"]["facts"] == {
        "files": [
            {"path": ".env", "found": True, "mode": "0600", "owner": Path.home().owner(), "settings": 1, "variables": 1}
        ],
        "config_file": None,
    }
    assert found["command"]["facts"] == {"path": shutil.which("sh", path=surroundings.environment["PATH"])}
    places = found["credentials"]["facts"]
    assert (places["client_secret"], places["master_password"]) == ("the environment", "`.env` line 1")
    assert found["settings"]["facts"]["environment"] == ["BWRUN_SERVER"]


def test_way_to_the_server(found: Examined, server: BitwardenServer) -> None:
    """Servers, proxy, addresses, each attempt to connect, the certificate and what trusts it are named."""
    port = int(server.url.rpartition(":")[2])
    authority = x509.load_pem_x509_certificate(server.ca_file.read_bytes())
    servers = found["servers"]["facts"]
    assert (servers["identity"], servers["api"]) == (server.identity_url, server.api_url)
    assert servers["set_by"] == "the environment"
    assert found["proxy"]["facts"] == {"identity": None, "api": None}
    assert "127.0.0.1" in found["dns"]["facts"]["addresses"]
    assert {"127.0.0.1", port, "open"} <= set(found["tcp"]["facts"]["attempts"][-1].values())
    tls = found["tls"]["facts"]
    assert tls["version"] == "TLSv1.3"
    assert tls["issuer"] == authority.subject.rfc4514_string()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", tls["expires"])
    assert tls["trusted"] == [str(server.ca_file)]
    assert found["server"]["facts"] == {"kind": "Bitwarden", "version": "2026.8.0"}
    assert abs(found["clock"]["facts"]["skew"]) < 5


def test_account(found: Examined, server: BitwardenServer, vault: Account) -> None:
    """The account, the size of its vault, and the cost of the key derivation are named; no item is."""
    login, sync, unlock = (found[name]["facts"] for name in ("login", "sync", "unlock"))
    assert login == {"email": vault.email, "id": vault.user_id, "server": server.url}
    assert sync["items"] == 2
    assert sync["bytes"] > 1000
    assert {**unlock, "seconds": 0} == {
        "with": "master_password", "kdf": "PBKDF2", "iterations": 5000, "seconds": 0, "email": vault.email,
        "id": vault.user_id, "server": server.url,
    }  # fmt: skip
    assert unlock["seconds"] > 0
    assert found["references"]["facts"] == {"count": 1}
    assert found["cache"]["facts"] == {"on": False}


def test_session_and_programs(found: Examined, surroundings: Surroundings) -> None:
    """Each `bw` on PATH is run in a real session; what refuses it is a warning, because a run works without it."""
    assert found["session"]["facts"]["bytes"] > 1000
    assert found["directory"]["facts"]["base"] == str(surroundings.runtime)
    first, second = found["bw"]["facts"]["programs"]
    assert (first["version"], first["accepts"], first["outcome"]) == ("2099.1.0", True, "accepts the session")
    assert (second["version"], second["accepts"]) == ("1.2.3", False)
    assert second["outcome"] == (
        "does not accept the session: `bw list items` ended with status 1, and `bw status` says `locked`"
    )


def test_asks_what_a_run_asks(requests: list[RecordedRequest], found: Examined) -> None:
    """The server gets the requests of one run, over one connection."""
    assert found.report["works"]
    asked = [f"{one.method} {one.path}" for one in requests]
    assert asked == ["GET /api/config", "POST /identity/connect/token", "GET /api/sync"]
    assert len({one.connection for one in requests}) == 1


def test_for_people(surroundings: Surroundings) -> None:
    """On a pipe, there is a line for each step, without colours, and a last one that says whether a run would work."""
    done = surroundings.run("--doctor")

    lines = done.stdout.splitlines()
    steps = [line.split()[1] for line in lines if not line.startswith(" ") and len(line.split()) > 2][:-1]
    assert (done.status, tuple(steps)) == (0, STEPS)
    assert re.fullmatch(r"a run would work, with [1-3] warning\(s\)", lines[-1])
    assert "\x1b" not in done.stdout
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours(surroundings: Surroundings, no_color: str, *, coloured: bool) -> None:
    """On a terminal, the status of each step has a colour, unless NO_COLOR is set."""
    environment = {**surroundings.environment, "TERM": "xterm", "NO_COLOR": no_color, "BWRUN_NO_SESSION": "1"}
    with Terminal.start([BWRUN, "--doctor"], environment, surroundings.work) as terminal:
        assert terminal.ended() == 0
    assert ("\x1b[32mok\x1b[0m" in terminal.screen) == coloured
    assert CANARY not in terminal.screen


@pytest.mark.official_cli
@pytest.mark.slow  # the example of docs/doctor.md does the same
def test_official_cli(surroundings: Surroundings, official_bw: Path) -> None:
    """The official CLI accepts the session."""
    node = Path(shutil.which("node") or "").parent
    found = examine(surroundings, env={"PATH": f"{official_bw.parent}:{node}:/usr/bin:/bin"}, works=True)

    (program, *_) = found["bw"]["facts"]["programs"]
    assert (program["path"], program["accepts"]) == (str(official_bw), True)
    assert re.fullmatch(r"\d{4}\.\d+\.\d+", program["version"])
