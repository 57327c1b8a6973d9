"""Everything that is wrong with the references of a run is told by that run: no second run finds more."""

from __future__ import annotations

import pytest

from tests.conftest import CHEAP, short_runtime
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, AttachmentSpec, FieldSpec, ItemSpec, Login, SecureNote, SshKey
from tests.support.openssh import tool
from tests.support.program import Surroundings

SECRET = "s3cret-51cd"


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account in which each item fails in another way."""
    spoilt = (FieldSpec("F", "a"), FieldSpec("G", "b"), FieldSpec("PATH", "c"), FieldSpec("N", f"{SECRET}\0"))
    return server.add_account(
        AccountSpec(
            "all-errors@example.com",
            "correct horse",
            kdf=CHEAP,
            items=(
                ItemSpec("good", Login("a", SECRET), attachments=(AttachmentSpec("f", b"x"),)),
                ItemSpec("nul", SecureNote(), notes=f"{SECRET}\0"),
                ItemSpec("big", SecureNote(), notes=SECRET * 20_000),
                ItemSpec("fields", fields=spoilt, tamper=("fields.0.value", "fields.1.value")),
                ItemSpec("same", fields=(FieldSpec("S", "1"), FieldSpec("S", "2"), FieldSpec("1X", "3"))),
                ItemSpec("key", SshKey("no key", "x", "x")),
                ItemSpec("guarded", Login("a", SECRET), reprompt=True),
            ),
        )
    )


def test_malformed_things_of_every_kind(run_in: Surroundings, server: BitwardenServer) -> None:
    """Before any request: options, templates, items, keys, and each variable, even one that no reference may set."""
    tool("ssh-add")
    (run_in.work / "t").write_text("{{ bw://x/ }}")
    (run_in.work / "u").write_text("bw://?")
    words = [
        "--template", "t:PATH", "--template", "u:a/b", "--template", "nix:N", "--template", "t:E", "-e", "E=x",
        "--item", "x/y", "--ssh-key", "x/y", "-e", "LD_PRELOAD=bw://", "-e", "C={{ bw:// }}", "-e", "HOME={{ BW://x }}",
        "-e", "F=@bw://x?",
    ]  # fmt: skip
    done = run_in.run(*words, "--", "/bin/true", env={"N": "bw://replaced?by=template"})

    lines = [line for line in done.stderr.splitlines() if line.startswith("bwrun: error: ")]
    places = sorted(line.removeprefix("bwrun: error: ").split(": ")[0] for line in lines)
    assert places == sorted(
        ["`t` line 1 column 1", "`u` line 1 column 1", "--item x/y", "--ssh-key x/y", "C", "F"]
        + ["LD_PRELOAD"] * 2 + ["HOME"] * 2 + ["--template"] * 4
    )  # fmt: skip
    assert (done.status, sorted(set(done.codes))) == (125, ["config.template", "reference.invalid", "usage.template"])
    assert server.requests() == []


def test_one_wrong_option_is_told_as_ever(run_in: Surroundings) -> None:
    """A single wrong option keeps its own words."""
    (run_in.work / "t").write_text("{{ bw://good }}")
    done = run_in.run("--template", "t:PATH", "--", "/bin/true")

    assert done.codes == ["usage.template"]
    assert done.stderr.startswith("bwrun: error: `--template` cannot set this variable: ")


def test_failures_of_every_kind(run_in: Surroundings) -> None:
    """A reference that finds nothing hides neither a NUL nor a size, of whatever variable, nor another failure."""
    tool("ssh-add")
    (run_in.work / "t").write_text("{{ bw://nix }}\nbw://good/nix")
    words = {
        "A": "bw://nix", "B": "bw://nul", "C": "bw://big", "D": "x {{ bw://nul }}", "E": "x {{ bw://big }}",
        "G": "{{ bw://guarded }} {{ bw://nix }}", "H": "@bw://good/attachment/nix", "I": "@bw://guarded",
    }  # fmt: skip
    assignments = [word for name, value in words.items() for word in ("-e", f"{name}={value}")]
    others = ["--template", "t:T", "--ssh-key", "key", "--item", "nix"]
    with short_runtime(run_in):
        done = run_in.run(*assignments, *others, "--", "touch", "x")

    lines = [line for line in done.stderr.splitlines() if line.startswith("bwrun: error: ")]
    places = [line.removeprefix("bwrun: error: ").split(": ")[0] for line in lines]
    assert sorted(zip(places, done.codes, strict=True)) == sorted(
        [
            ("A", "reference.not-found"),
            ("B", "reference.nul"),
            ("C", "reference.too-large"),
            ("D", "reference.nul"),
            ("E", "reference.too-large"),
            ("G", "reference.protected"),
            ("G", "reference.not-found"),
            ("H", "reference.no-field"),
            ("I", "reference.protected"),
            ("`t` line 1 column 1", "reference.not-found"),
            ("`t` line 2 column 1", "reference.no-field"),
            ("--ssh-key key", "crypto.ssh-key"),
            ("--item nix", "reference.not-found"),
        ]
    )
    assert SECRET not in done.stderr
    assert not (run_in.work / "x").exists()


def test_all_fields_of_an_item(run_in: Surroundings) -> None:
    """Each field of --item that cannot be opened, has a bad name, is there twice, or holds a NUL is told."""
    words = ["--item", "fields", "--item", "same", "--", "touch", "x"]
    done = run_in.run(*words, env={"F": "bw://replaced-by-the-item", "G": "bw://replaced-by-the-item"})

    assert sorted(done.codes) == sorted(
        ["crypto.integrity"] * 2 + ["reference.invalid"] * 2 + ["reference.ambiguous", "reference.nul"]
    )
    for words_said in ("field `F`", "field `G`", "`PATH`", "`1X`", "called `S`", "error: N: "):
        assert words_said in done.stderr
    assert SECRET not in done.stderr
