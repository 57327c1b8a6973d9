"""The man page: argparse-manpage writes the options, `parts/sections.roff` has the other sections."""

from __future__ import annotations

import re
from pathlib import Path

from argparse_manpage.manpage import Manpage, bold, underline  # type: ignore[import-untyped]  # it has no types

from bwrun import __version__
from tests.completion.described import described, rows, sentence

SECTIONS = Path(__file__).with_name("parts") / "sections.roff"
ORDER = ["ENVIRONMENT", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"]  # as man-pages(7) has them


def man_page() -> str:
    """Return the text of bwrun(1)."""
    data = {
        "description": "run a command with secrets from a Bitwarden vault",
        "project_name": "bwrun",
        "version": __version__,
        "manual_title": "User Commands",
        "include": str(SECTIONS),
        "date": " ",  # the page is made before anybody knows when the version is released
    }
    page = Manpage(described(briefly=False), data)
    page.add_section("environment", "=", _environment())
    # The sections come in the order in which they were added: there is no other way to order them.
    page.parser._manpage.sort(key=lambda section: _place(section["heading"]))  # noqa: SLF001
    # `--mask[=VALUE]`, where argparse-manpage writes `--mask [VALUE]`
    text = re.sub(r" \\fI\\,\[(.*)\]\\/\\fR", r"[=\\fI\\,\1\\/\\fR]", str(page))
    for row in rows("Instead of a run"):
        if row.value:  # of `--list [WORD]...`, the parser knows the option only
            option = bold(row.name)
            text = text.replace(f"\n{option}\n", f"\n{option} {underline(row.value)}\n")
    return text


def _place(heading: str) -> int:
    """Return where a section stands among those after the options; the library places the others itself."""
    return ORDER.index(heading.upper()) if heading.upper() in ORDER else -1


def _environment() -> str:
    """Return the section about the variables that have no option."""
    lines = ["Most options have a variable, which is named there. These variables have no option:"]
    for row in rows("All settings"):
        if not row.options:
            lines += [".TP", ", ".join(map(bold, row.variables))]
            lines += [sentence(row.meaning).replace("-", r"\-")]
    return "\n".join(lines)
