"""
Variables whose values contain references inside other text: `postgres://u:{{ bw://prod-db/password }}@h/db`.

References in braces are replaced, as in a template. A `bw://` without braces stays as it is, with a warning: in a
variable, nothing marks where such a reference would end.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from bwrun.base.console import WarningMessage
from bwrun.base.errors import FailedReferenceError, InvalidReferenceError
from bwrun.injection.placeholders import Found, Placeholder, TextWithReferences, find_references
from bwrun.references.grammar import SCHEME, is_reference
from bwrun.settings.config import Config
from bwrun.settings.sources import ENVIRONMENT, SESSION_VARIABLES, is_bwrun_variable
from bwrun.settings.variable_names import keeps_program_text, why_forbidden


def texts_around_references(config: Config, values: Mapping[str, str]) -> dict[str, str]:
    """
    Return those of the `values` of variables that contain `bw://` and are not a reference as a whole.

    A variable of the caller in which another program keeps a command line is left out: the command line may be that
    of this bwrun, and the references in it are for other variables.
    """
    return {
        name: text
        for name, text in values.items()
        if SCHEME in text.lower()
        and not is_reference(text.removeprefix("@"))
        and not (is_inherited(config, name) and keeps_program_text(name))
    }


def is_inherited(config: Config, name: str) -> bool:
    """Return whether the command gets the variable `name` from the caller's environment."""
    return name in config.sources.inherited and name not in config.assignments


def parse_composed(name: str, text: str, failures: list[FailedReferenceError]) -> TextWithReferences | None:
    """
    Find the references in braces in the value of the variable `name`; return None if there are none.

    What is wrong with them is added to `failures`.
    """
    data = text.encode("utf-8", "surrogateescape")
    in_braces = [found for found in find_references(data) if found.in_braces]
    if not in_braces:
        return None
    problems: list[InvalidReferenceError] = []
    why = why_forbidden(name)
    if why is not None:
        problems.append(InvalidReferenceError(why))
    if data[:1] == b"@" and in_braces[0].start == 1:
        file = "write `@bw://…` without braces for a file with the value, or use `--template` for a file with more text"
        problems.append(InvalidReferenceError("a value cannot begin with `@{{ bw://…`", file))
    placeholders = parse_placeholders(in_braces, problems)
    failures += [FailedReferenceError(name, problem) for problem in problems]
    return TextWithReferences(data, placeholders)


def parse_placeholders(found: Iterable[Found], problems: list[InvalidReferenceError]) -> tuple[Placeholder, ...]:
    """Parse references in a text; what is wrong with them is added to `problems`."""
    placeholders = []
    for one in found:
        try:
            reference = one.parse()
        except InvalidReferenceError as error:
            problems.append(error)
        else:
            placeholders.append(Placeholder(reference, one.start, one.end, str(reference)))
    return tuple(placeholders)


def find_unbraced(config: Config, texts: Mapping[str, str], *, nested: bool) -> list[WarningMessage]:
    """
    Return a warning for each of the variables whose text contains a reference without braces.

    In a `nested` run the caller's variables are left out: the outer bwrun may have set them, and has warned of others.
    """
    return [
        WarningMessage(
            f"{name} (from {_place(config, name)}) contains `bw://` without braces inside other text,"
            " so bwrun does not replace it",
            ("write `{{ bw://ITEM/FIELD }}` where the value of an item is to stand",),
        )
        for name, text in texts.items()
        if not (is_bwrun_variable(name) or name in SESSION_VARIABLES or (nested and is_inherited(config, name)))
        and not all(found.in_braces for found in find_references(text.encode("utf-8", "surrogateescape")))
    ]


def _place(config: Config, name: str) -> str:
    """Return where the value of a variable comes from, for messages."""
    if name in config.assignments:
        return "`-e`"
    if name in config.sources.inherited:
        return ENVIRONMENT
    in_file = os.fsencode(name).decode("utf-8", "surrogateescape")  # names in a file are UTF-8 in any locale
    return next(file.place(in_file) for file in reversed(config.sources.files) if in_file in file.values)
