"""The account whose items the recipes name."""

from __future__ import annotations

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login


@pytest.fixture(scope="package")
def vault(server: BitwardenServer) -> Account:
    """Make the account."""
    items = (ItemSpec("prod-db", Login("deploy", "p4ss-of-prod-db")), ItemSpec("mail", Login("ada", "m4il")))
    return server.add_account(AccountSpec("recipes@example.com", "correct horse", kdf=CHEAP, items=items))
