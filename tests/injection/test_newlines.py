"""`newline=lf`: keys that ssh refuses as the vault has them become usable, and nothing else changes without asking."""

from __future__ import annotations

import json

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, AttachmentSpec, FieldSpec, ItemSpec, Login, SecureNote
from tests.support.files import write_private
from tests.support.openssh import key_pair, tool
from tests.support.program import Surroundings

FORMS = ("Ed25519", "RSA in PKCS#1", "ECDSA in PKCS#8")
HEX = ("sh", "-c", 'od -An -v -tx1 "$F"')
READ = ("sh", "-c", 'exec ssh-keygen -y -P "" -f "$F"')
BINARY = b"\xff\r\n\0-----BEGIN \r\r\n\n\n"
CRLF = "has CR LF line ends"
NO_END = "has no newline at its end"


def spoilt(private: bytes) -> dict[str, str]:
    """Return a key as a vault may hold it, by what is odd about it."""
    text = private.decode("ascii")
    return {
        "as it is": text,
        "no end": text.rstrip("\n"),
        "crlf": text.replace("\n", "\r\n"),
        "both": text.replace("\n", "\r\n").rstrip("\r\n"),
        "many ends": text + "\r\n\n\r\n",
    }


ODD = {"no end": NO_END, "crlf": CRLF, "both": f"{CRLF} and {NO_END}"}


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with keys in notes, and with other texts."""
    tool("ssh-keygen")
    keys = [
        ItemSpec(f"{form} {oddity}", SecureNote(), notes=text, folder="Keys & more")
        for form in FORMS
        for oddity, text in spoilt(key_pair(form).private).items()
    ]
    files = (AttachmentSpec("raw", BINARY), AttachmentSpec("empty", b""))
    return server.add_account(
        AccountSpec(
            "newlines@example.com",
            "correct horse",
            kdf=CHEAP,
            items=(
                *keys,
                ItemSpec("text", Login("u", "a\r\nb\rc"), fields=(FieldSpec("A", "x"),), attachments=files),
                ItemSpec(
                    "cert", SecureNote(), notes="x\r\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
                ),
            ),
        )
    )


def place(form: str, oddity: str) -> str:
    """Return the reference to a key."""
    return f"bw://{form.replace('#', '%23')} {oddity}"


@pytest.mark.parametrize("oddity", ODD)
@pytest.mark.parametrize("form", FORMS)
def test_ssh_keygen_reads_the_key(run_in: Surroundings, form: str, oddity: str) -> None:
    """ssh-keygen reads the key with the parameter, and then the file has the bytes that ssh-keygen has written."""
    done = run_in.run("-e", f"F=@{place(form, oddity)}?newline=lf", "--", *READ)

    assert (done.status, done.stderr) == (0, "")
    assert " ".join(done.stdout.split()[:2]) == key_pair(form).public
    done = run_in.run("-e", f"F=@{place(form, oddity)}?newline=lf", "--", *HEX)
    assert bytes.fromhex(done.stdout) == key_pair(form).private


@pytest.mark.parametrize("oddity", ODD)
def test_ssh_keygen_refuses_the_key_as_it_is(run_in: Surroundings, oddity: str) -> None:
    """Without the parameter ssh-keygen refuses the key, and a warning says what is wrong and what to write."""
    done = run_in.run("-e", f"F=@{place('Ed25519', oddity)}", "--", *READ)

    first, second, *rest = done.stderr.splitlines()
    assert done.status == 255
    assert first == (
        f"bwrun: warning: F: the key or certificate in this file {ODD[oddity]}, and ssh refuses such a key"
    )
    cure = f"bw://Ed25519 {oddity}?newline=lf"
    assert second == f"bwrun: hint: write `F=@{cure}`, and bwrun corrects the copy in the file"
    assert "error in libcrypto" in "".join(rest)
    assert key_pair("Ed25519").private.splitlines()[2].decode() not in done.stderr
    run = run_in.run("-e", f"F=@{cure}", "--", *READ)
    assert (run.status, run.stderr) == (0, "")


def test_each_source_and_the_place_in_the_vault(run_in: Surroundings) -> None:
    """The warning comes from env files and with --check too; its cure keeps the other parameters."""
    write_private(run_in.work / ".env", "F='@bw://Ed25519 crlf?folder=Keys %26 more'")
    for words in (["--", "true"], ["--check"]):
        done = run_in.run(*words)

        assert done.status == 0
        assert CRLF in done.stderr
        assert "`F=@bw://Ed25519 crlf?folder=Keys %26 more&newline=lf`" in done.stderr


@pytest.mark.parametrize(
    "word",
    ["F=@bw://Ed25519 as it is", "F=@bw://Ed25519 many ends?newline=lf", "F=bw://Ed25519 both", "F={{ bw://cert }}",
     "F=@bw://text", "F=@bw://text/attachment/raw?newline=lf"],
)  # fmt: skip
def test_no_warning(run_in: Surroundings, word: str) -> None:
    """There is no warning for a good file, for a variable, for a text without a key, and with the parameter."""
    done = run_in.run("-e", word, "--", "true")

    assert (done.status, done.stderr) == (0, "")


def test_a_certificate_after_other_text(run_in: Surroundings) -> None:
    """A block that does not begin the file gives the warning too."""
    assert f"{CRLF} and {NO_END}" in run_in.run("-e", "F=@bw://cert", "--", "true").stderr


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", b"a\nb\nc\n"),
        ("/username", b"u\n"),
        ("/attachment/raw", b"\xff\n\0-----BEGIN \n\n"[:-1]),
        ("/attachment/empty", b"\n"),
    ],
)
def test_what_it_does(run_in: Surroundings, field: str, expected: bytes) -> None:
    """CR LF and CR become LF, and there is exactly one newline at the end; all other bytes stay."""
    done = run_in.run("-e", f"F=@bw://text{field}?newline=lf", "--", *HEX)

    assert (done.status, done.stderr) == (0, "")
    assert bytes.fromhex(done.stdout) == expected


def test_nothing_changes_without_it(run_in: Surroundings) -> None:
    """Without the parameter a file has the bytes of the value, even if a warning says what is odd about them."""
    done = run_in.run("-e", "F=@bw://text/attachment/raw", "--", *HEX)

    assert bytes.fromhex(done.stdout) == BINARY
    assert CRLF in done.stderr


def test_variables_texts_and_templates(run_in: Surroundings) -> None:
    """The parameter works wherever a reference does."""
    (run_in.work / "t").write_text("<bw://text?newline=lf>")
    words = ["-e", "A=bw://text?newline=lf", "-e", "B=<{{ bw://text?newline=lf }}>", "--template", "t:T"]
    done = run_in.run(*words, "--", "sh", "-c", 'printf "%s|" "$A" "$B"; cat "$T"')

    assert (done.status, done.stdout, done.stderr) == (0, "a\nb\nc\n|<a\nb\nc\n>|<a\nb\nc\n>", "")


@pytest.mark.parametrize("option", ["--item", "--ssh-key"])
def test_options_that_take_a_whole_item(run_in: Surroundings, server: BitwardenServer, option: str) -> None:
    """Where the parameter would mean nothing it is refused, before any request."""
    done = run_in.run(option, "text?newline=lf", "--", "true")

    assert (done.status, done.codes) == (125, ["reference.invalid"])
    assert f"`{option}` does not take the parameter `newline`" in done.stderr
    assert server.requests() == []


def test_another_value(run_in: Surroundings) -> None:
    """Any other value is an error that names the one that there is."""
    done = run_in.run("-e", "F=@bw://text?newline=crlf", "--", "true")

    assert (done.status, done.codes) == (125, ["reference.invalid"])
    assert "error: F: `newline` in the reference can only be `lf`" in done.stderr


def test_check(run_in: Surroundings) -> None:
    """--check says for which variables the newlines are made to fit."""
    words = ["--check", "-e", "F=@bw://text?newline=lf", "-e", "G=@bw://text"]
    rows = {one["name"]: one for one in json.loads(run_in.run(*words, "--json").stdout)["variables"]}

    assert (rows["F"]["newline"], rows["F"]["reference"], rows["F"]["field"]) == (
        "lf",
        "bw://text?newline=lf",
        "password",
    )
    assert (rows["G"]["newline"], rows["BW_SESSION"]["newline"]) == (None, None)
    assert "text  password?newline=lf  -e" in run_in.run(*words).stdout
