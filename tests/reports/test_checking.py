"""`--check`: all that a run would do, said without a value; nothing started, nothing written, the run's own status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, AttachmentSpec, FieldSpec, ItemSpec, Login, SecureNote
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings

SECRET = "s3cret-71aa"
ID = "0b0b0b0b-0000-4000-8000-000000000001"
ENV_ID = "0b0b0b0b-0000-4000-8000-000000000002"
NOTE_ID = "0b0b0b0b-0000-4000-8000-000000000003"
SPEC = AccountSpec(
    "check@example.com",
    f"master {SECRET}",
    kdf=CHEAP,
    items=(
        ItemSpec(
            "app",
            Login(f"user {SECRET}", f"password {SECRET}", "JBSWY3DPEHPK3PXP"),
            notes=f"notes {SECRET}",
            fields=(FieldSpec("token", f"field {SECRET}", 1),),
            attachments=(AttachmentSpec("id.pem", f"file {SECRET}".encode()),),
            id=ID,
        ),
        ItemSpec(
            "prod env", fields=(FieldSpec("A", SECRET), FieldSpec("B", SECRET), FieldSpec("T", SECRET)), id=ENV_ID
        ),
        ItemSpec("note", SecureNote(), notes=SECRET, id=NOTE_ID),
        ItemSpec("guarded", Login("a", SECRET), reprompt=True),
        ItemSpec("twice", Login("a", SECRET)),
        ItemSpec("twice", Login("b", SECRET)),
        ItemSpec("nul", SecureNote(), notes=f"{SECRET}\0"),
        ItemSpec("big", SecureNote(), notes=SECRET * 20_000),
        ItemSpec("spoilt", Login("a", SECRET), tamper=("login.password",)),
        ItemSpec("many", fields=tuple(FieldSpec(f"F{number}", "x" * 10_000) for number in range(400))),
    ),
)


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account all of whose values hold SECRET."""
    return server.add_account(SPEC)


@pytest.fixture
def run_in(run_in: Surroundings) -> Surroundings:
    """Put a template into them."""
    (run_in.work / "t").write_text("user: {{ bw://app/username }}\nfile: bw://app/attachment/id.pem\n")
    return run_in


def row(name: str, kind: str, set_by: str, *instead_of: str, **found: str) -> Json:
    """Return a variable as --json prints it."""
    nothing = dict.fromkeys(("reference", "item", "item_id", "field", "newline"))
    return {"name": name, "kind": kind, "set_by": set_by, "instead_of": list(instead_of), **nothing, **found}


def of_app(field: str, reference: str) -> dict[str, str]:
    """Return what a reference to the item `app` finds."""
    return {"reference": reference, "item": "app", "item_id": ID, "field": field}


WORDS = [
    "-e", "A=plain", "-e", "C=bw://app", "-e", f"D=@bw://{ID}/attachment/id.pem", "--item", "prod env",
    "--template", "t:T", "--optional", "E", "--pass", "BW_CLIENTID",
]  # fmt: skip
ENVIRONMENT = {"A": "1", "B": "bw://nix", "C": "2", "E": "bw://nix/x", "F": f"plain {SECRET}"}
BY_ITEM = {"item": "prod env", "item_id": ENV_ID, "reference": "bw://prod env"}
NAMES_OF_CREDENTIALS = ("client_id", "client_secret", "master password")
EXPECTED = [
    row("A", "plain", "-e", "--item prod env", "the environment"),
    row("B", "value", "--item prod env", "the environment", "`.env` line 2", **BY_ITEM, field="B"),
    row("BITWARDENCLI_APPDATA_DIR", "session", "bwrun"),
    row("BW_SESSION", "session", "bwrun"),
    row("C", "value", "-e", "the environment", **of_app("password", "bw://app")),
    row("D", "file", "-e", **of_app("attachment/id.pem", f"bw://{ID}/attachment/id.pem")),
    row("E", "missing", "the environment", reference="bw://nix/x"),
    row("G", "value", "`.env` line 3", **of_app("token", "bw://app/token")),
    row("H", "plain", "`.env` line 4"),
    row("NODE_EXTRA_CA_CERTS", "session", "bwrun"),
    row("T", "template", "`t` line 1 column 7", "--item prod env", **of_app("username", "bw://app/username")),
    row(
        "T", "template", "`t` line 2 column 7", "--item prod env",
        **of_app("attachment/id.pem", "bw://app/attachment/id.pem"),
    ),
]  # fmt: skip


