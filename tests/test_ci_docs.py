"""The workflows in docs/ci.md, checked by the schemas that GitHub and GitLab publish."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login
from tests.support.actions_runner import make_runner
from tests.support.files import write_private
from tests.support.pages import ROOT
from tests.support.program import Surroundings
from tests.support.user_keys import text_of

PAGE = Path(__file__).parent.parent / "docs" / "ci.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
BY_SCHEMA = {
    "vendor.github-workflows": [block for block in BLOCKS if "\njobs:" in block],
    "vendor.gitlab-ci": [block for block in BLOCKS if "\njobs:" not in block],
}
COMMANDS = [block for block in BLOCKS if "bwrun --mask" in block]


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with the item of the page."""
    item = ItemSpec("prod-db", Login(username="deploy", password="hunter2!swordfish"))
    return server.add_account(AccountSpec("ci@example.com", "correct horse", kdf=CHEAP, items=(item,)))


def check(schema: str, texts: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Check files with these texts by a schema."""
    paths = [folder / f"{number}.yml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    transform = ["--data-transform", "gitlab-ci"] if schema == "vendor.gitlab-ci" else []
    words: list[str | Path] = [sys.executable, "-m", "check_jsonschema", *transform, "--builtin-schema", schema, *paths]
    return subprocess.run(words, check=False, capture_output=True, encoding="utf-8")


def test_there_are_some_for_each_schema() -> None:
    """The page has two workflows for GitHub, with the action and without, and one for GitLab."""
    assert [len(texts) for texts in BY_SCHEMA.values()] == [2, 1]
    assert len(COMMANDS) == 2


@pytest.mark.parametrize("schema", BY_SCHEMA)
def test_fits_its_schema(schema: str, tmp_path: Path) -> None:
    """A workflow is one that its system accepts."""
    done = check(schema, BY_SCHEMA[schema], tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("schema", BY_SCHEMA)
def test_schema_sees_mistakes(schema: str, tmp_path: Path) -> None:
    """A misspelled key is found, so the check above says something."""
    wrong = BY_SCHEMA[schema][0].replace("runs-on:", "run-on:").replace("script:", "scripts: [x]\n  unknown-keyword:")

    assert check(schema, [wrong], tmp_path).returncode != 0


@pytest.mark.parametrize("text", COMMANDS)
def test_its_command_works(text: str, run_in: Surroundings) -> None:
    """The command line of a workflow deploys, and the value does not show in the log."""
    [words] = re.findall(r"(?:run: |- )bwrun (.*)", text)
    variables = dict(re.findall(r"(\w+): (bw://\S+)", text))
    (run_in.work / "Makefile").write_text("deploy:\n\t@echo deployed with $$DB_PASSWORD\n")

    assert run_in.run(*words.split(), env=variables).stdout == "deployed with <concealed by bwrun>\n"


def test_action_works(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """The step with the action deploys: what it has below `with` is what the action takes."""
    (workflow,) = [YAML(typ="safe", pure=True).load(block) for block in BLOCKS if "/actions/bwrun@" in block]
    step = workflow["jobs"]["deploy"]["steps"][-1]
    secrets = {"BW_CLIENTID": vault.client_id, "BW_CLIENTSECRET": vault.client_secret, "BWRUN_USER_KEY": text_of(vault)}
    inputs = {
        name: re.sub(r"\$\{\{ secrets\.(\w+) \}\}", lambda found: secrets[found[1]], text)
        for name, text in step["with"].items()
    }
    (run_in.work / "Makefile").write_text("deploy:\n\t@echo deployed to $$STAGE with $$DB_PASSWORD\n")
    runner = make_runner(run_in)
    for name in ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"):
        del run_in.environment[name]
    action = ROOT / step["uses"].partition("@")[0].removeprefix("bwrun/bwrun/") / "action.yml"

    assert runner.use(action, inputs | {"server": server.url, "install": "false"}), runner.log
    assert runner.log == "deployed to production with <concealed by bwrun>\n"


def test_files_of_gitlab(run_in: Surroundings, vault: Account) -> None:
    """Variables of the type File are what the page says: their paths stand for the credentials."""
    named = set(re.findall(r"`(BW\w+_FILE)`", PAGE.read_text()))
    values = {
        "BW_CLIENTID_FILE": vault.client_id, "BW_CLIENTSECRET_FILE": vault.client_secret,
        "BWRUN_USER_KEY_FILE": text_of(vault),
    }  # fmt: skip
    paths = {name: str(write_private(run_in.home / name, text, newline="")) for name, text in values.items()}
    none = dict.fromkeys(("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"))

    assert named == values.keys()
    done = run_in.run("-e", "PW=bw://prod-db/username", "--no-session", "--", "sh", "-c", "echo $PW", env=none | paths)
    assert done.stdout == "deploy\n"
