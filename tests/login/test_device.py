"""The device that a server sees: the same in every run, in every container, for one API key."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec
from tests.support.program import Ended, Surroundings


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
