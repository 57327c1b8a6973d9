"""`--check` and `--list`: what a run would do, and what there is to refer to; no value, no session, nothing written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, FieldSpec, ItemSpec, Login, OrganizationSpec, SecureNote
from tests.support.files import write_private
from tests.support.program import Surroundings

SECRETS = ("p4ss-canary", "s3-canary", "note-canary", "field-canary", "correct horse")


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account whose every secret can be told."""
    return server.add_account(
        AccountSpec(
            "check@example.com",
            SECRETS[4],
            kdf=CHEAP,
            organizations=(OrganizationSpec("Acme", collections=("Deploy",)),),
            items=(
                ItemSpec("prod-db", Login("deploy", SECRETS[0]), folder="Prod"),
                ItemSpec("shared", Login("o", SECRETS[1]), organization="Acme", collections=("Deploy",)),
                ItemSpec("a/b note", SecureNote(), notes=SECRETS[2], fields=(FieldSpec("STAGE", SECRETS[3]),)),
                ItemSpec("twice", Login("a", "1")),
                ItemSpec("twice", Login("a", "2")),
                ItemSpec("guard\x1b[31med", Login("a", "g"), reprompt=True),
                ItemSpec("gone", Login("a", "b"), trashed=True),
                ItemSpec("spoilt", Login("a", "b"), tamper=("name",)),
            ),
        )
    )


@pytest.fixture
def run_in(bare: Surroundings, server: BitwardenServer, vault: Account) -> Surroundings:
    """Give surroundings with that account, an env file and a template."""
    server.clear_faults()
    bare.use(server, vault)
    write_private(bare.work / ".env", "DB=bw://prod-db\nPLAIN=plain-canary\nNOTE=bw://a%2Fb%20note\n")
    write_private(bare.work / "in.tpl", "x {{ bw://shared/username }}")
    return bare


ALL = ("--item", "bw://a%2Fb%20note", "--template", "in.tpl:CONF", "-e", "KEY=@bw://shared", "--optional", "NIX",
       "-e", "NIX=bw://there-is-none", "-e", "PLAIN=other-canary")  # fmt: skip


def check(surroundings: Surroundings, *words: str) -> dict[str, Any]:
    """Return what `--check --json` prints, by variable where it is a list of them."""
    done = surroundings.run("--check", "--json", *words, env={"NOTE": "environment-canary"})

    assert (done.status, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"variables": {one["name"]: one for one in found["variables"]}}


def test_says_who_sets_each_variable(run_in: Surroundings, vault: Account) -> None:
    """Each variable is there with its item, field and source, and whom it replaces."""
    found = check(run_in, *ALL, "--", "sh", "-c", "true")
    short = {
        name: (one["kind"], one["item"], one["field"], one["set_by"], one["instead_of"])
        for name, one in found["variables"].items()
    }

    assert short == {
        "DB": ("value", "prod-db", "password", "`.env` line 1", []),
        "STAGE": ("value", "a/b note", "STAGE", "--item a/b note", []),
        "CONF": ("template", "shared", "username", "`in.tpl` line 1 column 3", []),
        "KEY": ("file", "shared", "password", "-e", []),
        "NIX": ("missing", None, None, "-e", []),
        "PLAIN": ("plain", None, None, "-e", ["`.env` line 2"]),
        "NOTE": ("plain", None, None, "the environment", ["`.env` line 3"]),
        "BW_SESSION": ("session", None, None, "bwrun", []),
        "BITWARDENCLI_APPDATA_DIR": ("session", None, None, "bwrun", []),
        "NODE_EXTRA_CA_CERTS": ("session", None, None, "bwrun", []),
    }
    assert found["variables"]["DB"]["item_id"] == vault.item_ids["prod-db"]
    assert found["variables"]["DB"]["reference"] == "bw://prod-db"
    assert found["command"].endswith("/sh")
    assert found["session"] == "own"
    assert found["taken_away"] == ["BWRUN_SERVER", "BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"]
    assert {"HOME", "PATH"} <= set(found["inherited"])


def test_sets_what_a_run_sets(run_in: Surroundings) -> None:
    """The variables that a check names as set or inherited are those that the command gets, and no other."""
    found = check(run_in, *ALL, "--", "env", "-0")
    done = run_in.run(*ALL, "--", "env", "-0", env={"NOTE": "environment-canary"})
    got = {entry.partition("=")[0] for entry in done.stdout.split("\0") if entry}
    named = {name for name, one in found["variables"].items() if one["kind"] != "missing"}

    assert done.status == 0
    assert got == named | set(found["inherited"])


@pytest.mark.parametrize(
    "words", [["--check", *ALL, "--", "sh"], ["--check", "--json", *ALL], ["--list"], ["--list", "--json"]]
)
def test_prints_no_value(run_in: Surroundings, words: list[str]) -> None:
    """Nothing that is secret is printed, not even a plain value, and nothing is written."""
    done = run_in.run("-v", *words, env={"NOTE": "environment-canary"})

    assert done.status == 0
    assert "canary" not in done.stdout + done.stderr
    assert SECRETS[4] not in done.stdout + done.stderr
    assert run_in.left() == []
    assert sorted(entry.name for entry in run_in.work.iterdir()) == [".env", "in.tpl"]