def check(surroundings: Surroundings, *words: str) -> Ended:
    """Check that complicated run; no value may be said."""
    write_private(surroundings.work / ".env", "", "B=bw://nix2", "G=bw://app/token", f"H=plain {SECRET}")
    done = surroundings.run("--check", *WORDS, *words, "--", "sh", "-c", "touch x", env=ENVIRONMENT)
    assert (done.status, SECRET in done.stdout, SECRET in done.stderr) == (0, False, False)
    assert not (surroundings.work / "x").exists()
    return done


def test_for_machines(run_in: Surroundings, vault: Account, server: BitwardenServer) -> None:
    """--json prints each variable, what it is of, who sets it, whom that replaces, what is taken away, the command."""
    done = check(run_in, "--json")

    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "command": shutil.which("sh", path=run_in.environment["PATH"]),
        "account": {"email": "check@example.com", "id": vault.user_id, "server": server.url},
        "credentials": {
            **dict.fromkeys(("client_id", "client_secret", "master_password"), "the environment"),
            "user_key": None,
        },
        "vault": None,
        "session": "own",
        "variables": EXPECTED,
        "taken_away": ["BWRUN_SERVER", "BW_CLIENTSECRET", "BW_PASSWORD"],
        "inherited": ["BW_CLIENTID", "F", "HOME", "LANG", "PATH", "SSL_CERT_FILE", "XDG_RUNTIME_DIR"],
        "session_items": None,
        "masked": [],
        "not_masked": [],
        "env_files": [str(run_in.work / ".env")],
        "config_file": None,
        "profile": None,
    }


def test_for_people(run_in: Surroundings, server: BitwardenServer) -> None:
    """Without --json the same is a table."""
    head, _, variables = check(run_in).stdout.partition("\n\n")

    assert head.splitlines() == [
        f"command      {shutil.which('sh', path=run_in.environment['PATH'])}",
        f"account      check@example.com at {server.url}",
        f"credentials  {', '.join(f'{name} from the environment' for name in NAMES_OF_CREDENTIALS)}",
        f"settings     {run_in.work}/.env",
        "session      a new one",
        "removed      BWRUN_SERVER, BW_CLIENTSECRET, BW_PASSWORD",
        "inherited    7 variables, unchanged",
    ]
    lines = [" ".join(line.split()) for line in variables.splitlines()]
    assert lines == [
        "VARIABLE KIND ITEM FIELD SET BY OVERRIDES",
        *(
            " ".join(filter(None, (one["name"], one["kind"], one["item"], one["field"], one["set_by"],
                                   ", ".join(one["instead_of"]))))
            for one in EXPECTED
        ),
    ]  # fmt: skip


def test_where_the_credentials_come_from(run_in: Surroundings, vault: Account) -> None:
    """Each credential has the place of its own; with -v the same is said, and whose account it is."""
    write_private(run_in.work / ".env", "", f"BW_CLIENTSECRET={vault.client_secret}")
    write_private(run_in.work / "password", vault.master_password)
    words = ["-v", "--password-file", "password", "--check", "--json"]
    done = run_in.run(*words, env={"BW_CLIENTSECRET": None, "BW_PASSWORD": None})

    assert done.status == 0
    assert json.loads(done.stdout)["credentials"] == {
        "client_id": "the environment", "client_secret": "`.env` line 2", "master_password": "`password`",
        "user_key": None,
    }  # fmt: skip
    places = "client_id from the environment, client_secret from `.env` line 2, master password from `password`"
    assert f"  credentials: {places}\n" in done.stderr
    assert f"  logged in to {run_in.environment['BWRUN_SERVER']} as check@example.com\n" in done.stderr
    assert vault.client_id not in done.stdout + done.stderr


