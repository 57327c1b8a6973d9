"""
The completion scripts: shtab writes them for the options, and the files in `parts/` add the command.

shtab has no notion of a command with completions of its own, nor of a value that may only stand after `=`.
"""

from __future__ import annotations

import re
from pathlib import Path

import shtab

from bwrun.completion.scripts import SCRIPTS
from bwrun.settings.option_names import DEFAULT_VALUES
from tests.completion.described import described

PARTS = Path(__file__).with_name("parts")


def scripts() -> dict[str, str]:
    """Return the script of each shell."""
    return {shell: _script(shell) for shell in SCRIPTS}


def _script(shell: str) -> str:
    text = shtab.complete(described(briefly=True), shell=shell)
    for name in DEFAULT_VALUES:
        text = _after_equals_sign(text, shell, name)
    if shell == "bash":
        text = _replaced(text, r"\ncomplete [^\n]* bwrun\n*$", "\n")
    if shell == "fish":  # the function that shtab calls does not complete the file in `--ca-file=FILE`
        text = text.replace('-xka "(__fish_complete_path (commandline -ct))"', "-rF")
    if shell == "zsh":  # without `=`, zsh knows `--server eu` alone, and not `--server=eu`
        text = _replaced(text, r":IN:OUT:", r":IN\\\\:OUT:")  # a colon ends what zsh shows there
        text = re.sub(r'(--[a-z-]+)(}?"?\[[^]\n]*\]:)', r"\1=\2", text)
        text = _replaced(text, r"\nif \[\[ \$zsh_eval_context.*\nfi\n*$", "\n")
    # What shtab says about where to put the file is not what the documentation says.
    text = _replaced(text, r"(# AUTOMATICALLY GENERATED [^\n]*)\n(# [^\n]*\n)+", r"\1, and `make completions`\n")
    return text.rstrip("\n") + "\n" + (PARTS / f"bwrun.{shell}").read_text()


def _after_equals_sign(text: str, shell: str, name: str) -> str:
    """Return the script with the value of option `name` only after `=`: the next word is no value."""
    if shell == "bash":
        return _replaced(text, rf"(_shtab_bwrun___{name}_nargs)='\?'", r"\1=0")
    if shell == "zsh":
        return _replaced(text, rf'"--{name}(\[[^\n]*\]):([^\n]*)"\n', rf'"--{name}=-\1::\2"\n')
    return _replaced(text, rf"(-l {name}) -x(k?a?)", r"\1 -f\2")


def _replaced(text: str, pattern: str, by: str) -> str:
    """Replace the one place where `pattern` is found; another version of shtab may have none, and is noticed here."""
    changed, count = re.subn(pattern, by, text, flags=re.DOTALL)
    if count != 1:
        raise LookupError(f"{count} times in the script of shtab, not once: {pattern}")
    return changed
