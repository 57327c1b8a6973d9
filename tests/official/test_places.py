"""Where the server and the home are: the session's `bw` goes to the right place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.official import Bw, Runner, paths
from tests.official.serving import serve
from tests.server.control import Account, BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login, Pbkdf2
from tests.support.program import Surroundings

pytestmark = pytest.mark.official_cli

SPEC = AccountSpec(
    "place@example.com",
    "correct horse",
    Pbkdf2(5_000),
    items=(ItemSpec("mine", Login("u", "p4ss"), attachments=(AttachmentSpec("a.txt", b"content"),)),),
)


def go_to_the_server(bw: Bw, item: str) -> Json:
    """Inside: what needs the server, and what says which it is."""
    with serve(bw) as served:
        calls = {"status": served("status"), "sync": served("sync"), "sync -f": served("sync", "--force")}
    return calls | {"attachment": bw("get", "attachment", "a.txt", "--itemid", item, "--raw")}


@pytest.fixture(scope="module")
def prefixed() -> Iterator[BitwardenServer]:
    """Start a server below a path."""
    with BitwardenServer.start(path_prefix="/vault/here") as running:
        yield running


@pytest.mark.slow
def test_server_below_a_path(prefixed: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """On a server below a path `bw` finds everything below that path."""
    account = prefixed.add_account(SPEC)
    runner = Runner.make(tmp_path, official_bw, prefixed, account)
    prefixed.clear_requests()
    calls = runner.run(go_to_the_server, account.item_ids["mine"], options=("--session-api-key",)).value

    assert json.loads(calls["status"]["stdout"])["serverUrl"] == prefixed.url
    assert [(call["status"], call["stderr"]) for call in calls.values()] == [(0, "")] * 4
    assert calls["attachment"]["stdout"] == "content"
    assert all(request.split(" ")[1].startswith("/vault/here/") for request in paths(prefixed))


@pytest.mark.slow
def test_identity_and_api_apart(server: BitwardenServer, official_bw: Path, tmp_path: Path) -> None:
    """With only the services' own addresses given, on two hosts, `bw` asks each at its own, to log in again too."""
    account = server.add_account(replace(SPEC, email="apart@example.com"))
    runner = Runner.make(tmp_path, official_bw, server, account)
    port = urlsplit(server.url).port
    hosts = {"identity": f"localhost:{port}", "api": f"127.0.0.1:{port}"}
    addresses = {service: f"https://{host}/{service}" for service, host in hosts.items()}
    server.clear_requests()
    calls = runner.run(
        go_to_the_server,
        account.item_ids["mine"],
        options=("--session-api-key", "--identity-url", addresses["identity"], "--api-url", addresses["api"]),
        env={"BWRUN_SERVER": None},
    ).value
    asked = [(request.path.split("/")[1], request.headers["host"]) for request in server.requests()]

    assert [(call["status"], call["stderr"]) for call in calls.values()] == [(0, "")] * 4
    assert json.loads(calls["status"]["stdout"])["status"] == "unlocked"
    assert calls["attachment"]["stdout"] == "content"
    assert {(service, host) for service, host in asked if service != "attachments"} == set(hosts.items())
    assert [service for service, _ in asked].count("identity") == 2


def test_the_command_is_bw_itself(
    ready: Surroundings, account: Account, server: BitwardenServer, official_bw: Path
) -> None:
    """`bwrun -- bw …` prints what `bw` prints, and ends with its status."""
    path = {"PATH": f"{official_bw.parent}:{ready.environment['PATH']}"}
    password = ready.run("--", "bw", "get", "password", "prod-db", env=path)
    missing = ready.run("bw", "get", "password", "no-such-item", env=path)

    assert (password.status, password.stdout, password.stderr) == (0, "p4ss", "")
    assert (missing.status, missing.stdout, missing.stderr.strip()) == (1, "", "Not found.")


@pytest.mark.parametrize("home", [None, "/proc", "/nonexistent"], ids=["unset", "read-only", "missing"])
def test_no_home_is_needed(
    ready: Surroundings, account: Account, server: BitwardenServer, official_bw: Path, home: str | None
) -> None:
    """Where there is no home, or none to write to, the session works all the same."""
    path = f"{official_bw.parent}:{ready.environment['PATH']}"
    done = ready.run("--", "bw", "get", "password", "prod-db", env={"HOME": home, "PATH": path})

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss", "")


def test_the_own_directory_is_not_touched(
    ready: Surroundings, account: Account, server: BitwardenServer, official_bw: Path
) -> None:
    """The user's own login is neither read nor written, even if variables name it."""
    own = ready.home / ".config" / "Bitwarden CLI"
    own.mkdir(parents=True)
    (own / "data.json").write_text("{}")
    path = f"{official_bw.parent}:{ready.environment['PATH']}"
    users = {"PATH": path, "BITWARDENCLI_APPDATA_DIR": str(own), "BW_SESSION": "dXNlcg=="}
    done = ready.run("--", "bw", "get", "password", "prod-db", env=users)

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss", "")
    assert sorted(str(file.relative_to(ready.home)) for file in ready.home.rglob("*") if file.is_file()) == [
        ".config/Bitwarden CLI/data.json"
    ]
    assert (own / "data.json").read_text() == "{}"
