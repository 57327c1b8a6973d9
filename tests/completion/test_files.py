"""The committed files: they are current, the options are all there, and `man` and `mandoc` can read the page."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bwrun.completion.scripts import SCRIPTS
from bwrun.settings.command_line import make_parser
from tests.completion.__main__ import DATA, MAN_PAGE, made
from tests.completion.described import SECTIONS, described, rows
from tests.support import needs
from tests.support.program import Surroundings

OPTIONS = {name for action in make_parser()._actions for name in action.option_strings}  # noqa: SLF001  (no other list)
READERS = {  # each prints what is wrong with the page, and nothing else
    "man": ["man", "--warnings", "--encoding=UTF-8", "--local-file", "--ditroff"],
    "mandoc": ["mandoc", "-T", "lint", "-W", "warning"],
}


@pytest.mark.parametrize("path", made(), ids=lambda path: path.name)
def test_current(path: Path) -> None:
    """The file is what `make completions` would write."""
    assert path.read_text() == made()[path], "run `make completions`"


def test_no_other_file() -> None:
    """All files that the wheel installs are made by `make completions`."""
    assert {path for path in DATA.rglob("*") if path.is_file()} == {*made()}


def test_every_option_is_described() -> None:
    """Every option of the program has a description; docs/settings.md has no other option, and none twice."""
    named = [
        one.partition(" ")[0].partition("=")[0]
        for title in SECTIONS.values()
        for row in rows(title)
        for one in row.options
    ]
    actions = described(briefly=True)._actions  # noqa: SLF001  (no other list)

    assert {*named} == OPTIONS
    assert all(action.help for action in actions)
    assert len(actions) == len({row.name for title in SECTIONS.values() for row in rows(title) if row.name})


def test_values_are_those_of_the_program() -> None:
    """An option takes a value in the documentation if it takes one in the program."""
    takes = {name for action in make_parser()._actions if action.nargs != 0 for name in action.option_strings}  # noqa: SLF001
    written = {row.name for title in SECTIONS.values() for row in rows(title) if row.value}

    assert written - {"--list", "--get"} == takes - {"-e"}  # the words of these two follow all options


@pytest.mark.parametrize("shell", SCRIPTS)
def test_script_has_every_option(shell: str) -> None:
    """A completion script knows every option."""
    text = (DATA / SCRIPTS[shell]).read_text()
    for name in OPTIONS:
        written = name if shell != "fish" else f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"

        assert re.search(rf"(?<![\w-]){re.escape(written)}(?![\w-])", text), name


def test_page_has_every_option() -> None:
    """The man page knows every option but --help, which leads to the same."""
    text = MAN_PAGE.read_text().replace("\\-", "-")
    for name in OPTIONS - {"-h", "--help"}:
        assert f"\\fB{name}\\fR" in text, name


@pytest.mark.parametrize("reader", READERS)
def test_page_has_no_mistake(reader: str) -> None:
    """`man` and `mandoc` have nothing to say about the page, but that it has no date."""
    needs.program(reader, f"{reader} is not installed")
    words = [*READERS[reader], str(MAN_PAGE)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    said = done.stderr if reader == "man" else done.stdout
    wrong = [line for line in said.splitlines() if "cannot parse date" not in line]

    assert wrong == []


def test_man_finds_the_page(bare: Surroundings) -> None:
    """`man bwrun` shows the page if the directory of an installation is on its path."""
    needs.program("man", "man-db is not installed")
    environment = {**bare.environment, "MANPATH": str(DATA / "share/man"), "MANPAGER": "cat", "MANWIDTH": "80"}
    done = subprocess.run(["man", "bwrun"], check=False, env=environment, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert "bwrun - run a command with secrets from a Bitwarden vault" in done.stdout
