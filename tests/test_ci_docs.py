"""The workflows in docs/ci.md, checked by the schemas that GitHub and GitLab publish."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "ci.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
SCHEMAS = ["vendor.github-workflows", "vendor.gitlab-ci"]


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
