"""--export: what a run would set, and only that; what leaves something behind is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, FieldSpec, ItemSpec, Login, SecureNote
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.terminal import Terminal

ID = "0c0c0c0c-0000-4000-8000-000000000001"
NOTE = "'one'\n\"two\" $HOME `id` \\ \n\n"
OWN = ("BWRUN_SERVER", "BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
TOKEN, SYNC = "/identity/connect/token", "/api/sync"


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with values of several forms."""
    items = (
        ItemSpec("prod-db", Login("deploy", "p4ss"), id=ID),
        ItemSpec("prod env", SecureNote(), fields=(FieldSpec("API_URL", "https://api"), FieldSpec("GONE", ""))),
        ItemSpec("note", SecureNote(), notes=NOTE),
        ItemSpec("evil", SecureNote(), notes="a\x1b[2Jb"),
        ItemSpec("nul", SecureNote(), notes="a\0b"),
    )
    return server.add_account(AccountSpec("export@example.com", "correct horse", kdf=CHEAP, items=items))


def paths(server: BitwardenServer) -> list[str]:
    """Return the paths of all requests."""
    return [one.path for one in server.requests()]


def exported(surroundings: Surroundings, *words: str, env: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return what `--export json` prints."""
    done = surroundings.run("--export", "json", *words, env=env)
    assert (done.status, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_what_a_run_would_set(run_in: Surroundings, server: BitwardenServer) -> None:
    """All that bwrun sets is there, from each place; what the command would inherit anyway is not, nor a session."""
    lines = (
        "PLAIN='of the file'",
        "LOSES=of the file",
        "REFERENCE=bw://prod-db/username",
        "BWRUN_TIMEOUT=50",
        "TERM=x",
    )
    write_private(run_in.work / "env", *lines)
    env = {
        "LOSES": "of the caller", "OWN": "x", "OF_CALLER": "bw://prod-db", "COMPOSED": "<{{ bw://prod-db }}>",
        "API_URL": "mine", "TERM": "dumb", "SAME": "1", "PASSED": "2",
    }  # fmt: skip
    words = ("--env-file", "env", "-e", "GIVEN=plain", "-e", "SAME=1", "-e", "LATE=@x", "--item", "prod env")

    assert exported(run_in, *words, "--optional", "MISSING", "-e", "MISSING=bw://nix", env=env) == {
        "API_URL": "https://api",
        "COMPOSED": "<p4ss>",
        "GIVEN": "plain",
        "LATE": "@x",
        "OF_CALLER": "p4ss",
        "PLAIN": "of the file",
        "REFERENCE": "deploy",
        "SAME": "1",
    }
    assert paths(server).count(TOKEN) == 1


def test_is_what_a_run_sets(run_in: Surroundings) -> None:
    """A shell that evaluates it has the same variables as the command of a run, but for the session."""
    write_private(run_in.work / "env", "A=bw://note", "B=b", "C=bw://nix")
    env = {"C": "bw://nix", "D": "bw://prod-db", "TERM": "dumb"}
    words = ("--env-file", "env", "--optional", "C", "--item", "prod env", "-e", "E=x=y z")
    show = "exec env -0 -u _ -u SHLVL -u PWD -u OLDPWD"
    own = f"unset {' '.join(OWN)}"
    script = f'values=$("$0" --export shell "$@") && eval "$values" && {own} && {show}'
    run = run_in.run("--no-session", *words, "--", "sh", "-c", show, env=env)
    passed = [word for name in OWN for word in ("--pass", name)]  # for the bwrun inside
    here = run_in.run("--no-session", *passed, "--", "sh", "-c", script, BWRUN, *words)

    assert (run.status, run.stderr) == (0, "")
    assert here.status == 0
    assert sorted({*run.stdout.split("\0")} - {"D=p4ss", "TERM=dumb"}) == sorted(here.stdout.split("\0"))
    assert f"A={NOTE}" in run.stdout.split("\0")


@pytest.mark.parametrize("form", ["shell", "dotenv", "docker", "github-env", "json"])
def test_nothing_to_set(run_in: Surroundings, server: BitwardenServer, form: str) -> None:
    """Without anything to set there is no login, and nothing is printed."""
    assert run_in.run("--export", form) == Ended(0, "{}\n" if form == "json" else "", "")
    assert paths(server) == []


def test_plain_values_need_no_login(run_in: Surroundings, server: BitwardenServer) -> None:
    """Without references there is no login."""
    assert exported(run_in, "-e", "A=1") == {"A": "1"}
    assert paths(server) == []


def test_unsets_an_optional_one(run_in: Surroundings) -> None:
    """A reference of the caller that is optional and missing is unset; one that the caller does not have is not."""
    words = ("--export", "shell", "--optional", "A", "--optional", "B", "-e", "B=bw://nix")

    assert run_in.run(*words, env={"A": "bw://nix"}) == Ended(0, "unset A\n", "")


def test_never_credentials(run_in: Surroundings) -> None:
    """A session and the variables of bwrun itself are never among them, wherever they stand."""
    lines = (
        "BW_PASSWORD=x",
        "BW_SESSION=y",
        "BITWARDENCLI_APPDATA_DIR=/z",
        "BWRUN_TIMEOUT=50",
        "BWRUN_PASS=BW_PASSWORD",
    )
    write_private(run_in.work / "env", *lines)

    assert exported(run_in, "--env-file", "env", "-e", "BW_SESSION=old", "-e", "A=1") == {"A": "1"}


def test_settings_of_runs_do_not_disturb(run_in: Surroundings) -> None:
    """Variables that are meant for the session or for the command change nothing."""
    env = {"BWRUN_RENEW": "1", "BWRUN_CLEAN_ENV": "1", "BWRUN_ONLY": "nix", "BWRUN_RUNTIME_DIR": "/proc"}

    assert exported(run_in, "-e", "A=bw://prod-db", env=env) == {"A": "p4ss"}


def test_by_id_fetches_the_item_alone(run_in: Surroundings, server: BitwardenServer) -> None:
    """Items that are named by id are fetched alone."""
    assert exported(run_in, "-e", f"A=bw://{ID}") == {"A": "p4ss"}
    assert SYNC not in paths(server)


def test_nested(run_in: Surroundings, server: BitwardenServer) -> None:
    """Inside another bwrun, values come from its session; what that has resolved is the caller's already."""
    done = run_in.run("-e", "B=bw://prod-db", "--", BWRUN, "--export", "json", "-e", "A=bw://prod-db/username")

    assert (done.status, json.loads(done.stdout)) == (0, {"A": "deploy"})
    assert paths(server).count(TOKEN) == 1


def test_refuses_what_would_stay(run_in: Surroundings, server: BitwardenServer) -> None:
    """Files and an ssh-agent are refused, all at once with malformed references, and before the login."""
    (run_in.work / "t").write_text("x")
    write_private(run_in.work / "env", "A=@bw://prod-db")
    env = {"BWRUN_TEMPLATE": "t:T", "BWRUN_SSH_KEY": "key", "B": "@bw://prod-db"}
    done = run_in.run("--export", "shell", "--env-file", "env", "-e", "C=bw://a#b", env=env)

    assert (done.status, done.stdout) == (125, "")
    assert sorted(done.codes) == ["reference.invalid", *["usage.export-file"] * 4]
    assert all(f"bwrun: error: {label}: " in done.stderr for label in ("A", "B", "--template t:T", "--ssh-key key"))
    assert paths(server) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--export",), "usage.bad-option"),
        (("--export", "csh"), "usage.export"),
        (("--export", "", "-e", "A=1"), "usage.export"),
        (("--export=SHELL",), "usage.export"),
        (("--export", "shell", "--", "true"), "usage.conflict"),
        (("--export", "shell", "true"), "usage.no-separator"),
        (("--export", "shell", "--template", "a:b"), "usage.conflict"),
        (("--export", "shell", "--ssh-key", "a"), "usage.conflict"),
        (("--export", "shell", "--only", "a"), "usage.conflict"),
        (("--export", "shell", "--keep", "A"), "usage.conflict"),
        (("--export", "shell", "--clean-env"), "usage.conflict"),
        (("--export", "shell", "--json"), "usage.conflict"),
        (("--export", "shell", "--get"), "usage.conflict"),
        (("--export", "shell", "--check"), "usage.conflict"),
        (("--clean", "--export", "shell"), "usage.conflict"),
    ],
)
def test_wrong_command_lines(run_in: Surroundings, words: tuple[str, ...], code: str) -> None:
    """A format that does not exist is refused, and so is what has no meaning here."""
    done = run_in.run(*words)

    assert (done.status, done.stdout, done.codes) == (125, "", [code])


