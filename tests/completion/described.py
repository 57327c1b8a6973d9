"""
The parser of bwrun's options, with descriptions: what completions and man page are made from.

Which options there are and which take a value says the program's own parser. What they mean and what their values are
says docs/settings.md, in its tables of options: that is the only place where it is written.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

import shtab

from bwrun.settings.command_line import make_parser
from tests.support.pages import page

SECTIONS = {"Options": "All settings", "Instead of a run": "Instead of a run"}  # of the man page: of docs/settings.md
OF_FILES = re.compile(r"FILE|IN:OUT")

_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Row:
    """A row of a table of settings: an option, a variable, or both."""

    options: tuple[str, ...]  # as they are written: `-e`, `--env NAME=VALUE`
    variables: tuple[str, ...]
    default: str
    meaning: str

    @property
    def name(self) -> str:
        """Return the long option, without a value; empty if the row has no option."""
        return next((re.split("[ =]", one)[0] for one in self.options if one.startswith("--")), "")

    @property
    def value(self) -> str:
        """Return what the option takes, as it is written: `FILE`, `us|eu|gov|URL`; empty if it takes nothing."""
        longest = max(self.options, key=len, default="")
        if "=" in longest.partition(" ")[0]:  # `--mask`, `--mask=stdout`, `--mask=stderr`
            return "|".join(one.partition("=")[2] for one in self.options if "=" in one)
        return longest.partition(" ")[2]

    @property
    def choices(self) -> list[str]:
        """Return the values that are written out: not those that stand for others, which are in capitals."""
        return [one for one in self.value.split("|") if one and not re.search("[A-Z]", one)]


def rows(section: str) -> list[Row]:
    """Return the rows of the tables in a section of docs/settings.md."""
    found = []
    for line in page("docs/settings.md").section(section).splitlines():
        if not line.startswith(("| `", "| |")):
            continue
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        option, meaning = cells[0], cells[-1]
        variable, default = cells[1:3] if len(cells) == 4 else ("", "")
        found.append(Row(tuple(_CODE.findall(option)), tuple(_CODE.findall(variable)), plain(default), plain(meaning)))
    return found


def plain(text: str) -> str:
    """Return a text without the marks of Markdown."""
    return _LINK.sub(r"\1", text).replace("`", "")


def described(*, briefly: bool) -> argparse.ArgumentParser:
    """
    Return the program's parser, with descriptions.

    `briefly`: as a shell shows them beside an option, so only the first part of each.
    """
    actions = {action.option_strings[-1]: action for action in make_parser()._actions}  # noqa: SLF001  (no other list)
    actions = {max(action.option_strings, key=len): action for action in actions.values()}
    made = argparse.ArgumentParser(prog="bwrun", add_help=False)
    for title, section in SECTIONS.items():
        group = made.add_argument_group(title)
        for row in rows(section):
            if row.name:
                action = actions.pop(row.name, None)
                if action is None:
                    raise LookupError(f"docs/settings.md describes {row.name} twice, or it is no option")
                _describe(action, row, briefly=briefly)
                group._add_action(action)  # noqa: SLF001  (add_argument makes only new ones)
    if actions:
        raise LookupError(f"docs/settings.md does not describe {sorted(actions)}")
    return made


def _describe(action: argparse.Action, row: Row, *, briefly: bool) -> None:
    """Give `action` what `row` says about it."""
    text = row.meaning.partition("; ")[0] if briefly else _sentences(row)
    action.help = text.replace("%", "%%")
    if action.nargs == 0:
        return
    action.metavar = row.value
    if "--" + row.name[2:] in row.options:  # it may stand without a value
        action.nargs = "?"
    action.choices = row.choices or None
    if OF_FILES.search(row.value):
        action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab looks for this attribute


def sentence(text: str) -> str:
    """Return a meaning as a sentence; a name such as `bitwarden.com` keeps its first letter."""
    is_name = re.search("[._:]", text.rstrip(".").partition(" ")[0])
    return f"{text if is_name else text[0].upper() + text[1:]}."


def _sentences(row: Row) -> str:
    """Return what an option means, its default and its variable."""
    text = sentence(row.meaning)
    if row.default and row.default != "off":
        text += f" Default: {row.default}."
    if row.variables:
        text += f" Variable: {', '.join(row.variables)}."
    return text