def test_no_login_no_account(run_in: Surroundings) -> None:
    """Where a run would not log in, no account and no credentials are named."""
    words = ["--check", "--no-session", "-e", "A=plain"]
    report = json.loads(run_in.run(*words, "--json").stdout)

    assert (report["account"], report["credentials"]) == (None, None)
    head = run_in.run(*words).stdout.partition("\n\n")[0]
    assert [line.split()[0] for line in head.splitlines()] == ["settings", "session", "removed", "inherited"]


def test_says_no_value(run_in: Surroundings, vault: Account) -> None:
    """Nothing that is secret is said in any form, with all steps: no value, no authenticator key, no credential."""
    words = ["-e", "TOTP=bw://app/totp", "-e", "WHOLE=bw://app/json", "-e", "N=bw://note"]
    for form in ([], ["--json"]):
        done = run_in.run("-v", "--check", *form, *WORDS, *words, env={"C": f"{SECRET} too"})

        said = done.stdout + done.stderr
        assert done.status == 0
        assert "JBSWY3DPEHPK3PXP" not in said
        assert vault.client_secret not in said
        assert SECRET not in said


def test_writes_nothing(run_in: Surroundings, server: BitwardenServer) -> None:
    """Nothing is ever written, not even for a moment, and the requests are one login and one sync."""
    folders = [run_in.runtime, run_in.home, run_in.work]
    write_private(run_in.work / ".env", "", "B=bw://nix2", "G=bw://app/token", f"H=plain {SECRET}")
    before = [folder.stat().st_mtime_ns for folder in folders]  # a directory's time is that of its last new entry
    check(run_in)

    assert [folder.stat().st_mtime_ns for folder in folders] == before
    paths = [request.path for request in server.requests() if "attachment" not in request.path]
    assert paths == ["/identity/connect/token", "/api/sync"]


def test_without_a_command(run_in: Surroundings) -> None:
    """Without a command the variables alone are checked."""
    done = run_in.run("--check", "--json", "--no-session", "-e", f"A=bw://{ID}")

    report = json.loads(done.stdout)
    assert (done.status, report["command"], report["session"]) == (0, None, "none")
    assert report["variables"] == [row("A", "value", "-e", **of_app("password", f"bw://{ID}"))]


FAILURES = {
    "no such command": ["--", "no-such-command"],
    "not executable": ["--", "./t"],
    "no interpreter": ["--", "./script"],
    "a directory": ["--", "."],
    "malformed": ["-e", "A=bw://", "-e", "B=bw://x/", "--", "true"],
    "not found": ["-e", "A=bw://nix", "-e", "B=bw://app/nix", "--", "true"],
    "ambiguous": ["-e", "A=bw://twice", "--", "true"],
    "protected": ["-e", "A=bw://guarded", "--", "true"],
    "spoilt": ["-e", "A=bw://spoilt", "--", "true"],
    "nul": ["-e", "A=bw://nul", "--", "true"],
    "too large": ["-e", "A=bw://big", "--", "true"],
    "forbidden": ["-e", "LD_PRELOAD=bw://app", "--", "true"],
    "no item": ["--item", "nix", "--", "true"],
    "no template": ["--template", "nix:A", "--", "true"],
    "no file": ["-e", "A=bw://app/attachment/nix", "--", "true"],
    "no server": ["--server", "https://localhost:1", "--", "true"],
    "a setting": ["--timeout", "0", "--", "true"],
    "a conflict": ["--no-session", "--renew", "--", "true"],
}


@pytest.mark.parametrize("failure", FAILURES)
def test_fails_as_the_run(run_in: Surroundings, failure: str) -> None:
    """A run that would not start makes --check end with its status and its words, and print nothing on stdout."""
    write_private(run_in.work / "script", "#!/no/such/interpreter").chmod(0o700)
    run = run_in.run(*(["-e", "X=y"] if FAILURES[failure][0] == "--" else []), *FAILURES[failure])
    done = run_in.run("--check", "--json", *FAILURES[failure])

    assert run.status in (125, 126, 127)
    assert (done.status, done.stdout, done.stderr) == (run.status, "", run.stderr)
    assert SECRET not in done.stderr