def test_all_errors_at_once(run_in: Surroundings) -> None:
    """Every reference that fails is reported, and nothing is printed."""
    done = run_in.run("--export", "shell", "-e", "A=bw://nix", "-e", "B=bw://nul", "-e", "C=bw://prod-db")

    assert (done.status, done.stdout, done.codes) == (125, "", ["reference.not-found", "reference.nul"])


def test_all_unfit_values_at_once(run_in: Surroundings) -> None:
    """Every value that the format cannot hold is reported by the name of its variable, without the value."""
    done = run_in.run("--export", "docker", "-e", "A=bw://note", "-e", "B=bw://prod-db", "-e", "C='x'", "-e", "a-b=1")

    assert (done.status, done.stdout, done.codes) == (125, "", ["output.unfit-value"] * 3)
    assert "one" not in done.stderr.replace("more than one line", "")


def on_terminal(surroundings: Surroundings, *words: str) -> tuple[int, str]:
    """Return the status and the screen of `bwrun WORDS…` on a terminal."""
    with Terminal.start([BWRUN, *words], surroundings.environment, surroundings.work) as terminal:
        status = terminal.ended()
        return status, terminal.screen


def test_terminal(run_in: Surroundings) -> None:
    """On a terminal it is printed too, but no control characters are; in JSON they are escaped."""
    evil = ("-e", "A=bw://evil")
    status, screen = on_terminal(run_in, "--export", "shell", *evil)

    assert on_terminal(run_in, "--export", "shell", "-e", "A=bw://prod-db") == (0, "export A='p4ss'\n")
    assert (status, "[output.control-characters]" in screen, "\x1b" in screen) == (125, True, False)
    assert on_terminal(run_in, "--export", "json", *evil) == (0, '{\n  "A": "a\\u001b[2Jb"\n}\n')


def test_timings(run_in: Surroundings) -> None:
    """--timings and -v print on stderr alone."""
    done = run_in.run("--export", "shell", "--timings", "-v", "-e", "A=bw://prod-db")

    assert (done.status, done.stdout) == (0, "export A='p4ss'\n")
    assert "p4ss" not in done.stderr
