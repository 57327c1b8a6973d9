"""`--list`: the items, each with the reference to paste, and no value."""

from __future__ import annotations

import json

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import (
    AccountSpec,
    Card,
    FieldSpec,
    ItemSpec,
    Login,
    OrganizationSpec,
    SecureNote,
    SshKey,
)
from tests.support.program import BWRUN, Surroundings

SECRET = "s3cret-0e51"
NAMES = (
    "prod-db", "CI tokens", "Größe", "a&b", "it's", "$HOME", "Ödön / 50%?&#", " spaced ", "two\nlines", "\x1b[2Jred",
    "0c0c0c0c-0000-4000-8000-00000000aaaa",
)  # fmt: skip


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with items of many kinds, whose values all hold SECRET."""
    plain = tuple(
        ItemSpec(name, Login(SECRET, f"{SECRET}-{number}"), notes=SECRET, fields=(FieldSpec(f"f{number}", SECRET),))
        for number, name in enumerate(NAMES)
    )
    return server.add_account(
        AccountSpec(
            "list@example.com",
            "correct horse",
            kdf=CHEAP,
            organizations=(
                OrganizationSpec("Acme", collections=("Ops",)),
                OrganizationSpec("Closed", enabled=False),
                OrganizationSpec("Locked", key_usable=False),
            ),
            items=(
                *plain,
                ItemSpec("memo", SecureNote(), notes=f"{SECRET} of the memo", folder="Prod"),
                ItemSpec("key", SshKey(SECRET, "p", "f"), organization="Acme", collections=("Ops",), own_key=True),
                ItemSpec("visa", Card(number=SECRET), folder="Home"),
                ItemSpec("twice", Login(SECRET, f"{SECRET} 1"), folder="Prod"),
                ItemSpec("twice", Login(SECRET, f"{SECRET} 2")),
                ItemSpec("guarded", Login(SECRET, SECRET), reprompt=True),
                ItemSpec("hidden", Login(SECRET, SECRET), organization="Acme", view_password=False),
                ItemSpec("closed", Login(SECRET, SECRET), organization="Closed"),
                ItemSpec("locked", Login(SECRET, SECRET), organization="Locked"),
                ItemSpec("broken", Login(SECRET, SECRET), tamper=("name",), id="0c0c0c0c-0000-4000-8000-000000000001"),
                ItemSpec("old", Login(SECRET, SECRET), archived=True),
                ItemSpec("gone", Login(SECRET, SECRET), trashed=True),
                ItemSpec("", Login(SECRET, SECRET)),
            ),
        )
    )


def names(surroundings: Surroundings, *words: str) -> list[str | None]:
    """Return the names of the items that fit."""
    done = surroundings.run("--list", "--json", *words)
    assert (done.status, done.stderr) == (0, "")
    return [one["name"] for one in json.loads(done.stdout)]


def test_for_machines(run_in: Surroundings, vault: Account) -> None:
    """--json prints what an item is, where it is, and why it cannot be used; not what lies in the trash."""
    done = run_in.run("--list", "--json")
    assert (done.status, done.stderr) == (0, "")
    listed = json.loads(done.stdout)
    by_name = {one["name"]: one for one in listed}

    keys = {"id", "name", "type", "folder", "organization", "reference", "protected", "problem"}
    assert all(set(one) == keys for one in listed)
    assert "gone" not in by_name
    assert len(listed) == 23
    assert by_name["memo"] == {
        "id": vault.item_ids["memo"], "name": "memo", "type": "secure note", "folder": "Prod", "organization": None,
        "reference": "bw://memo", "protected": False, "problem": None,
    }  # fmt: skip
    assert (by_name["key"]["type"], by_name["key"]["organization"]) == ("SSH key", "Acme")
    assert by_name["visa"]["type"] == "card"
    assert [one["name"] for one in listed if one["protected"]] == ["guarded", "hidden"]
    assert by_name["closed"]["problem"] == "its organization is disabled"
    unreadable = [one for one in listed if one["name"] is None]
    assert sorted(one["id"] for one in unreadable) == sorted(vault.item_ids[name] for name in ("broken", "locked"))
    assert all(one["problem"] for one in unreadable)
    assert listed[-2:] == unreadable
    assert SECRET not in done.stdout


def test_references_are_what_to_paste(run_in: Surroundings) -> None:
    """Each reference, pasted as it is printed, means just that item, whatever is in its name."""
    listed = [one for one in json.loads(run_in.run("--list", "--json", "login").stdout) if not one["problem"]]
    assert {one["name"] for one in listed} == {*NAMES, "twice", "guarded", "hidden", "old", ""}

    words = [word for number, one in enumerate(listed) for word in ("-e", f"V{number}={one['reference']}/id")]
    script = "; ".join(f'echo "$V{number}"' for number in range(len(listed)))
    done = run_in.run("--no-session", *words, "--", "sh", "-c", script)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.split() == [one["id"] for one in listed]


def test_references_survive(run_in: Surroundings, vault: Account) -> None:
    """
    A reference has no character that cron, systemd, make, shells or env files treat specially.

    A name that has one is given by its id; a name with a space or other letters stays readable.
    """
    listed = {one["name"]: one["reference"] for one in json.loads(run_in.run("--list", "--json", "login").stdout)}
    table = run_in.run("--list", "login").stdout

    assert (listed["CI tokens"], listed["Größe"]) == ("bw://CI tokens", "bw://Größe")
    for name in ("a&b", "it's", "$HOME", "Ödön / 50%?&#", " spaced "):
        assert listed[name] == f"bw://{vault.item_ids[name]}"
    assert not any(set(reference) & set("%$'\"`\\") for reference in listed.values())
    assert " 'bw://CI tokens'\n" in table
    assert " bw://Größe\n" in table
    (run_in.work / "file").write_text("A='bw://CI tokens'\nB=bw://CI tokens/id\nC=bw://Größe/id\n")
    done = run_in.run("--env-file", "file", "--", "sh", "-c", 'echo "$A|$B|$C"')
    assert done.stdout == f"{SECRET}-1|{vault.item_ids['CI tokens']}|{vault.item_ids['Größe']}\n"


def test_for_people(run_in: Surroundings) -> None:
    """The table has a line for each item, whatever is in its name, with what has to be known before it is used."""
    done = run_in.run("--list")

    lines = done.stdout.splitlines()
    assert (done.status, done.stderr, len(lines)) == (0, "", 24)
    assert lines[0].split() == ["NAME", "TYPE", "FOLDER", "ORGANIZATION", "REFERENCE"]
    assert done.stdout.replace("\n", "").isprintable()
    assert [" ".join(line.split()) for line in lines if line.startswith("guarded")] == [
        "guarded login bw://guarded (protected: needs --allow-protected)"
    ]
    assert sum(line.startswith("(cannot be decrypted)") for line in lines) == 2
    assert SECRET not in done.stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["prod"], ["memo", "prod-db", "twice"]),  # names and folders
        (["PROD", "db"], ["prod-db"]),
        (["prod", "nix"], []),
        (["acme"], ["hidden", "key"]),
        (["ssh key"], ["key"]),
        (["0C0C0C0C-0000-4000-8000-000000000001"], [None]),
        (["--", "prod", "note"], ["memo"]),
        (["ÖDÖN"], ["Ödön / 50%?&#"]),
        (["0c0c0c0c"], [NAMES[-1], None]),
        (["0c0c0c0"], [NAMES[-1]]),  # by its name; as a part of an id this is too short
    ],
)
def test_words(run_in: Surroundings, words: list[str], found: list[str | None]) -> None:
    """Each word is a part of the name, type, folder or organization, in any case, or at least 8 digits of the id."""
    assert names(run_in, *words) == found


def test_nothing_is_found(run_in: Surroundings) -> None:
    """No item is no failure: the head of the table alone, or an empty list."""
    assert names(run_in, "nix") == []
    done = run_in.run("--list", "nix")
    assert (done.status, done.stdout) == (0, "NAME  TYPE  FOLDER  ORGANIZATION  REFERENCE\n")


def test_writes_nothing(run_in: Surroundings, server: BitwardenServer) -> None:
    """Nothing is written, a directory for a session is not even needed; the requests are one login and one sync."""
    folders = [run_in.runtime, run_in.home, run_in.work]
    before = [folder.stat().st_mtime_ns for folder in folders]

    assert run_in.run("--list").status == run_in.run("--list", env={"BWRUN_RUNTIME_DIR": "/nonexistent"}).status == 0
    assert [folder.stat().st_mtime_ns for folder in folders] == before
    assert [request.path for request in server.requests()] == ["/identity/connect/token", "/api/sync"] * 2


def test_a_failure_ends_as_the_run_would_have(run_in: Surroundings) -> None:
    """What keeps a run from logging in keeps --list from it, in the same words, and nothing is printed on stdout."""
    for env in ({"BW_PASSWORD": "wrong"}, {"BW_CLIENTID": None}, {"BWRUN_SERVER": "https://localhost:1"}):
        done, run = run_in.run("--list", env=env), run_in.run("--", "true", env=env)

        assert (done.status, done.stdout, done.stderr) == (125, "", run.stderr)


def test_references_elsewhere_are_no_matter(run_in: Surroundings) -> None:
    """What a run would resolve, right or wrong, is nothing to --list."""
    done = run_in.run("--list", "-e", "A=bw://", "--item", "nix", "memo", env={"B": "bw://nix"})

    assert (done.status, done.stdout.count("\n"), done.stderr) == (0, 2, "")


def test_inside_another_run(run_in: Surroundings) -> None:
    """Inside another run, --list lists without credentials what the session holds: all but items without a key."""
    done = run_in.run("--", "sh", "-c", '"$0" --list', BWRUN)

    assert (done.status, done.stderr) == (0, "")
    whole = run_in.run("--list").stdout.splitlines()
    assert done.stdout.splitlines() == [line for line in whole if "cannot decrypt the key of organization" not in line]


@pytest.mark.parametrize("words", [["--list", "--check"], ["--list", "-x"], ["--list", "--clean"]])
def test_one_call_at_a_time(bare: Surroundings, words: list[str]) -> None:
    """--list beside another call, or with an option that there is not, is an error of the usage."""
    done = bare.run(*words)

    assert done.status == 125
    assert done.codes[0].startswith("usage.")