def test_starts_nothing(run_in: Surroundings, server: BitwardenServer) -> None:
    """The command is not started; a check asks for no more than a run does."""
    server.clear_requests()
    done = run_in.run("--check", "--", "touch", "x")

    assert done.status == 0
    assert "touch" in done.stdout.splitlines()[0]
    assert not (run_in.work / "x").exists()
    assert sorted(request.path for request in server.requests()) == ["/api/sync", "/identity/connect/token"]


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["--", "no-such-command"], 127, "command.not-found"),
        (["--", "./.env"], 126, "command.not-executable"),
        (["-e", "X=bw://there-is-none", "--", "true"], 125, "reference.not-found"),
        (["-e", "X=bw://twice"], 125, "reference.ambiguous"),
        (["-e", "X=bw://gone"], 125, "reference.in-trash"),
    ],
)
def test_fails_as_the_run(run_in: Surroundings, words: list[str], status: int, code: str) -> None:
    """Where a run would fail, so does the check, with the same status and code, and prints no report."""
    done = run_in.run("--check", *words)

    assert (done.status, done.codes, done.stdout) == (status, [code], "")


def test_fails_where_there_is_no_place(run_in: Surroundings) -> None:
    """A run that could not write its session is found by the check."""
    unusable = {"BWRUN_RUNTIME_DIR": "/nonexistent"}

    assert run_in.run("--check", "--", "true", env=unusable).codes == ["session.runtime-dir"]
    assert run_in.run("--check", "--no-session", "--", "true", env=unusable).status == 0


@pytest.mark.parametrize("mode", ["--check", "--list"])
def test_fails_with_the_login(run_in: Surroundings, mode: str) -> None:
    """A wrong master password fails a check and a list as it fails a run."""
    done = run_in.run(mode, env={"BW_PASSWORD": "wrong"})

    assert (done.status, done.codes, done.stdout) == (125, ["crypto.wrong-master-password"], "")


def test_table(run_in: Surroundings) -> None:
    """For people it is a table under the command, the session, and what is taken away."""
    done = run_in.run("--check", "--no-session", "--", "true")
    lines = [line.split() for line in done.stdout.splitlines()]

    assert lines[1] == ["session", "none"]
    assert ["DB", "value", "prod-db", "password", "`.env`", "line", "1"] in lines
    assert lines[2][:3] == ["taken", "away", "BWRUN_SERVER,"]


def test_list(run_in: Surroundings, vault: Account) -> None:
    """Each item that is not in the trash is listed with the reference that means it; control characters do nothing."""
    done = run_in.run("--list", "--json")
    found = {one["id"]: one for one in json.loads(done.stdout)}

    assert (done.status, done.stderr) == (0, "")
    assert len(found) == 7
    assert vault.item_ids["gone"] not in found
    shared = found[vault.item_ids["shared"]]
    assert (shared["name"], shared["type"], shared["organization"]) == ("shared", "login", "Acme")
    assert (shared["reference"], shared["problem"], shared["protected"]) == ("bw://shared", None, False)
    assert found[vault.item_ids["a/b note"]]["reference"] == "bw://a%2Fb%20note"
    spoilt = found[vault.item_ids["spoilt"]]
    assert (spoilt["name"], spoilt["reference"]) == (None, f"bw://{vault.item_ids['spoilt']}")
    assert {one["reference"] for one in found.values() if one["name"] == "twice"} == {
        f"bw://{identity}" for identity, one in found.items() if one["name"] == "twice"
    }
    table = run_in.run("--list")
    assert "\x1b" not in table.stdout
    assert "protected: needs --allow-protected" in table.stdout
    assert table.stdout.splitlines()[0].split() == ["NAME", "TYPE", "FOLDER", "ORGANIZATION", "REFERENCE"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["prod"], ["prod-db"]),
        (["PROD", "db"], ["prod-db"]),
        (["acme"], ["shared"]),
        (["secure", "note"], ["a/b note"]),
        (["prod", "acme"], []),
        (["--", "twice"], ["twice", "twice"]),
    ],
)
def test_list_of_words(run_in: Surroundings, words: list[str], names: list[str]) -> None:
    """Each word has to stand in the item's name, type, folder, organization or id."""
    done = run_in.run("--json", "--list", *words)

    assert [one["name"] for one in json.loads(done.stdout)] == names


def test_references_of_the_list_work(run_in: Surroundings) -> None:
    """What the list gives to paste resolves."""
    references = [
        one["reference"] for one in json.loads(run_in.run("--list", "--json").stdout) if one["problem"] is None
    ]
    words = [word for n, text in enumerate(references) for word in ("-e", f"V{n}={text}/id")]

    assert len(references) == 6
    assert run_in.run("--check", *words).status == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--", "true"],
        ["--check", "--list"],
        ["--clean", "--check"],
        ["--clean", "--json"],
        ["--list", "--clean"],
    ],
)
def test_odd_calls(bare: Surroundings, words: list[str]) -> None:
    """--json goes with --check or --list, and each of these is a call of its own."""
    assert bare.run(*words).codes == ["usage.conflict"]


def test_unknown_options_of_a_list(bare: Surroundings) -> None:
    """A word that looks like an option is none of the words to look for."""
    assert bare.run("--list", "--lisst").codes == ["usage.unknown-option"]


def test_inside_another_run(run_in: Surroundings) -> None:
    """Inside another run a check says whose session it would be, without a login."""
    from tests.support.program import BWRUN  # noqa: PLC0415

    (run_in.work / ".env").unlink()
    done = run_in.run("--", BWRUN, "--check", "--json", "--", "true")

    assert (done.status, json.loads(done.stdout)["session"]) == (0, "outer")
