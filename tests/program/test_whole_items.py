"""`--item`: each custom field of an item becomes a variable, if its name may be one."""

from __future__ import annotations

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, FieldSpec, ItemSpec, Login, SecureNote
from tests.support.files import write_private
from tests.support.program import Surroundings

DANGEROUS = (
    "PATH",
    "LD_PRELOAD",
    "BASH_ENV",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "BW_SESSION",
    "BWRUN_SERVER",
    "BW_PASSWORD",
)


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with items whose custom fields are variables, and some that must not be."""
    good = (FieldSpec("DB_HOST", "h"), FieldSpec("_x1", "two\nlines"), FieldSpec("REF", "bw://nix"))
    items = (
        ItemSpec("prod env", SecureNote(), fields=good, folder="Prod"),
        ItemSpec("other", Login("a", "b"), fields=(FieldSpec("DB_HOST", "o"), FieldSpec("OTHER", "1"))),
        ItemSpec("guarded", SecureNote(), fields=(FieldSpec("G", "g"),), reprompt=True),
        ItemSpec("odd", SecureNote(), fields=tuple(FieldSpec(name, "x") for name in ("a b", "1A", "A=B", "grün"))),
        ItemSpec("nul", SecureNote(), fields=(FieldSpec("N", "a\0b"),)),
        *(ItemSpec(f"evil {name}", SecureNote(), fields=(FieldSpec(name, "/evil"),)) for name in DANGEROUS),
    )
    return server.add_account(AccountSpec("items@example.com", "correct horse", kdf=CHEAP, items=items))


@pytest.fixture
def run_in(bare: Surroundings, server: BitwardenServer, vault: Account) -> Surroundings:
    """Give surroundings with that account."""
    server.clear_faults()
    bare.use(server, vault)
    return bare


SHOW = ("sh", "-c", 'echo "$DB_HOST|$_x1|$REF"')


@pytest.mark.parametrize("text", ["prod env", "prod%20env", "bw://prod env", "prod env?folder=Prod"])
def test_fields_become_variables(run_in: Surroundings, text: str) -> None:
    """Each custom field is there under its name, over the environment and env files; a value is no reference."""
    write_private(run_in.work / ".env", "DB_HOST=file\nREF=bw://there-is-none\n")
    done = run_in.run("--item", text, "--", *SHOW, env={"_x1": "environment"})

    assert (done.status, done.stdout, done.stderr) == (0, "h|two\nlines|bw://nix\n", "")


def test_by_id_and_by_setting(run_in: Surroundings, vault: Account) -> None:
    """An item is found by its id; BWRUN_ITEM is the option."""
    done = run_in.run("--no-session", "--", *SHOW, env={"BWRUN_ITEM": vault.item_ids["prod env"]})

    assert (done.status, done.stdout) == (0, "h|two\nlines|bw://nix\n")


def test_e_wins_and_settles_duplicates(run_in: Surroundings) -> None:
    """Two items with the same field are an error that -e settles, for it wins over both."""
    words = ["--item", "prod env", "--item", "other"]
    done = run_in.run(*words, "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["reference.ambiguous"])
    assert not (run_in.work / "x").exists()
    assert run_in.run(*words, "-e", "DB_HOST=mine", "--", "sh", "-c", 'echo "$DB_HOST$OTHER"').stdout == "mine1\n"


@pytest.mark.parametrize("name", DANGEROUS)
def test_no_item_sets_what_starts_code(run_in: Surroundings, name: str) -> None:
    """A custom field that would decide what is run, or that is bwrun's own, stops the run."""
    done = run_in.run("--item", f"evil {name}", "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["reference.invalid"])
    assert f"`{name}`" in done.stderr
    assert "/evil" not in done.stderr
    assert not (run_in.work / "x").exists()


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "BASH_ENV", "LD_LIBRARY_PATH", "IFS"])
def test_no_reference_sets_what_starts_code(run_in: Surroundings, server: BitwardenServer, name: str) -> None:
    """Nor may a reference that the user wrote, as a value or as a file; it is told before any request."""
    server.clear_requests()
    for text in ("bw://other", "@bw://other"):
        done = run_in.run("-e", f"{name}={text}", "--", "/bin/true")

        assert (done.status, done.codes) == (125, ["reference.invalid"])
    assert server.requests() == []


def test_all_that_is_wrong_is_told(run_in: Surroundings) -> None:
    """Names that are no variables' are told one by one, beside items that are missing, protected or broken."""
    words = ["--item", "odd", "--item", "nix", "--item", "guarded", "--item", "nul", "-e", "A=bw://nix"]
    done = run_in.run(*words, "--", "touch", "x")

    assert done.status == 125
    assert sorted(done.codes) == sorted(
        ["reference.invalid"] * 4 + ["reference.not-found"] * 2 + ["reference.protected", "reference.nul"]
    )
    assert not (run_in.work / "x").exists()


@pytest.mark.parametrize("text", ["other/password", "other/", "", "x?y=z", "BW://other"])
def test_odd_items(run_in: Surroundings, server: BitwardenServer, text: str) -> None:
    """--item takes a whole item; anything else is told before any request."""
    server.clear_requests()
    done = run_in.run("--item", text, "--", "true")

    assert (done.status, done.codes) == (125, ["reference.invalid"])
    assert server.requests() == []


def test_protected_item_on_request(run_in: Surroundings) -> None:
    """--allow-protected takes the fields of an item that asks for the master password again."""
    assert run_in.run("--allow-protected", "--item", "guarded", "--", "sh", "-c", 'echo "$G"').stdout == "g\n"
