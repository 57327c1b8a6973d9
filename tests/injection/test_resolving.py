"""References: values of the vault in the command's environment, all of them or no start."""

from __future__ import annotations

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import (
    AccountSpec,
    AttachmentSpec,
    FieldSpec,
    ItemSpec,
    Login,
    OrganizationSpec,
    SecureNote,
    Uri,
)
from tests.support.files import write_private
from tests.support.program import Surroundings


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account whose items have something of each kind."""
    login = Login("deploy", "p4ss", "JBSWY3DPEHPK3PXP", (Uri("https://one.example"), Uri("https://two.example")))
    file = AttachmentSpec("id.pem", b"-----BEGIN KEY-----\nx\n")
    return server.add_account(
        AccountSpec(
            "references@example.com",
            "correct horse",
            kdf=CHEAP,
            organizations=(OrganizationSpec("Acme", collections=("Deploy",)),),
            items=(
                ItemSpec("prod-db", login, own_key=True, folder="Prod", attachments=(file,)),
                ItemSpec("note", SecureNote(), notes="of the note", fields=(FieldSpec("Region", "eu-1"),)),
                ItemSpec("shared", Login("o", "s3"), organization="Acme", collections=("Deploy",)),
                ItemSpec("twice", Login("a", "1"), folder="Prod"),
                ItemSpec("twice", Login("a", "2")),
                ItemSpec("guarded", Login("a", "g"), reprompt=True),
                ItemSpec("nul", Login("a", "a\0b")),
                ItemSpec("gone", Login("a", "b"), trashed=True),
                ItemSpec("spoilt", Login("a", "b"), tamper=("login.password",)),
            ),
        )
    )


def test_every_kind_of_value(run_in: Surroundings, vault: Account) -> None:
    """Values of every kind arrive, from all places that set variables, and the session is there as well."""
    write_private(run_in.work / ".env", "NOTE=bw://note\nREGION=bw://note/Region\nPLAIN=x\n")
    words = ["-e", "URI=bw://prod-db/uri.2", "-e", "KEY=bw://prod-db/attachment/id.pem"]
    script = 'printf "%s|" "$NOTE" "$REGION" "$PLAIN" "$URI" "$KEY" "$USER_NAME" "$SHARED" "${BW_SESSION:+open}"'
    done = run_in.run(
        *words,
        "--",
        "sh",
        "-c",
        script,
        env={
            "USER_NAME": f"bw://{vault.item_ids['prod-db']}/username",
            "SHARED": "bw://shared?organization=Acme&collection=Deploy",
        },
    )

    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == "of the note|eu-1|x|https://two.example|-----BEGIN KEY-----\nx\n|deploy|s3|open|"


def test_who_wins(run_in: Surroundings) -> None:
    """An option wins over the environment, that over the env file; a reference that lost is not looked up."""
    write_private(run_in.work / ".env", "A=bw://there-is-none\nB=bw://there-is-none\n")
    done = run_in.run(
        "-e", "A=plain", "--", "sh", "-c", 'echo "$A $B"', env={"A": "bw://there-is-none", "B": "bw://prod-db"}
    )

    assert (done.status, done.stdout, done.stderr) == (0, "plain p4ss\n", "")


def test_all_or_nothing(run_in: Surroundings) -> None:
    """What cannot be resolved is told all at once, each with its own code, and the command is not started."""
    wrong = {
        "A": "bw://prod-dbx",
        "B": "bw://prod-db/nofield",
        "C": "bw://guarded",
        "D": "bw://twice",
        "E": "bw://gone",
        "F": "bw://spoilt",
        "G": "bw://prod-db",
    }
    done = run_in.run(*(word for name, text in wrong.items() for word in ("-e", f"{name}={text}")), "--", "touch", "x")

    assert done.status == 125
    assert not (run_in.work / "x").exists()
    assert dict(zip("ABCDEF", done.codes, strict=True)) == {
        "A": "reference.not-found",
        "B": "reference.no-field",
        "C": "reference.protected",
        "D": "reference.ambiguous",
        "E": "reference.in-trash",
        "F": "crypto.integrity",
    }
    assert "did you mean `prod-db`?" in done.stderr
    assert "p4ss" not in done.stderr


def test_malformed_references_fail_offline(run_in: Surroundings, server: BitwardenServer) -> None:
    """What is no reference is told before any request, all at once."""
    server.clear_requests()
    done = run_in.run("-e", "A=bw://x?y=1", "-e", "B=BW://x", "-e", "C=bw://", "--", "true")

    assert (done.status, done.codes) == (125, ["reference.invalid"] * 3)
    assert server.requests() == []


def test_optional_and_protected(run_in: Surroundings) -> None:
    """--optional lets a variable be missing, --allow-protected takes what asks for the master password again."""
    words = ["--optional", "Z", "--allow-protected", "-e", "C=bw://guarded", "-e", "Z=bw://nix"]
    done = run_in.run(*words, "--", "sh", "-c", 'echo "$C ${Z-unset}"')

    assert (done.status, done.stdout, done.stderr) == (0, "g unset\n", "")


def test_optional_is_not_for_broken_items(run_in: Surroundings) -> None:
    """An optional reference may find nothing; what fails its integrity check fails the run all the same."""
    done = run_in.run("--optional", "A", "-e", "A=bw://spoilt", "--", "true")

    assert (done.status, done.codes) == (125, ["crypto.integrity"])


def test_nul_cannot_be_a_value(run_in: Surroundings) -> None:
    """A value with a NUL byte in it cannot be a variable's, and is named."""
    done = run_in.run("-e", "A=bw://nul", "--", "true")

    assert (done.status, done.codes) == (125, ["reference.nul"])
    assert "A: the value contains a NUL byte" in done.stderr


@pytest.mark.parametrize("word", ["A", "=x", "BW_PASSWORD=x", "BWRUN_SERVER=x"])
def test_odd_assignments(bare: Surroundings, word: str) -> None:
    """`-e` needs NAME=VALUE, and no credential or setting; the word is not shown."""
    done = bare.run("-e", word, "--", "true")

    assert (done.status, done.codes) == (125, ["usage.env"])


def test_nested_run_gets_values(run_in: Surroundings) -> None:
    """A run inside sees the values that the outer one resolved, from the same `.env`, with no login of its own."""
    write_private(run_in.work / ".env", "A=bw://prod-db\n")
    done = run_in.run("--", "bwrun", "--", "sh", "-c", 'echo "$A"', env={"PATH": path_with_bwrun(run_in)})

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss\n", "")


def path_with_bwrun(surroundings: Surroundings) -> str:
    """Return a PATH on which bwrun is found."""
    from tests.support.program import BWRUN  # noqa: PLC0415

    return f"{BWRUN.parent}:{surroundings.environment['PATH']}"
