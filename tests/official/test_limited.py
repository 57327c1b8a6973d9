"""A session with `--only`: what the official CLI reads there is what it reads in a whole session, and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.official import Bw, Runner
from tests.official.serving import serve
from tests.official.test_reading import LISTS, RICH
from tests.official.test_sdk_accounts import ITEMS, SHARED
from tests.server import sdk
from tests.server.control import Account, BitwardenServer
from tests.server.json_types import Json

pytestmark = pytest.mark.official_cli

FIELDS = ("item", "username", "password", "uri", "notes")
CHOSEN = ("prod-db", "own-key", "visa", "me", "deploy-key", "giro", "driving", "travel", "shared", "shared-own", "seen")
NEW = {"type": 1, "name": "made", "login": {"username": "u", "password": "p"}}


def read_chosen(bw: Bw, ids: dict[str, str]) -> Json:
    """Inside: all lists, and each field of each of these items."""
    with serve(bw) as served:
        lists = served.all({name: words for name, words in LISTS.items() if name not in ("trash", "archive")})
        gets = {name: {one: served("get", one, identity) for one in FIELDS} for name, identity in ids.items()}
        other = {"status": served("status"), "template": served("get", "template", "item")}
    return {"lists": lists, "gets": gets, "other": other}


def ask_the_server(bw: Bw, identity: str, organization: str) -> Json:
    """Inside: what the CLI needs the server for, and then whether it still reads."""
    return {
        "sync": bw("sync"),
        "forced sync": bw("sync", "--force"),
        "create": bw("create", "item", send=NEW),
        "edit": bw("edit", "item", identity, send=NEW),
        "delete": bw("delete", "item", identity),
        "attachment": bw("get", "attachment", "old.txt", "--itemid", identity, "--output", "file"),
        "password": bw("get", "password", identity),
        "generated": bw("generate", "--length", "20"),
        "of the organization": bw("list", "items", "--organizationid", organization),
        "status": bw("status"),
    }


def comparable(item: Any) -> Any:  # noqa: ANN401  (JSON)
    """Return an item without its wrapped key and the wrapped keys of its files, which are others in each session."""
    if isinstance(item, list):
        return [comparable(one) for one in item]
    return {
        name: comparable(value) if name == "attachments" else value for name, value in item.items() if name != "key"
    }


def only(selectors: list[str]) -> tuple[str, ...]:
    """Return the options for these selectors."""
    return tuple(word for selector in selectors for word in ("--only", selector))


def assert_same(whole: Json, limited: Json, names: list[str], ids: dict[str, str]) -> None:
    """Check that both sessions say the same of the chosen items, and that the limited one lists no other."""
    listed = {one["id"]: comparable(one) for one in json.loads(whole["lists"]["items"]["stdout"])}
    found = [comparable(one) for one in json.loads(limited["lists"]["items"]["stdout"])]

    assert sorted(one["name"] for one in found) == sorted(names)
    assert [listed[one["id"]] for one in found] == found
    for name in ids:
        if name in names:
            for one in FIELDS:
                given, expected = limited["gets"][name][one], whole["gets"][name][one]
                if one == "item":
                    given, expected = (
                        {**got, "stdout": comparable(json.loads(got["stdout"]))} for got in (given, expected)
                    )
                assert given == expected, (name, one)
        else:
            assert {got["stdout"] for got in limited["gets"][name].values()} == {""}
    for kind in ("folders", "collections", "organizations"):
        places = {one["id"]: one for one in json.loads(whole["lists"][kind]["stdout"])}
        assert all(places[one["id"]] == one for one in json.loads(limited["lists"][kind]["stdout"]))


def places(read: Json, kind: str) -> set[str]:
    """Return the names of the folders, collections or organizations that a session lists."""
    return {one["name"] for one in json.loads(read["lists"][kind]["stdout"])}


@pytest.fixture(scope="module")
def rich(server: BitwardenServer) -> Account:
    """Make an account with all kinds of items."""
    return server.add_account(replace(RICH, email="limited@example.com"))


def test_reads_what_a_whole_session_reads(
    server: BitwardenServer, official_bw: Path, tmp_path: Path, rich: Account
) -> None:
    """Field by field, the chosen items are the same; of all others, and of their places, nothing is there."""
    server.clear_faults()
    runner = Runner.make(tmp_path, official_bw, server, rich)
    ids = {name: rich.item_ids[name] for name in (*CHOSEN, "memo", "bare")}
    whole = runner.run(read_chosen, ids).value
    server.clear_requests()
    limited = runner.run(read_chosen, ids, options=only(list(CHOSEN))).value
    few = runner.run(read_chosen, ids, options=only(["?folder=Prod&organization=Acme", "visa"])).value

    assert_same(whole, limited, list(CHOSEN), ids)
    assert (places(limited, "folders"), places(limited, "organizations")) == ({"Prod", "No Folder"}, {"Acme", "Beta"})
    assert_same(whole, few, ["shared", "visa"], ids)
    assert (places(few, "collections"), places(few, "organizations")) == ({"Deploy", "Ops"}, {"Acme"})
    assert limited["other"]["status"]["status"] == 0
    assert {request.path for request in server.requests()} <= {"/identity/connect/token", "/api/sync", "/api/config"}


@pytest.mark.slow
def test_what_needs_the_server_fails_at_once(
    server: BitwardenServer, official_bw: Path, tmp_path: Path, rich: Account
) -> None:
    """Writing, syncing and downloading end with the CLI's own error, and the server is asked for nothing."""
    server.clear_faults()
    runner = Runner.make(tmp_path, official_bw, server, rich)
    server.clear_requests()
    arguments = rich.item_ids["prod-db"], rich.organization_ids["Acme"]
    found = runner.run(ask_the_server, *arguments, options=only(["prod-db", "shared"])).value

    for name in ("forced sync", "create", "edit", "delete", "attachment"):
        assert found[name]["status"] != 0, name
        assert "Refresh Access token error" in found[name]["stderr"], (name, found[name])
    assert found["password"] == {"status": 0, "stdout": "p4ss wörd \N{KEY}", "stderr": ""}
    assert len(found["generated"]["stdout"]) == 20
    assert [one["name"] for one in json.loads(found["of the organization"]["stdout"])] == ["shared"]
    assert json.loads(found["status"]["stdout"])["status"] == "unlocked"
    assert {request.path for request in server.requests()} <= {"/identity/connect/token", "/api/sync", "/api/config"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ed25519", "ml-dsa-44"])
def test_accounts_of_v2(server: BitwardenServer, official_bw: Path, tmp_path: Path, kind: sdk.Kind) -> None:
    """Items of an account with V2 encryption, blob items and items of its organization, are the same, too."""
    server.clear_faults()
    email = f"limited-{kind}@example.com"
    account = server.add_account(sdk.spec_of(sdk.make(kind, email, ITEMS, [SHARED]), email))
    runner = Runner.make(tmp_path, official_bw, server, account)
    runner.surroundings.environment["BW_PASSWORD"] = sdk.PASSWORD
    ids = dict(account.item_ids)
    whole = runner.run(read_chosen, ids).value
    names = [name for name in ids if name]
    chosen = names[: len(names) // 2] + [name for name in names[len(names) // 2 :] if name == SHARED["name"]]
    limited = runner.run(read_chosen, ids, options=only([ids[name] for name in chosen])).value

    assert len(chosen) >= 2
    assert_same(whole, limited, chosen, ids)
