"""--get: the values alone, on stdout; all errors at once; no session, and no more requests than are needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, AttachmentSpec, FieldSpec, ItemSpec, Login, SecureNote
from tests.support.files import write_private
from tests.support.program import BWRUN, TIMEOUT, Ended, Surroundings
from tests.support.terminal import Terminal
from tests.support.user_keys import with_user_key

ID = "0d0d0d0d-0000-4000-8000-000000000001"
RAW = bytes(range(256)) * 3
TOKEN, SYNC = "/identity/connect/token", "/api/sync"
NO_ACCOUNT = dict.fromkeys(("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"))


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with values of several forms."""
    items = (
        ItemSpec(
            "prod-db",
            Login("deploy", "p4ss"),
            id=ID,
            fields=(FieldSpec("empty", ""), FieldSpec("odd", " grüße 'x' \\n $HOME ")),
            attachments=(AttachmentSpec("raw", RAW),),
        ),
        ItemSpec("note", SecureNote(), notes="one\r\ntwo\n\tthree\n"),
        ItemSpec("evil", SecureNote(), notes="a\x1b[2Jb"),
        ItemSpec("c1", SecureNote(), notes="a\x9bb"),
        ItemSpec("return", SecureNote(), notes="a\rb"),
        ItemSpec("asks", Login("u", "guarded"), reprompt=True),
    )
    return server.add_account(AccountSpec("get@example.com", "correct horse", kdf=CHEAP, items=items))


def paths(server: BitwardenServer) -> list[str]:
    """Return the paths of all requests."""
    return [one.path for one in server.requests()]


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("bw://prod-db/password", "p4ss"),
        ("bw://prod-db", "p4ss"),
        ("bw://prod-db/odd", " grüße 'x' \\n $HOME "),
        ("bw://note?newline=lf", "one\ntwo\n\tthree\n"),
        ("bw://evil", "a\x1b[2Jb"),
    ],
)
def test_one_value(run_in: Surroundings, reference: str, value: str) -> None:
    """One value is printed as it is, without a newline after it, and nothing else is."""
    assert run_in.run("--get", reference) == Ended(0, value, "")


def test_bytes(run_in: Surroundings) -> None:
    """An attachment is printed byte for byte, NUL and all."""
    done = subprocess.run(
        [BWRUN, "--get", "bw://prod-db/attachment/raw"],
        check=False,
        env=run_in.environment,
        cwd=run_in.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, RAW, b"")


def test_several_values(run_in: Surroundings, server: BitwardenServer) -> None:
    """Several values are printed one a line, in their order, the same one twice too; options stand where they like."""
    words = ("--get", "bw://prod-db/password", "bw://prod-db/username", "--timeout", "60", "bw://prod-db")
    done = run_in.run(*words, "bw://prod-db/password")

    assert done == Ended(0, "p4ss\ndeploy\np4ss\np4ss\n", "")
    assert paths(server).count(TOKEN) == 1


def test_after_the_separator(run_in: Surroundings) -> None:
    """References may stand after `--`."""
    assert run_in.run("--get", "--", "bw://prod-db") == Ended(0, "p4ss", "")


def test_several_with_a_newline(run_in: Surroundings) -> None:
    """Of several values none may have lines of its own: a reader would take them for other values."""
    done = run_in.run("--get", "bw://prod-db", "bw://note", "bw://note/name")

    assert (done.status, done.stdout, done.codes) == (125, "", ["output.several-lines"])
    assert "bw://note" in done.stderr


def test_all_errors_of_the_vault_at_once(run_in: Surroundings) -> None:
    """Every reference that has no value is reported, and no value is printed."""
    words = ("bw://nix", "bw://prod-db", "bw://prod-db/nix", "bw://asks", "bw://prod-db/empty")
    done = run_in.run("--get", *words)

    assert (done.status, done.stdout) == (125, "")
    assert done.codes == ["reference.not-found", "reference.no-field", "reference.protected", "reference.no-field"]
    assert "p4ss" not in done.stderr


def test_malformed_before_the_login(run_in: Surroundings, server: BitwardenServer) -> None:
    """What is malformed is reported at once, before a request; what may be a secret is not repeated."""
    done = run_in.run("--get", "bw://a#b", "hunter2", "@bw://prod-db", "BW://prod-db", "bw://prod-db")

    assert (done.status, done.stdout, done.codes) == (125, "", ["reference.invalid"] * 4)
    assert "hunter2" not in done.stderr
    assert "argument 2 of `--get`" in done.stderr
    assert paths(server) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--get",), "usage.get"),
        (("--get", "--"), "usage.get"),
        (("--get", "bw://prod-db", "-e", "A=bw://x"), "usage.conflict"),
        (("--get", "bw://prod-db", "--optional", "A"), "usage.conflict"),
        (("--get", "bw://prod-db", "--json"), "usage.conflict"),
        (("--get", "bw://prod-db", "--clean-env"), "usage.conflict"),
        (("--get", "--list", "bw://prod-db"), "usage.conflict"),
        (("--get", "bw://prod-db", "--bogus"), "usage.unknown-option"),
        (("--get=bw://prod-db",), "usage.bad-option"),
    ],
)
def test_wrong_command_lines(run_in: Surroundings, server: BitwardenServer, words: tuple[str, ...], code: str) -> None:
    """An option without a meaning here is refused, and so is a line without a reference; nothing is asked."""
    done = run_in.run(*words)

    assert (done.status, done.stdout, done.codes) == (125, "", [code])
    assert paths(server) == []


def test_protected(run_in: Surroundings) -> None:
    """--allow-protected allows it here too."""
    assert run_in.run("--get", "bw://asks", "--allow-protected") == Ended(0, "guarded", "")


