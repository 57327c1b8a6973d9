"""What tests of a vault's values share: a module's `vault`, and surroundings that are set for it."""

from __future__ import annotations

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.program import Surroundings


@pytest.fixture
def run_in(bare: Surroundings, server: BitwardenServer, vault: Account) -> Surroundings:
    """Give surroundings with the account of the module's fixture `vault`, and a server that was asked nothing."""
    server.clear_faults()
    server.clear_requests()
    bare.use(server, vault)
    return bare
