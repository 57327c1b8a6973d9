"""References beside the official CLI: for the same items, both say the same."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.official import Bw, Runner
from tests.official.test_reading import RICH
from tests.server.control import BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import ItemSpec, Login
from tests.support.program import BWRUN, Surroundings

pytestmark = pytest.mark.official_cli

NOTES = "all work and no play " * 400  # 300 of them are more than a vault that is read at once
UNCERTAIN = ("passwordHistory", "revisionDate", "creationDate")  # dates' fractions are written in two ways


def both(bw: Bw) -> Json:
    """Inside: the vault as `bw` lists it, and what the references brought."""
    items = bw.json("list", "items")
    brought = {name: value for name, value in os.environ.items() if name.startswith(("JSON_", "PASSWORD_"))}
    return {"items": items, "brought": brought}


@pytest.mark.parametrize("fillers", [0, pytest.param(300, marks=pytest.mark.slow)], ids=["small vault", "large vault"])
def test_whole_items_and_passwords(server: BitwardenServer, official_bw: Path, tmp_path: Path, fillers: int) -> None:
    """
    `bw://ID/json` is what `bw get item ID` prints, and `bw://ID/password` its password, for every kind of item.

    So it is in a vault that is read in pieces, in which the CLI finds all items, too.
    """
    more = tuple(ItemSpec(f"filler {number}", Login("someone"), notes=NOTES) for number in range(fillers))
    account = server.add_account(replace(RICH, email=f"both-{fillers}@example.com", items=(*RICH.items, *more)))
    ids = {item_id: str(number) for number, item_id in enumerate(account.item_ids.values())}
    specs = {account.item_ids[item.name]: item for item in RICH.items if item.name in account.item_ids}
    usable = {item_id for item_id, item in specs.items() if not item.trashed}
    options = ["--allow-protected"]
    for item_id in usable:
        options += ["-e", f"JSON_{ids[item_id]}=bw://{item_id}/json"]
        options += ["--optional", f"PASSWORD_{ids[item_id]}", "-e", f"PASSWORD_{ids[item_id]}=bw://{item_id}/password"]
    found = Runner.make(tmp_path, official_bw, server, account).run(both, options=tuple(options)).value
    assert isinstance(found, dict)
    listed = {item["id"]: item for item in found["items"]}
    compared = [item_id for item_id in usable if item_id in listed]

    assert len(compared) > 8
    assert len([item for item in listed.values() if item["name"].startswith("filler ")]) == fillers
    for item_id in compared:
        ours = json.loads(found["brought"][f"JSON_{ids[item_id]}"])
        assert comparable(ours) == comparable(listed[item_id]), item_id
        password = (listed[item_id].get("login") or {}).get("password")
        if specs[item_id].view_password and password:
            assert found["brought"][f"PASSWORD_{ids[item_id]}"] == password


def comparable(item: Json) -> Json:
    """Return an item without what the two may write in different ways."""
    return {name: value for name, value in item.items() if name not in UNCERTAIN}


def test_prints_the_same(ready: Surroundings, official_bw: Path) -> None:
    """`bwrun --get` and `bw get` print the same bytes on a pipe."""
    script = '{ bw get password prod-db; echo ";"; } | od -c; { "$0" --get bw://prod-db/password; echo ";"; } | od -c'
    path = os.pathsep.join((str(official_bw.parent), ready.environment["PATH"]))
    done = ready.run("--", "sh", "-c", script, BWRUN, env={"PATH": path})
    lines = done.stdout.splitlines()

    assert done.status == 0
    assert "p   4   s   s   ;  \\n" in lines[0]
    assert lines[2:] == lines[:2]
