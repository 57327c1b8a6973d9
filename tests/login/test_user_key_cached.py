"""A user key and the cache: what later runs ask, and which secrets open a cache that a user key has sealed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.login.test_user_key import BOTH, KINDS, SHOW, keyed, use
from tests.server.control import Account, BitwardenServer
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.terminal import Terminal
from tests.support.user_keys import text_of, text_of_bytes

__all__ = ["keyed"]  # the fixture

TOKEN, SYNC, REVISION = "/identity/connect/token", "/api/sync", "/api/accounts/revision-date"
COLD = {TOKEN, SYNC, REVISION}
RIGHT = Ended(0, "p4ss 0rg", "")


def cached(
    surroundings: Surroundings, server: BitwardenServer, env: Mapping[str, str | None] | None = None
) -> tuple[Ended, set[str]]:
    """Run with the cache; return how it ended, and the paths that it asked for, without the server's config."""
    server.clear_requests()
    done = surroundings.run("--cache", *BOTH, "--", *SHOW, env=env)
    return done, {one.path for one in server.requests()} - {"/api/config"}


def as_password(account: Account) -> dict[str, str | None]:
    """Return the changes to an environment with a user key, so that it has the password instead."""
    return {"BWRUN_USER_KEY": None, "BW_PASSWORD": account.master_password}


@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_run(keyed: Surroundings, server: BitwardenServer, kind: str) -> None:
    """The second run with a user key asks only whether the vault is current."""
    use(keyed, server, server.add_account(KINDS[kind]))

    assert cached(keyed, server) == (RIGHT, COLD)
    assert cached(keyed, server) == (RIGHT, {REVISION})


@pytest.mark.parametrize("kind", ["V1", "V2"])
def test_on_a_disk(keyed: Surroundings, server: BitwardenServer, tmp_path: Path, kind: str) -> None:
    """In BWRUN_CACHE_DIR too, and the key, which is not kept there, is checked again."""
    use(keyed, server, server.add_account(KINDS[kind]))
    disk = {"BWRUN_CACHE_DIR": str(tmp_path / "cache")}

    assert cached(keyed, server, disk) == (RIGHT, COLD)
    assert cached(keyed, server, disk) == (RIGHT, {REVISION})


@pytest.mark.parametrize("kind", ["V1", "V2"])
def test_another_key(keyed: Surroundings, server: BitwardenServer, kind: str) -> None:
    """A user key that does not fit does not open the cache of the one that does: it is refused after a real login."""
    account = server.add_account(KINDS[kind])
    use(keyed, server, account)
    assert cached(keyed, server) == (RIGHT, COLD)
    encoded = bytearray(bytes.fromhex(account.user_key_hex))
    encoded[40] ^= 1

    for wrong in (text_of_bytes(bytes(encoded)), text_of(server.add_account(KINDS[kind]))):
        done, asked = cached(keyed, server, {"BWRUN_USER_KEY": wrong})
        assert (done.codes, TOKEN in asked) == (["crypto.wrong-user-key"], True)
    assert cached(keyed, server) == (RIGHT, {REVISION})


def test_the_client_secret_does_not_open_it(keyed: Surroundings, server: BitwardenServer) -> None:
    """A run that has the client secret alone (of an account with a Key Connector) does not find that cache."""
    use(keyed, server, server.add_account(KINDS["Key Connector"]))
    assert cached(keyed, server) == (RIGHT, COLD)
    alone = {"BWRUN_USER_KEY": None, "BWRUN_KEY_CONNECTOR_URL": f"{server.url}/key-connector"}

    done, asked = cached(keyed, server, alone)

    assert (done, TOKEN in asked) == (RIGHT, True)


def test_password_and_key_have_caches_of_their_own(keyed: Surroundings, server: BitwardenServer) -> None:
    """What a run with the password has kept, a run with the user key does not open, nor the other way round."""
    account = server.add_account(KINDS["V1"])
    use(keyed, server, account)

    for env in ({}, as_password(account), {}):
        done, asked = cached(keyed, server, env)
        assert (done, TOKEN in asked) == (RIGHT, True)


@pytest.mark.parametrize(("before", "after"), [("V1", "V1"), ("V1", "V2"), ("V2", "V2")])
def test_a_rotation(keyed: Surroundings, server: BitwardenServer, before: str, after: str) -> None:
    """A rotation ends the user key of a run with a cache too."""
    account = server.add_account(KINDS[before])
    use(keyed, server, account)
    assert cached(keyed, server) == (RIGHT, COLD)
    rotated = server.rotate_keys(account, v2=after == "V2")

    assert cached(keyed, server)[0].codes == ["crypto.wrong-user-key"]
    use(keyed, server, rotated)
    assert cached(keyed, server)[0] == RIGHT


def test_a_change_of_the_master_password(keyed: Surroundings, server: BitwardenServer) -> None:
    """A new master password does not end it."""
    account = server.add_account(KINDS["V1"])
    use(keyed, server, account)
    assert cached(keyed, server) == (RIGHT, COLD)
    server.change_master_password(account, "another one")

    assert cached(keyed, server)[0] == RIGHT


def test_printing_does_not_use_it(keyed: Surroundings, server: BitwardenServer) -> None:
    """--print-user-key logs in and unlocks with the password, whatever is in the cache."""
    account = server.add_account(KINDS["V1"])
    use(keyed, server, account)
    assert cached(keyed, server, as_password(account)) == (RIGHT, COLD)
    server.clear_requests()
    environment = keyed.full_environment({**as_password(account), "BWRUN_CACHE": "1h", "BWRUN_MAX_AGE": "600"})
    with Terminal.start([BWRUN, "--print-user-key"], environment, keyed.work) as terminal:
        terminal.wait_for('answer ("yes" prints it): ')
        terminal.type("yes\n")

        assert terminal.ended() == 0
        assert terminal.screen.endswith(f"\n{text_of(account)}\n")
    assert [one.path for one in server.requests()].count(TOKEN) == 1
