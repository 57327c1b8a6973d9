"""The composite action in .github/actions/bwrun: its steps run as a runner runs them, with inputs made to break out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login
from tests.support.actions_runner import Runner, load_action, make_runner
from tests.support.pages import ROOT, page
from tests.support.program import Surroundings

ACTION = ROOT / ".github" / "actions" / "bwrun" / "action.yml"
PASSWORD = 'it\'s "$(touch broken)" `touch broken` ${{ secrets.X }} 100%'
NOTES = "first line of the notes\nEOF\n'second' line"


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account whose values are awkward, with a master password that is."""
    items = (ItemSpec("prod-db", Login("deploy", PASSWORD), notes=NOTES),)
    return server.add_account(AccountSpec("action@example.com", "it's $(touch broken) \\", kdf=CHEAP, items=items))


@pytest.fixture
def runner(bare: Surroundings, server: BitwardenServer, vault: Account) -> Runner:
    """Give a runner with bwrun on its PATH, in a job that has no credentials in its environment."""
    server.clear_faults()
    bare.environment |= {"SSL_CERT_FILE": str(server.ca_file)}
    return make_runner(bare)


@pytest.fixture
def inputs(server: BitwardenServer, vault: Account) -> dict[str, str]:
    """Return the inputs that each use has."""
    return {
        "client-id": vault.client_id,
        "client-secret": vault.client_secret,
        "password": vault.master_password,
        "server": server.url,
        "install": "false",
    }


def test_fits_its_schema(tmp_path: Path) -> None:
    """GitHub accepts the action, and the check sees a mistake in it."""
    wrong = tmp_path / "action.yml"
    wrong.write_text(ACTION.read_text().replace("using: composite", "using: composit"))
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions"]

    results = [subprocess.run([*words, path], check=False, capture_output=True) for path in (ACTION, wrong)]
    assert [done.returncode for done in results] == [0, 1]


def test_no_script_has_an_expression() -> None:
    """Inputs reach scripts by the environment only: an expression in a script would make code of them."""
    for step in load_action(ACTION)["runs"]["steps"]:
        assert "${{" not in step["run"], step["name"]


def test_page_lists_the_inputs() -> None:
    """docs/ci.md has a row for each input, with its default."""
    rows = re.findall(r"^\| `([a-z-]+)` \|([^|]*)\|", page("docs/ci.md").text, re.MULTILINE)
    inputs = load_action(ACTION)["inputs"]

    assert {name: default.strip(" `") for name, default in rows} == {
        name: "required" if one.get("required") else one.get("default", "") for name, one in inputs.items()
    }


def test_script(runner: Runner, inputs: dict[str, str]) -> None:
    """A script gets the values whatever is in them, nothing breaks out, and the log shows none of them."""
    script = """
test "$PW" = "$EXPECTED" && test "$NOTES" = "$EXPECTED_NOTES" && echo same
echo "the password is $PW" >&2
echo "'quoted' \\"$(printf %s sub)\\" `printf tick`"
env | grep -E '^(BW_|BWRUN_|INPUT_)' || echo nothing of bwrun
test "$(cut -d ' ' -f 4 /proc/$PPID/stat)" = "$RUNNER" && echo bwrun is what the runner sends its signals to
"""
    runner.variables |= {"EXPECTED": PASSWORD, "EXPECTED_NOTES": NOTES, "RUNNER": str(os.getpid())}
    lines = "# a comment\nPW=bw://prod-db/password\nNOTES=bw://prod-db/notes\nPLAIN='$(touch broken)'"

    succeeded = runner.use(ACTION, inputs | {"env": lines, "run": script})

    assert succeeded, runner.log
    assert runner.log.splitlines() == [
        "the password is <concealed by bwrun>", "same", "'quoted' \"sub\" tick", "nothing of bwrun",
        "bwrun is what the runner sends its signals to",
    ]  # fmt: skip
    assert not (runner.surroundings.work / "broken").exists()
    assert list(runner.temp.iterdir()) == []


def test_export(runner: Runner, inputs: dict[str, str]) -> None:
    """Later steps get the variables, those of several lines too, and the runner conceals each line of them."""
    lines = "PW=bw://prod-db/password\nNOTES=bw://prod-db/notes\nSTAGE=production"
    succeeded = runner.use(ACTION, inputs | {"env": lines, "export": "true"})

    assert succeeded, runner.log
    assert runner.variables == {"PW": PASSWORD, "NOTES": NOTES, "STAGE": "production"}

    runner.run('echo "$STAGE: $PW"; echo "$NOTES"')
    assert runner.log.splitlines() == ["production: ***", "***", "***", "***"]
    assert list(runner.temp.iterdir()) == []


def test_references_in_the_environment_and_sh(runner: Runner, inputs: dict[str, str]) -> None:
    """A reference in the step's environment is resolved, `shell: sh` is sh, and `session: true` opens a session."""
    runner.variables["PW"] = "bw://prod-db/username"
    script = (
        'test "$PW" = deploy && test -n "$BW_SESSION" && test -z "$BASH_VERSION" && echo yes; false; echo not reached'
    )

    assert not runner.use(ACTION, inputs | {"run": script, "shell": "sh", "session": "true"})
    assert runner.log == "yes\n"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"run": "exit 7"}, ""),
        ({"run": "true", "shell": "python {0}; touch broken"}, "::error::the input shell of the action"),
        ({"run": "true", "env": "PW=bw://nothing/password"}, "[reference.not-found]"),
        ({"export": "true", "env": "PW=bw://nothing/password"}, "[reference.not-found]"),
    ],
)
def test_failures(runner: Runner, inputs: dict[str, str], changes: dict[str, str], text: str) -> None:
    """The step fails if the script fails or bwrun does, and leaves none of its inputs behind."""
    assert not runner.use(ACTION, inputs | changes)

    assert text in runner.log
    assert runner.variables == {}
    assert list(runner.temp.iterdir()) == []
    assert not (runner.surroundings.work / "broken").exists()


def test_other_systems(runner: Runner, inputs: dict[str, str]) -> None:
    """On macOS and Windows the action says that it needs Linux, and does nothing else."""
    runner.system = "macOS"

    assert not runner.use(ACTION, inputs | {"run": "echo started"})
    assert runner.log == "::error::the action bwrun needs a runner with Linux\n"


@pytest.mark.slow
def test_installation(bare: Surroundings, inputs: dict[str, str], server: BitwardenServer) -> None:
    """The action installs bwrun from its own checkout, with the locked dependencies, and a second use finds it."""
    bare.environment |= {"SSL_CERT_FILE": str(server.ca_file)}
    runner = make_runner(bare, installed=False)
    checkout = bare.home / "checkout"
    for name in ("bwrun", ".github"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "tests").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "tests/runtime.lock"):
        shutil.copy(ROOT / name, checkout / name)
    action = checkout / ACTION.relative_to(ROOT)
    install = inputs | {"install": "true"}

    first = runner.use(
        action, install | {"run": 'command -v bwrun; test "$PW" = deploy', "env": "PW=bw://prod-db/username"}
    )
    assert first, runner.log
    again = runner.use(action, install)

    assert again, runner.log
    assert runner.log.splitlines()[-1] == str(runner.temp / "bwrun-program" / "bin" / "bwrun")
    assert len(runner.path) == 1
