"""The official CLI in a session from the cache: it reads and writes, and what it writes makes the cache stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.official import Bw, Runner, finish, paths
from tests.server.control import BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, ItemSpec, Login

pytestmark = pytest.mark.official_cli

SPEC = AccountSpec("cached@example.com", "correct horse", CHEAP, items=(ItemSpec("prod-db", Login("u", "first")),))
CACHE = ("--cache",)


def read_and_write(bw: Bw, item: str) -> Json:
    """Inside: read the password, and set another."""
    found = bw.json("get", "item", item)
    before = found["login"]["password"]
    found["login"]["password"] = "second"
    return {"before": before, "edit": bw("edit", "item", item, send=found)["status"]}


def test_a_write_makes_the_cache_stale(official_bw: Path, server: BitwardenServer, tmp_path: Path) -> None:
    """`bw edit` in a session from the cache is on the server; the next run sees that the vault has changed."""
    server.clear_faults()
    account = server.add_account(SPEC)
    runner = Runner.make(tmp_path, official_bw, server, account)
    item = account.item_ids["prod-db"]
    places = {"BWRUN_CACHE_DIR": str(tmp_path / "caches")}  # the runtime directory need not be in RAM
    show = ("-e", "DB=bw://prod-db/password", "--", "sh", "-c", 'printf %s "$DB"')
    assert runner.surroundings.run("--cache", *show, env=places).stdout == "first"
    server.clear_requests()

    done = finish(runner.start(read_and_write, item, options=CACHE, env=places)).value

    assert done == {"before": "first", "edit": 0}
    assert "POST /identity/connect/token" not in paths(server)
    assert "GET /api/sync" not in paths(server)[:2]
    server.clear_requests()
    assert runner.surroundings.run("--cache", *show, env=places).stdout == "second"
    assert paths(server) == ["GET /api/accounts/revision-date", "GET /api/sync"]
