"""GitHub Actions: `::add-mask::` where the runner reads it and nobody else does, and `--check`."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login
from tests.support.program import BWRUN, TIMEOUT, Surroundings
from tests.support.users import ANOTHER_USER, as_user, needs_root

SECRET = "100% hunter2"
NOTES = "line one\nline two\nx\n"


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with a value that must be escaped, one of several lines, and a short one."""
    return server.add_account(
        AccountSpec(
            "actions@example.com",
            "correct horse",
            kdf=CHEAP,
            items=(
                ItemSpec("prod-db", Login(username="deploy", password=SECRET), notes=NOTES),
                ItemSpec("short", Login(username="yes", password="abc")),
            ),
        )
    )


@pytest.fixture
def step(run_in: Surroundings) -> Surroundings:
    """Give surroundings as in a step of GitHub Actions; the test's own process stands for the runner."""
    run_in.environment |= {
        "GITHUB_ACTIONS": "true", "PW": "bw://prod-db/password", "KEY": "bw://prod-db/notes", "NO": "bw://short/password",
    }  # fmt: skip
    return run_in


@pytest.mark.linux("who reads a pipe")
def test_runner_is_told_each_value_and_each_line(step: Surroundings) -> None:
    """Values are escaped as the runner wants it; short ones are not told, nor what else is in the environment."""
    done = step.run("--mask", "--no-session", "--", "sh", "-c", "echo $PW", env={"OTHER": "other-value"})

    assert done.stdout == "<concealed by bwrun>\n"
    assert done.stderr.splitlines() == [
        "::add-mask::100%25 hunter2",
        "::add-mask::line one",
        "::add-mask::line one%0Aline two%0Ax%0A",
        "::add-mask::line two",
    ]


@pytest.mark.linux("who reads a pipe")
def test_session_is_told(step: Surroundings) -> None:
    """BW_SESSION is among the values."""
    done = step.run("--mask", "--", "sh", "-c", "printf %s $BW_SESSION | cut -c1-5 >&2")
    begin = done.stderr.splitlines()[-1]

    assert f"::add-mask::{begin}" in done.stderr


@pytest.mark.parametrize("changes", [{"GITHUB_ACTIONS": None}, {"GITHUB_ACTIONS": "1"}])
def test_nothing_is_told_elsewhere(step: Surroundings, changes: dict[str, str | None]) -> None:
    """Not outside of GitHub Actions."""
    assert step.run("--mask", "--", "true", env=changes).stderr == ""


def test_nothing_is_told_without_mask(step: Surroundings) -> None:
    """Not without --mask."""
    assert step.run("--", "true").stderr == ""


@pytest.mark.parametrize(
    "redirected", ["2> log", "2>&1 | tee log > log2", "> log 2>&1", 'x=$("$0" --mask -- true 2>&1)']
)
def test_nothing_is_told_where_somebody_else_reads(step: Surroundings, redirected: str) -> None:
    """A file or a program of the step would keep the values."""
    script = redirected if redirected.startswith("x=") else f'"$0" --mask -- true {redirected}'
    done = subprocess.run(
        ["sh", "-c", f"{script}; cat log log2 2>/dev/null; echo $x", BWRUN], check=False, capture_output=True,
        encoding="utf-8", env=step.full_environment({}), cwd=step.work, stdin=subprocess.DEVNULL, timeout=TIMEOUT,
    )  # fmt: skip

    assert "add-mask" not in done.stdout + done.stderr
    assert "the runner was not told" in done.stdout


# As root that may not look into processes of other users, and into those that closed their memory
WITHOUT_TRACING = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", "--")
AS_ANOTHER_USER = f"setpriv --reuid={ANOTHER_USER} --clear-groups --"


@needs_root
@pytest.mark.linux("who reads a pipe")
@pytest.mark.parametrize("of_the_user", [True, False])
def test_runner_is_told_by_an_ordinary_user(step: Surroundings, *, of_the_user: bool) -> None:
    """Processes of bwrun's own, whose memory is closed, do not count as readers; nor does a runner of another user."""
    before = as_user(step, ANOTHER_USER) if of_the_user else WITHOUT_TRACING
    done = step.run("--mask", "--no-session", "--", "true", before=before)

    assert (done.status, done.stderr.count("::add-mask::")) == (0, 4), done.stderr


@needs_root
@pytest.mark.linux("who reads a pipe")
def test_reader_of_another_user(step: Surroundings) -> None:
    """`| sudo tee log` counts as a reader although nobody can look into it; another user's daemon does not."""
    script = f"""
        {AS_ANOTHER_USER} sleep 1000 & daemon=$!
        GITHUB_ACTIONS=true sh -c '
            "$0" --mask --no-session -- true
            "$0" --mask --no-session -- true 2>&1 | {AS_ANOTHER_USER} cat
        ' "$0"
        kill $daemon
    """
    done = step.run_program(*WITHOUT_TRACING, "sh", "-c", script, BWRUN, env={"GITHUB_ACTIONS": None})

    assert (done.status, done.stderr.count("::add-mask::")) == (0, 4), done.stderr
    assert "add-mask" not in done.stdout
    assert "the runner was not told" in done.stdout


def test_check_says_what_is_not_masked(step: Surroundings) -> None:
    """`--check --mask` names the variables whose values are too short."""
    text = step.run("--check", "--mask", "--", "true").stdout
    report = json.loads(step.run("--check", "--mask=stderr", "--json", "--", "true").stdout)

    assert "masked       stdout and stderr\n" in text
    assert "not masked   NO\n" in text
    assert (report["masked"], report["not_masked"]) == (["stderr"], ["NO"])
    assert "masked" not in step.run("--check", "--", "true").stdout


def test_export_tells_the_runner_first(step: Surroundings) -> None:
    """With --mask, the runner knows the values, line by line, before a later step can print them."""
    done = step.run("--mask", "--export", "github-env", "-e", "PLAIN=not-from-the-vault")

    assert done.status == 0
    assert "PW=" in done.stdout or "PW<<" in done.stdout
    assert done.stderr.splitlines() == [
        "::add-mask::100%25 hunter2",
        "::add-mask::line one",
        "::add-mask::line one%0Aline two%0Ax%0A",
        "::add-mask::line two",
    ]


def test_export_that_cannot_tell(step: Surroundings) -> None:
    """If somebody else reads stderr, --mask with --export prints nothing; without --mask, it does not matter."""
    errors = step.work / "errors"
    command = f"{BWRUN} $MASK --export github-env 2>{errors}"
    words = ("sh", "-c", command)
    results = [
        subprocess.run(
            words, check=False, env=step.environment | {"MASK": mask}, cwd=step.work, stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL, timeout=TIMEOUT,
        )
        for mask in ("--mask", "")
    ]  # fmt: skip

    assert [(done.returncode, bool(done.stdout)) for done in results] == [(125, False), (0, True)]


def test_export_elsewhere(step: Surroundings) -> None:
    """Outside of GitHub Actions, --mask changes nothing in what --export does."""
    done = step.run("--mask", "--export", "json", env={"GITHUB_ACTIONS": None})

    assert (done.status, done.stderr) == (0, "")