@pytest.mark.parametrize("place", ["/nonexistent", "/dev/null", "relative"])
def test_no_place_for_a_session(run_in: Surroundings, server: BitwardenServer, place: str) -> None:
    """A session that could not be written anywhere is told before any request, and is no matter without one."""
    done = run_in.run("--check", "--", "true", env={"BWRUN_RUNTIME_DIR": place})
    assert (done.status, done.codes) == (125, ["session.runtime-dir"])
    assert server.requests() == []

    assert run_in.run("--check", "--no-session", "--", "true", env={"BWRUN_RUNTIME_DIR": place}).status == 0
    assert server.requests() == []


def test_wrong_password(run_in: Surroundings) -> None:
    """A login that fails fails --check, even where there is nothing to resolve."""
    done = run_in.run("--check", "--", "true", env={"BW_PASSWORD": "wrong"})

    assert (done.status, done.stdout, done.codes) == (125, "", ["crypto.wrong-master-password"])


def test_under_an_outer_run(run_in: Surroundings, server: BitwardenServer) -> None:
    """Inside another run the outer session is what a run would use, and there is no request."""
    done = run_in.run("--", BWRUN, "--check", "--json", "--", "sh")

    report = json.loads(done.stdout)
    assert (done.status, done.stderr, report["session"]) == (0, "", "outer")
    assert [(one["name"], one["kind"]) for one in report["variables"]] == [
        ("BITWARDENCLI_APPDATA_DIR", "session"),
        ("BW_SESSION", "session"),
    ]
    assert [request.path for request in server.requests()].count("/api/sync") == 1


def test_names_cannot_move_the_cursor(run_in: Surroundings) -> None:
    """A path or a variable's name with control characters is shown with them escaped."""
    folder = run_in.work / "\x1b[2J"
    folder.mkdir()
    write_private(folder / "cmd", "#!/bin/sh").chmod(0o700)
    words = ["--check", "--no-session", "-e", "A\x1b[2J=1", "--", str(folder / "cmd")]
    done = run_in.run(*words, env={"BWRUN_\x1b[2J": "1"})

    assert done.status == 0
    assert "\x1b" not in done.stdout
    assert done.stdout.count("\\x1b[2J") == 3


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_in_every_locale(run_in: Surroundings, locale: str) -> None:
    """A variable of an env file is found by its name in a locale without UTF-8 too."""
    write_private(run_in.work / "e", "GRÜSSE=bw://app", "KÜSSE=x")
    words = ["--env-file", "e", "--no-session", "--check", "--json"]
    done = run_in.run(*words, env={"LC_ALL": locale, "PYTHONUTF8": "0" if locale == "C" else None})

    assert (done.status, done.stderr) == (0, "")
    found = {(one["kind"], one["set_by"], one["item"]) for one in json.loads(done.stdout)["variables"]}
    assert found == {("value", "`e` line 1", "app"), ("plain", "`e` line 2", None)}


def test_json_alone(bare: Surroundings) -> None:
    """--json says how to print, and not what: alone it is an error."""
    done = bare.run("--json", "--", "true")

    assert (done.status, done.codes) == (125, ["usage.conflict"])


def test_an_environment_that_is_too_large(run_in: Surroundings) -> None:
    """An environment that the kernel would not take as a whole fails --check as it fails the run."""
    assert run_in.run("--item", "many", "--", "true").status == 125
    assert run_in.run("--check", "--item", "many", "--", "true").status == 125


def test_the_home_of_nobody(run_in: Surroundings) -> None:
    """Nothing is asked of HOME or the working directory: --check works where neither can be used."""
    gone = run_in.work / "gone"
    gone.mkdir()
    done = run_in.run(
        "--", "sh", "-c", 'cd gone && rmdir ../gone && exec "$0" --check --json', BWRUN, env={"HOME": None}
    )

    assert (done.status, done.stderr, Path(gone).exists()) == (0, "", False)
