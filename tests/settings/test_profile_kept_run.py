"""Profiles whose credentials `bwrun --login` keeps."""

from __future__ import annotations

import pytest

from tests.conftest import CANARY, CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login
from tests.settings.test_config_file_run import write_config
from tests.support.kept import without_credentials, write_kept
from tests.support.program import BWRUN, Surroundings

GET = ("--get", "bw://prod-db/password")


@pytest.fixture(scope="module")
def other(server: BitwardenServer) -> Account:
    """Make the account of the profile `other`."""
    item = ItemSpec("prod-db", Login(password="0ther"))
    return server.add_account(AccountSpec("other@example.com", CANARY, CHEAP, items=(item,)))


@pytest.fixture
def kept(ready: Surroundings, server: BitwardenServer, account: Account, other: Account) -> Surroundings:
    """Give surroundings in which all credentials are kept ones: one account's by default, the other's for a profile."""
    write_kept(ready.home, account, other, server=server.url, profiles=("default", "other"))
    write_config(ready, "[profile.other]", "timeout = 30")
    return without_credentials(ready)


def test_each_profile_has_its_own(kept: Surroundings) -> None:
    """A profile takes what is kept for it; without one, and as `default`, that of no profile counts."""
    assert kept.run(*GET).stdout == "p4ss"
    assert kept.run("--profile", "other", *GET).stdout == "0ther"
    assert kept.run("--profile", "default", *GET).stdout == "p4ss"


def test_an_inner_run_with_another_kept_account(kept: Surroundings) -> None:
    """A run inside another one that names the profile of another account does not use its session."""
    inner = '"$0" --get bw://prod-db/password; "$0" --profile other --get bw://prod-db/password'

    done = kept.run("--", "sh", "-c", inner, BWRUN)
    same = kept.run("--profile", "other", "--", "sh", "-c", inner, BWRUN)

    assert (done.stdout, done.codes) == ("p4ss", ["credentials.missing"])
    assert (same.stdout, same.stderr) == ("0ther0ther", "")


def test_a_file_that_is_missing_is_named_by_its_key(kept: Surroundings) -> None:
    """An error about a file that config.toml names says which key names it."""
    path = write_config(kept, "[profile.other]", "password-file = 'no/such'")

    done = kept.run("--profile", "other", *GET)

    assert done.codes == ["credentials.unreadable"]
    assert f"(from `password-file` in [profile.other] of `{path}`)" in done.stderr
