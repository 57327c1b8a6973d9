"""The device that a server sees: the same in every run and container for one API key, and another if need be."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conftest import CHEAP
from tests.login.test_login_failures import SYNC, TOKEN, fail, messages
from tests.official import Bw, Runner
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Delay, Fault, Status
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.terminal import wait_until

CHOSEN = "0f8fad5b-d9cb-469f-a165-70867728950e"
DROPPED = Status(401, '{"error": "Unauthorized"}')
AT_ONCE = 30  # runs
LONG_ENOUGH = 4_000  # ms, for a request to the server in between


def devices(server: BitwardenServer) -> list[str]:
    """Return the device identifiers that logins were sent with."""
    return [r.form["deviceIdentifier"] for r in server.requests() if r.path.endswith("/connect/token")]


def run_as(surroundings: Surroundings, account: Account, changes: Mapping[str, str | None]) -> None:
    """Run something as `account`."""
    own: dict[str, str | None] = {
        "BW_CLIENTID": account.client_id,
        "BW_CLIENTSECRET": account.client_secret,
        "BW_PASSWORD": account.master_password,
    }
    assert surroundings.run("--", "true", env={**own, **changes}) == Ended(0, "", "")


def test_same_device_for_the_same_key(ready: Surroundings, account: Account, server: BitwardenServer) -> None:
    """The identifier follows from the client id alone: another home, host name or user name changes nothing."""
    other = server.add_account(AccountSpec("eve@example.com", "eve's password", kdf=CHEAP))

    run_as(ready, account, {})
    run_as(ready, account, {"HOME": "/nowhere", "HOSTNAME": "elsewhere", "USER": "else", "TMPDIR": None})
    run_as(ready, other, {})

    first, second, others = devices(server)
    assert first == second
    assert first != others
    assert {uuid.UUID(first).version, uuid.UUID(others).version} == {5}


def test_device_of_ones_own(ready: Surroundings, account: Account, server: BitwardenServer) -> None:
    """BWRUN_DEVICE_ID sets the identifier, in the form that servers keep."""
    run_as(ready, account, {"BWRUN_DEVICE_ID": "0F8FAD5B-D9CB-469F-A165-70867728950E"})

    assert devices(server) == ["0f8fad5b-d9cb-469f-a165-70867728950e"]


@pytest.fixture
def node(bare: Surroundings, server: BitwardenServer) -> Iterator[Account]:
    """Make an account of a server that ends the older tokens of a device at each login, and use it."""
    server.clear_faults()
    server.clear_requests()
    file = AttachmentSpec("notes.txt", b"some notes")
    items = (
        ItemSpec("prod-db", Login(username="deploy", password="p4ss"), attachments=(file,)),
        ItemSpec("mail", Login()),
    )
    spec = AccountSpec("node@example.com", "correct horse", kdf=CHEAP, one_token_per_device=True, items=items)
    account = server.add_account(spec)
    bare.use(server, account)
    yield account

    server.clear_faults()


def assert_second_device(server: BitwardenServer) -> str:
    """There were two logins, the second as a device that nobody else is; return that device."""
    first, second = devices(server)

    assert first != second
    assert uuid.UUID(second).version == 4
    return second


@pytest.mark.timeout(300)
def test_many_at_once(bare: Surroundings, node: Account, server: BitwardenServer) -> None:
    """Runs that are started at once end each other's tokens, and all of them succeed."""
    words: list[str | Path] = [
        BWRUN,
        "--timeout",
        "200",
        "-e",
        "DB=bw://prod-db/password",
        "--",
        "sh",
        "-c",
        'echo "$DB"',
    ]
    runs = [
        subprocess.Popen(
            words,
            env=bare.environment,
            cwd=bare.work,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
        )
        for _ in range(AT_ONCE)
    ]
    ended = [Ended(run.wait(), *run.communicate()) for run in runs]

    assert set(ended) == {Ended(0, "p4ss\n", "")}
    assert len(devices(server)) > AT_ONCE  # it was needed


@pytest.mark.parametrize("verbose", [False, True])
def test_a_token_that_was_dropped(bare: Surroundings, node: Account, server: BitwardenServer, *, verbose: bool) -> None:
    """A 401 on the first request leads to a login as a device of the run's own, which -v tells; the session has it."""
    server.set_fault(Fault(SYNC, DROPPED, count=1))

    done = bare.run(*(["-v"] if verbose else []), "--", "sh", "-c", 'cat "$BITWARDENCLI_APPDATA_DIR/data.json"')

    assert done.status == 0
    told = "the server does not accept the access token: logging in as a device of this run's own"
    assert (told in done.stderr) == verbose
    assert json.loads(done.stdout)["global_applicationId_appId"] == assert_second_device(server)
    refused, accepted = [request for request in server.requests() if request.path.endswith(SYNC)]
    assert refused.headers["authorization"] != accepted.headers["authorization"]
    assert accepted.status == 200
    token = next(value for name, value in json.loads(done.stdout).items() if name.endswith("token_accessToken"))
    assert accepted.headers["authorization"] == f"Bearer {token}"


