"""`--item`: each custom field of an item becomes a variable of its name, and nothing that programs take code from."""

from __future__ import annotations

import json

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, FieldSpec, Identity, ItemSpec, Login, OrganizationSpec, SecureNote
from tests.support.files import write_private
from tests.support.program import Surroundings

ID = "0a0a0a0a-0000-4000-8000-000000000001"
SHOW = 'printf "%s|" "${A-unset}" "${B-unset}" "${C-unset}" "${D-unset}" "${E-unset}"'
# Names that an item may not set, with what a run would do if it could.
REFUSED = [
    "PATH", "LD_PRELOAD", "BASH_ENV", "NODE_OPTIONS", "BW_SESSION", "BITWARDENCLI_APPDATA_DIR", "BW_PASSWORD",
    "BWRUN_SERVER", "HOME", "PYTHONPATH", "ZDOTDIR", "1A", "A B", "A-B", "A=B", "é", "", "A\n",
]  # fmt: skip


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with items of many kinds of custom fields."""
    kinds = (
        FieldSpec("A", "text ü\nb"),
        FieldSpec("B", "hidden", 1),
        FieldSpec("C", "true", 2),
        FieldSpec("D", None, 3, 101),
        FieldSpec("E", None),
    )
    bad = tuple(
        ItemSpec(f"bad {number}", fields=(FieldSpec(name, "x"), FieldSpec("A", "a")))
        for number, name in enumerate(REFUSED)
    )
    return server.add_account(
        AccountSpec(
            "items@example.com",
            "correct horse",
            kdf=CHEAP,
            organizations=(OrganizationSpec("Acme", collections=("Ops",)),),
            items=(
                ItemSpec("prod env", Login("deploy", "p4ss"), fields=kinds, own_key=True, id=ID),
                ItemSpec("other", SecureNote(), fields=(FieldSpec("F", "f"), FieldSpec("A", "of the other"))),
                ItemSpec("twice", fields=(FieldSpec("A", "1"),), folder="Prod"),
                ItemSpec("twice", fields=(FieldSpec("A", "2"),), organization="Acme", collections=("Ops",)),
                ItemSpec("same", fields=(FieldSpec("A", "1"), FieldSpec("A", "2"))),
                ItemSpec("guarded", fields=(FieldSpec("A", "s3cret"),), reprompt=True),
                ItemSpec("off", fields=(FieldSpec("A", None, 2), FieldSpec("B", "false", 2))),
                ItemSpec("who", Identity(first_name="Ada", last_name="L"), fields=(FieldSpec("A", None, 3, 418),)),
                ItemSpec("dangling", Login("a"), fields=(FieldSpec("A", None, 3, 101),)),
                ItemSpec("nul", fields=(FieldSpec("A", "s3cret\0"),)),
                ItemSpec("big", fields=(FieldSpec("A", "s3cret" * 40_000),)),
                ItemSpec("spoilt", fields=(FieldSpec("A", "a"), FieldSpec("B", "b")), tamper=("fields.1.value",)),
                ItemSpec("a/b?c", fields=(FieldSpec("A", "odd"),)),
                ItemSpec("none"),
                ItemSpec("gone", fields=(FieldSpec("A", "a"),), trashed=True),
                *bad,
            ),
        )
    )


@pytest.mark.parametrize("item", ["prod env", "prod%20env", "bw://prod env", ID, ID.upper(), f"bw://{ID}", None])
def test_every_kind_of_field(run_in: Surroundings, item: str | None) -> None:
    """Text, hidden, boolean and linked fields become variables, whichever way the item is named; empty ones do not."""
    if item is None:
        done = run_in.run("--", "sh", "-c", SHOW, env={"BWRUN_ITEM": "prod env"})
    else:
        done = run_in.run("--item", item, "--", "sh", "-c", SHOW)

    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == "text ü\nb|hidden|true|p4ss|unset|"


@pytest.mark.parametrize(
    ("item", "value"),
    [("twice?folder=Prod", "1"), ("twice?organization=Acme&collection=Ops", "2"), ("a%2Fb%3Fc", "odd"),
     ("off", "false"), ("who", "Ada L")],
)  # fmt: skip
def test_narrowed(run_in: Surroundings, item: str, value: str) -> None:
    """A name that more items have is narrowed as in a reference; a box without a value is not ticked."""
    done = run_in.run("--item", item, "--", "sh", "-c", 'echo "$A"')

    assert (done.status, done.stdout, done.stderr) == (0, f"{value}\n", "")


def test_who_wins(run_in: Surroundings) -> None:
    """An item wins over the environment and env files, whose references are not looked up; -e wins over the item."""
    write_private(run_in.work / ".env", "A=bw://nix\nB=bw://nix\nF=of the file")
    words = ["-e", "B=plain", "--item", "prod env", "--", "sh", "-c", SHOW + '; echo "$F"']
    done = run_in.run(*words, env={"A": "@bw://nix", "C": "of the environment"})

    assert (done.status, done.stdout, done.stderr) == (0, "text ü\nb|plain|true|p4ss|unset|of the file\n", "")


def test_two_items(run_in: Surroundings) -> None:
    """The fields of two items come together; a name that both have is an error, unless -e says which."""
    words = ["--item", "prod env", "--item", "other"]
    done = run_in.run(*words, "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["reference.ambiguous"])
    assert "--item other: item `prod env` has a custom field `A` too" in done.stderr
    assert not (run_in.work / "x").exists()
    done = run_in.run(*words, "-e", "A=bw://other/A", "--", "sh", "-c", 'echo "$A $B $F"')
    assert (done.status, done.stdout, done.stderr) == (0, "of the other hidden f\n", "")


def test_the_option_replaces_the_variable(run_in: Surroundings) -> None:
    """--item replaces BWRUN_ITEM, which the command does not see."""
    words = ["--item", "other", "--", "sh", "-c", 'echo "$A ${B-unset} ${BWRUN_ITEM-unset}"']

    assert run_in.run(*words, env={"BWRUN_ITEM": "prod env"}).stdout == "of the other unset unset\n"


@pytest.mark.parametrize(("number", "name"), list(enumerate(REFUSED)), ids=[ascii(name) for name in REFUSED])
def test_names_that_are_refused(run_in: Surroundings, number: int, name: str) -> None:
    """A field that would set what programs take code from, or is no name, stops the run; the rest does not matter."""
    done = run_in.run("--item", f"bad {number}", "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["reference.invalid"])
    assert "cannot become a variable: " in done.stderr
    assert not (run_in.work / "x").exists()


def test_a_field_that_an_option_replaces_is_no_matter(run_in: Surroundings) -> None:
    """A name that only -e may set is no error where -e sets it: the item's field is not used."""
    number = REFUSED.index("NODE_OPTIONS")
    words = ["-e", "NODE_OPTIONS=--no-warnings", "--item", f"bad {number}"]

    assert run_in.run(*words, "--", "sh", "-c", 'echo "$NODE_OPTIONS $A"').stdout == "--no-warnings a\n"