def test_settings_of_runs_do_not_disturb(run_in: Surroundings) -> None:
    """Variables that are meant for runs, those about the session among them, change nothing."""
    settings = {
        "BWRUN_RENEW": "1",
        "BWRUN_SESSION_API_KEY": "1",
        "BWRUN_OPTIONAL": "A",
        "BWRUN_ITEM": "nix",
        "A": "bw://nix",
    }

    assert run_in.run("--get", "bw://prod-db", env=settings) == Ended(0, "p4ss", "")


def test_by_id_fetches_the_item_alone(run_in: Surroundings, server: BitwardenServer) -> None:
    """Items that are named by id are fetched alone, and the whole vault is not."""
    assert run_in.run("--get", f"bw://{ID}/password", f"bw://{ID.upper()}/username") == Ended(0, "p4ss\ndeploy\n", "")
    assert f"/api/ciphers/{ID}/details" in paths(server)
    assert SYNC not in paths(server)


def test_no_session(run_in: Surroundings) -> None:
    """Nothing is written: it works where no session can be."""
    assert run_in.run("--get", "bw://prod-db", env={"BWRUN_RUNTIME_DIR": "/proc"}) == Ended(0, "p4ss", "")


def test_with_the_cache(run_in: Surroundings, server: BitwardenServer) -> None:
    """With --cache, the second one needs no login."""
    env = {"BWRUN_CACHE": "on", "BWRUN_MAX_AGE": "600"}
    assert run_in.run("--get", "bw://prod-db", env=env) == Ended(0, "p4ss", "")
    server.clear_requests()

    assert run_in.run("--get", "bw://prod-db", env=env) == Ended(0, "p4ss", "")
    assert TOKEN not in paths(server)


def test_with_the_user_key(run_in: Surroundings, vault: Account) -> None:
    """With BWRUN_USER_KEY, no password is needed."""
    assert run_in.run("--get", "bw://prod-db", env=with_user_key(vault)) == Ended(0, "p4ss", "")


def test_nested(run_in: Surroundings, server: BitwardenServer) -> None:
    """Inside another bwrun, values come from its session; only the attachment is fetched."""
    script = '"$0" --get bw://prod-db/password && "$0" --get bw://prod-db/attachment/raw | cksum'
    expected = subprocess.run(["cksum"], input=RAW, check=True, capture_output=True).stdout.decode()
    done = run_in.run("--", "sh", "-c", script, BWRUN)

    assert done == Ended(0, f"p4ss{expected}", "")
    assert (paths(server).count(TOKEN), paths(server).count(SYNC)) == (1, 1)


def test_nested_misses(run_in: Surroundings) -> None:
    """What the outer session does not hold is an error that says so."""
    done = run_in.run("--only", "note", "--", BWRUN, "--get", "bw://prod-db")

    assert (done.status, done.stdout, done.codes) == (125, "", ["reference.not-in-session"])


def test_without_credentials(run_in: Surroundings) -> None:
    """Without credentials, the error says what is missing."""
    done = run_in.run("--get", "bw://prod-db", env=NO_ACCOUNT)

    assert (done.status, done.stdout, done.codes) == (125, "", ["credentials.missing"])


def on_terminal(surroundings: Surroundings, *words: str) -> tuple[int, str]:
    """Return the status and the screen of `bwrun WORDS…` on a terminal."""
    with Terminal.start([BWRUN, *words], surroundings.environment, surroundings.work) as terminal:
        status = terminal.ended()
        return status, terminal.screen


def test_terminal(run_in: Surroundings) -> None:
    """On a terminal, a newline follows the value, as after what the official CLI prints."""
    assert on_terminal(run_in, "--get", "bw://prod-db") == (0, "p4ss\n")


def test_lines_on_a_terminal(run_in: Surroundings) -> None:
    """Newlines, tabs and the line ends of Windows are no danger to a terminal."""
    status, screen = on_terminal(run_in, "--get", "bw://note")

    assert (status, screen.replace("\r", "")) == (0, "one\ntwo\n\tthree\n\n")


@pytest.mark.parametrize(
    "words",
    [["bw://evil"], ["bw://c1"], ["bw://return"], ["bw://prod-db/attachment/raw"], ["bw://prod-db", "bw://evil"]],
)
def test_control_characters_on_a_terminal(run_in: Surroundings, words: list[str]) -> None:
    """A value that would control the terminal is not printed on one, and none of the others is."""
    status, screen = on_terminal(run_in, "--get", *words)

    assert status == 125
    assert screen.startswith(f"bwrun: error: {words[-1]}: ")
    assert "[output.control-characters]" in screen
    assert "\x1b" not in screen
    assert "p4ss" not in screen


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_cannot_be_written(run_in: Surroundings, redirection: str) -> None:
    """A stdout that takes nothing is an error."""
    done = subprocess.run(
        ["sh", "-c", f'"$0" --get bw://prod-db {redirection}', BWRUN],
        check=False,
        env=run_in.environment,
        cwd=run_in.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        encoding="utf-8",
    )

    assert done.returncode == 125
    assert "[output.write]" in done.stderr


def test_env_file(bare: Surroundings, server: BitwardenServer, vault: Account, tmp_path: Path) -> None:
    """Credentials come from an env file as ever; its variables for the command are not looked up."""
    lines = (
        f"BW_CLIENTID={vault.client_id}",
        f"BW_CLIENTSECRET={vault.client_secret}",
        f"BW_PASSWORD='{vault.master_password}'",
    )
    write_private(tmp_path / "env", *lines, f"BWRUN_SERVER={server.url}", "A=bw://nix")

    assert bare.run(
        "--get", "bw://prod-db", "--env-file", tmp_path / "env", env={"SSL_CERT_FILE": str(server.ca_file)}
    ) == Ended(0, "p4ss", "")
