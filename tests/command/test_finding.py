"""What an error says where somebody wrote a command of another tool's."""

from __future__ import annotations

import re

import pytest

from bwrun.base.errors import CommandNotFoundError
from bwrun.command.finding import find_command
from tests.server.control import BitwardenServer
from tests.support.files import write_private
from tests.support.program import Surroundings

WORDS = {
    "run": "`bwrun -- COMMAND`",
    "exec": "`bwrun -- COMMAND`",
    "help": "`bwrun --help`",
    "version": "`bwrun --version`",
    "login": "`bwrun --login`",
    "logout": "`bwrun --logout`",
    "doctor": "`bwrun --doctor`",
    "check": "`bwrun --check`",
    "clean": "`bwrun --clean`",
    "completion": "`bwrun --completion SHELL`",
    "list": "`bwrun --list`",
    "search": "`bwrun --list WORD`",
    "get": "`bwrun --get REFERENCE`",
    "read": "`bwrun --get REFERENCE`",
    "export": "`bwrun --export FORMAT`",
    "inject": "`bwrun --template IN:OUT -- COMMAND`",
    "unlock": "`bwrun -- COMMAND`",
    "lock": "removes the session when the command ends",
    "sync": "each run reads the vault from the server",
}


@pytest.mark.parametrize("word", WORDS)
def test_command_of_another_tool(word: str) -> None:
    """A word that is a command of other tools, and no program here, leads to a hint that says what to write."""
    with pytest.raises(CommandNotFoundError) as caught:
        find_command(word, b"/nonexistent")

    (hint,) = caught.value.hints
    assert WORDS[word] in hint


def test_word_of_no_tool() -> None:
    """A word that means nothing elsewhere leads to no hint."""
    with pytest.raises(CommandNotFoundError) as caught:
        find_command("runn", b"/nonexistent")

    assert caught.value.hints == ()


def test_run_is_no_command(ready: Surroundings, server: BitwardenServer) -> None:
    """`bwrun run make deploy` is told what to write before bwrun asks the server anything."""
    ended = ready.run("run", "make", "deploy")

    assert (ended.status, ended.codes) == (127, ["command.not-found"])
    assert re.search(r"^bwrun: hint: .*`bwrun -- make deploy`$", ended.stderr, re.MULTILINE)
    assert server.requests() == []


def test_a_program_of_that_name_is_run(ready: Surroundings) -> None:
    """A program that is called `run` is run as any other."""
    script = ready.work / "run"
    write_private(script, "#!/bin/sh", 'echo "ran $1"')
    script.chmod(0o700)
    ended = ready.run("run", "make", env={"PATH": f"{ready.work}:{ready.environment['PATH']}"})

    assert (ended.status, ended.stdout) == (0, "ran make\n")