@pytest.mark.parametrize(
    ("item", "code", "words"),
    [
        ("nix", "reference.not-found", "--item nix: no item is called `nix`"),
        ("twice", "reference.ambiguous", "--item twice: 2 items are called `twice`"),
        ("same", "reference.ambiguous", "two custom fields of item `same` are called `A`"),
        ("guarded", "reference.protected", "--item guarded: "),
        ("nul", "reference.nul", "A: the value contains a NUL byte"),
        ("big", "reference.too-large", "A: the value has 240000 bytes"),
        ("spoilt", "crypto.integrity", "the custom field `B` of item `spoilt`"),
        ("gone", "reference.in-trash", "--item gone: "),
        ("prod env/A", "reference.invalid", "`--item` takes an item without a field"),
        ("", "reference.invalid", "the item in the reference is empty"),
    ],
)
def test_cannot_be_used(run_in: Surroundings, item: str, code: str, words: str) -> None:
    """An item that cannot be found or opened, or a value that no variable can have, stops the run, without a value."""
    done = run_in.run("--optional", "A", "--item", item, "--", "touch", "x")

    assert (done.status, done.codes) == (125, [code])
    assert words in done.stderr
    assert "s3cret" not in done.stderr
    assert not (run_in.work / "x").exists()


@pytest.mark.parametrize(("item", "field"), [("prod env", "E"), ("dangling", "A")])
def test_empty_fields(run_in: Surroundings, item: str, field: str) -> None:
    """The variable of an empty field, or of one that is linked to an empty one, is unset; -v and --check say so."""
    show = ("--", "sh", "-c", f'echo "${{{field}-unset}}"')
    done = run_in.run("-v", "--item", item, *show, env={field: "of the environment"})

    assert (done.status, done.stdout) == (0, "unset\n")
    assert f"the custom field `{field}` of item `{item}` is empty: the variable is unset\n" in done.stderr
    checked = json.loads(run_in.run("--check", "--json", "--item", item, *show).stdout)
    assert [one["kind"] for one in checked["variables"] if one["name"] == field] == ["missing"]


def test_protected(run_in: Surroundings) -> None:
    """--allow-protected takes an item that asks for the master password again."""
    done = run_in.run("--allow-protected", "--item", "guarded", "--", "sh", "-c", 'echo "$A"')

    assert (done.status, done.stdout, done.stderr) == (0, "s3cret\n", "")


def test_an_item_without_fields(run_in: Surroundings) -> None:
    """An item that has no custom field sets nothing, and is no error."""
    done = run_in.run("--no-session", "--item", "none", "--", "env", env={"A": "kept"})

    assert (done.status, done.stderr) == (0, "")
    assert sorted(line.partition("=")[0] for line in done.stdout.splitlines()) == sorted(
        name for name in [*run_in.environment, "A"] if not name.startswith(("BW_", "BWRUN_"))
    )


def test_from_a_file_that_was_found(run_in: Surroundings) -> None:
    """A `.env` that was found cannot ask for an item; one that was named can."""
    write_private(run_in.work / ".env", "BWRUN_ITEM=prod env")

    done = run_in.run("--", "sh", "-c", 'echo "${A-unset}"')
    assert done.stdout == "unset\n"
    assert "warning: ignoring BWRUN_ITEM in `.env`" in done.stderr
    assert run_in.run("--env-file", ".env", "--", "sh", "-c", 'echo "$B"').stdout == "hidden\n"


def test_everything_at_once(run_in: Surroundings) -> None:
    """Items, fields and references that fail are told in one go."""
    words = ["--item", "nix", "--item", "guarded", "--item", "bad 0", "-e", "X=bw://nix"]
    done = run_in.run(*words, "--", "true")

    assert (done.status, sorted(done.codes)) == (
        125, ["reference.invalid", "reference.not-found", "reference.not-found", "reference.protected"],
    )  # fmt: skip
