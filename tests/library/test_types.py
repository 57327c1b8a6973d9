"""The programs in docs/library.md have the types that the package says, and the package has no other public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bwrun
from bwrun.base import errors
from bwrun.base.errors import BwrunError
from bwrun.library.keywords import SESSION_KEYWORDS, VAULT_KEYWORDS
from bwrun.settings import option_names
from tests.support.pages import page
from tests.support.program import TIMEOUT

# Options that have no meaning where no command is run and nothing is printed.
NO_KEYWORDS = {"kill-after", "signal-exit", "mask", "pass", "kill-leftovers", "timings", "verbose"}
MISUSE = """\
from bwrun import open_session, open_vault

with open_vault(sever="eu") as vault:
    number: int = vault.get("bw://a")
with open_session(only=7) as session:
    session.run()
"""


@pytest.mark.slow
def test_strict_types(tmp_path: Path) -> None:
    """A strict type checker accepts each program of the page, and finds each misuse in one that has some."""
    steps = [step for example in page("docs/library.md").examples() for step in example.steps]
    shown = {step.command.removeprefix("cat "): step.output for step in steps if step.command.startswith("cat ")}
    programs = {name: text for name, text in shown.items() if name.endswith(".py")}
    for name, text in {**programs, "misuse.py": MISUSE}.items():
        (tmp_path / name).write_text(text)
    words = ["-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(
        [sys.executable, *words, *programs, "misuse.py"],
        check=False, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    found = {line.split(": error:")[0] for line in done.stdout.splitlines() if ": error:" in line}

    assert len(programs) >= 4
    assert found == {f"misuse.py:{number}" for number in (3, 4, 5, 6)}, done.stdout + done.stderr


def test_public_names() -> None:
    """Every name that the package offers can be imported from it, and type checkers see the same names."""
    tree = ast.parse(Path(bwrun.__file__).read_text())
    declared = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    offered = set(bwrun.__all__)

    assert declared - {"import_module"} == offered - {"__version__"}
    assert all(getattr(bwrun, name) is not None for name in offered)
    with pytest.raises(AttributeError):
        bwrun.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_errors_are_public() -> None:
    """Every class of errors is offered, or a base of it that says which family it is of."""
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, BwrunError)]
    offered = {getattr(bwrun, name) for name in bwrun.__all__} - {BwrunError}

    assert len(classes) > 20
    assert [one for one in classes if one is not BwrunError and offered.isdisjoint(one.__mro__)] == []


def test_keywords_are_the_options() -> None:
    """The keywords are the long options, less those for the output and the end of a command; the page names each."""
    options = {*option_names.VALUE_OPTIONS, *option_names.LIST_OPTIONS, *option_names.FLAG_OPTIONS, "env"}
    table = page("docs/library.md").section("Keywords")

    assert {name.replace("_", "-") for name in SESSION_KEYWORDS} == options - NO_KEYWORDS
    assert VAULT_KEYWORDS < SESSION_KEYWORDS
    assert [name for name in SESSION_KEYWORDS if f"`{name}`" not in table] == []
