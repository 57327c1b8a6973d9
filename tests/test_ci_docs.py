"""The workflows in docs/ci.md, checked by the schemas that GitHub and GitLab publish."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login
from tests.support.program import Surroundings

PAGE = Path(__file__).parent.parent / "docs" / "ci.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
SCHEMAS = ["vendor.github-workflows", "vendor.gitlab-ci"]


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with the item of the page."""
    item = ItemSpec("prod-db", Login(username="deploy", password="hunter2!swordfish"))
    return server.add_account(AccountSpec("ci@example.com", "correct horse", kdf=CHEAP, items=(item,)))


def check(schema: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Check a file with `text` by a schema."""
    path = folder / "file.yml"
    path.write_text(text)
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    if schema == "vendor.gitlab-ci":
        words[3:3] = ["--data-transform", "gitlab-ci"]
    return subprocess.run(words, check=False, capture_output=True, encoding="utf-8")


def test_there_is_one_for_each_schema() -> None:
    """The page has the two workflows, in this order."""
    assert len(BLOCKS) == len(SCHEMAS)


@pytest.mark.parametrize(("schema", "text"), list(zip(SCHEMAS, BLOCKS, strict=False)))
def test_fits_its_schema(schema: str, text: str, tmp_path: Path) -> None:
    """A workflow is one that its system accepts."""
    done = check(schema, text, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("schema", "text"), list(zip(SCHEMAS, BLOCKS, strict=False)))
def test_schema_sees_mistakes(schema: str, text: str, tmp_path: Path) -> None:
    """A misspelled key is found, so the check above says something."""
    wrong = text.replace("runs-on:", "run-on:").replace("script:", "scripts: [x]\n  unknown-keyword:")

    assert check(schema, wrong, tmp_path).returncode != 0


@pytest.mark.parametrize("text", BLOCKS)
def test_its_command_works(text: str, run_in: Surroundings) -> None:
    """The command line of a workflow deploys, and the value does not show in the log."""
    [words] = re.findall(r"(?:run: |- )bwrun (.*)", text)
    variables = dict(re.findall(r"(\w+): (bw://\S+)", text))
    (run_in.work / "Makefile").write_text("deploy:\n\t@echo deployed with $$DB_PASSWORD\n")

    assert run_in.run(*words.split(), env=variables).stdout == "deployed with <concealed by bwrun>\n"