def log_in_elsewhere(server: BitwardenServer) -> None:
    """Repeat the last login, as another run with the same device would, so that its token is dropped."""
    form = next(r.form for r in reversed(server.requests()) if r.path.endswith(TOKEN))
    headers = {"Bitwarden-Client-Version": "2026.9.0"}
    request = urllib.request.Request(f"{server.identity_url}/connect/token", urlencode(form).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=server.ca_file)) as answer:  # noqa: S310
        assert answer.status == 200


def test_items_fetched_alone(bare: Surroundings, node: Account, server: BitwardenServer) -> None:
    """Items that are fetched side by side, and whose token is dropped meanwhile, share the one new login."""
    server.set_fault(Fault("/details", Delay(LONG_ENOUGH), count=2))
    env = {"ONE": f"bw://{node.item_ids['prod-db']}/name", "TWO": f"bw://{node.item_ids['mail']}/name"}
    words: list[str | Path] = [BWRUN, "--no-session", "--", "sh", "-c", "echo $ONE $TWO"]

    def details() -> list[int]:
        return [request.status for request in server.requests() if request.path.endswith("/details")]

    with subprocess.Popen(
        words, env=bare.full_environment(env), cwd=bare.work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        wait_until(lambda: len(details()) == 2)
        log_in_elsewhere(server)
        done = Ended(run.wait(), *run.communicate())

    assert done == Ended(0, "prod-db mail\n", "")
    assert details() == [401, 401, 200, 200]
    first, elsewhere, second = devices(server)
    assert first == elsewhere != second


def test_an_attachment(bare: Surroundings, node: Account, server: BitwardenServer) -> None:
    """A token that another run's login ends between the sync and an attachment is replaced as well."""
    item = node.item_ids["prod-db"]
    server.set_fault(Fault("", DROPPED, method="GET", skip=1, count=1))  # the sync goes well

    done = bare.run("--no-session", "--", "sh", "-c", "echo $NOTES", env={"NOTES": "bw://prod-db/attachment/notes.txt"})

    assert done == Ended(0, "some notes\n", "")
    assert_second_device(server)
    asked = [r.status for r in server.requests() if f"/ciphers/{item}/attachment/" in r.path]
    assert asked == [401, 200]


def test_once_in_a_run(bare: Surroundings, node: Account, server: BitwardenServer) -> None:
    """A server that goes on refusing is not asked for a third token."""
    server.set_fault(Fault(SYNC, DROPPED))

    done = fail(bare)

    assert done.codes == ["auth.token-refused"]
    assert messages(done)[1:] == ["hint: check that `--identity-url` and `--api-url` belong to the same server"]
    assert_second_device(server)


def test_not_as_another_device_than_the_chosen(bare: Surroundings, node: Account, server: BitwardenServer) -> None:
    """Who sets BWRUN_DEVICE_ID has decided which device it is: no other is made up, and the error names the setting."""
    server.set_fault(Fault(SYNC, DROPPED, count=1))

    done = fail(bare, env={"BWRUN_DEVICE_ID": CHOSEN})

    assert done.codes == ["auth.token-refused"]
    assert messages(done)[1] == (
        "hint: a later login with the same BWRUN_DEVICE_ID may have ended it: unset BWRUN_DEVICE_ID"
    )
    assert devices(server) == [CHOSEN]


def test_a_run_inside(bare: Surroundings, node: Account, server: BitwardenServer) -> None:
    """A run inside one that logged in anew reuses its session as any other."""
    server.set_fault(Fault(SYNC, DROPPED, count=1))

    done = bare.run("--", BWRUN, "--", "sh", "-c", 'test -n "$BW_SESSION" && echo inside')

    assert done == Ended(0, "inside\n", "")
    assert_second_device(server)


def write_inside(bw: Bw) -> Json:
    """Create a folder and read an item with the session's token and device."""
    return {
        "folder": bw.json("create", "folder", send={"name": "made"})["name"],
        "item": bw.json("get", "item", "mail")["name"],
    }


@pytest.mark.slow
@pytest.mark.official_cli
def test_the_official_cli_inside(bare: Surroundings, official_bw: Path, node: Account, server: BitwardenServer) -> None:
    """The official CLI works in the session of the new device, also where it talks to the server."""
    server.set_fault(Fault(SYNC, DROPPED, count=1))

    inside = Runner(bare, official_bw).run(write_inside)

    assert inside.value == {"folder": "made", "item": "mail"}
    assert_second_device(server)
