r"""
Files with references in them: `bw://ITEM/FIELD`, or `{{ bw://… }}` where it is not plain where a reference ends.

Bare, one begins where no letter or digit stands before it, and ends before white space, a quote, a bracket, `<`, `>`,
`,`, `;`, `|`, `\\` or a backquote.  Between double braces, on one line, it is read as a variable's value is, spaces
within a name and all.  Everything else is left as it stands, byte for byte, and values come in as they are: nothing is
escaped for the file's own syntax.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from bwrun.base.deadline import Deadline
from bwrun.base.errors import ConfigError, FailedReferenceError, InvalidReferenceError, UsageError
from bwrun.base.reading import read_file
from bwrun.base.structs import Struct
from bwrun.injection.variable_names import refusal
from bwrun.references.grammar import Reference, parse

MAX_SIZE = 16 * 1024 * 1024  # bytes of a template
PATIENCE = 60.0  # seconds for a template that is a pipe
_SPOT = re.compile(  # possessive, and no `{{` within braces: one pass over any file
    rb"\{\{[ \t]*+(?P<braced>@?bw://(?:[^\r\n{}]++|\{(?!\{)|\}(?!\}))*+)\}\}"
    rb"|(?<![A-Za-z0-9+.@-])(?P<bare>bw://[^\s\"'`<>(){}\[\]|\\;,]*)",
    re.IGNORECASE,
)


class Spot(Struct):
    """A reference in a template, and which bytes it stands for."""

    reference: Reference
    start: int
    end: int
    place: str  # for messages


class Template(Struct):
    """A template, read and understood; `variable` gets the path of the file it makes."""

    path: str
    variable: str
    file_name: str
    text: bytes
    spots: tuple[Spot, ...]

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """Return the text with the values of the spots, by their places."""
        parts, position = [], 0
        for spot in self.spots:
            parts += [self.text[position : spot.start], values[spot.place]]
            position = spot.end
        return b"".join([*parts, self.text[position:]])


def split_option(text: str) -> tuple[str, str, str]:
    """
    Return path, variable and file name of `IN:OUT`.

    OUT is a variable (`CONFIG`), or a file's name, which gives the variable: `app.conf` is at `$APP_CONF`.

    Raises UsageError.
    """
    path, colon, out = text.rpartition(":")
    variable = out if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", out) else re.sub(r"[^A-Z0-9]", "_", out.upper())
    if not colon or not path or not out:
        raise UsageError("template", "`--template` needs IN:OUT", "write it like `--template app.conf.tpl:APP_CONF`")
    if "/" in out or out[:1] == "." or not out.isprintable() or len(os.fsencode(out)) > 200 or variable[:1].isdigit():
        raise UsageError(
            "template", "OUT in `--template IN:OUT` is neither a variable nor a plain file name",
            "name a variable, e.g. `APP_CONF`, or a file, e.g. `app.conf`, whose path is then in `$APP_CONF`",
        )  # fmt: skip
    why = refusal(variable)
    if why is not None:
        raise UsageError(
            "template", f"`--template` cannot set this variable: {why}", "name another variable after the colon"
        )
    return path, variable, out


def read_text(path: str) -> bytes:
    """
    Return a template's bytes.

    Raises ConfigError: it cannot be read, or is too large.
    """
    try:
        text = read_file(path, MAX_SIZE + 1, Deadline(PATIENCE))
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else "the name contains a NUL byte"
        raise ConfigError("template", f"cannot read the template `{path}`: {why}") from None
    if len(text) > MAX_SIZE:
        raise ConfigError("template", f"the template `{path}` is larger than {MAX_SIZE >> 20} MiB")
    return text


def read_template(path: str, variable: str, file_name: str, text: bytes) -> tuple[Template, list[FailedReferenceError]]:
    """Find the references in the `text` of a template; return it with what is wrong in it."""
    spots, failures = [], []
    line, column, seen = 1, 1, 0
    for found in _SPOT.finditer(text):
        newline = text.rfind(b"\n", seen, found.start())
        if newline >= 0:
            line, column, seen = line + text.count(b"\n", seen, found.start()), 1, newline + 1
        column += len(text[seen : found.start()].decode("utf-8", "replace"))
        seen = found.start()
        place = f"`{path}` line {line} column {column}"
        try:
            spots.append(Spot(_parse(found), found.start(), found.end(), place))
        except InvalidReferenceError as error:
            failures.append(FailedReferenceError(place, error))
    return Template(path, variable, file_name, text, tuple(spots)), failures


def _parse(found: re.Match[bytes]) -> Reference:
    text = (found["braced"] or found["bare"]).rstrip(b" \t").decode("utf-8", "surrogateescape")
    if text[:1] == "@":
        raise InvalidReferenceError(
            "a template cannot contain `@bw://…`, the path of a file", "write `{{ bw://… }}` for the value"
        )
    try:
        return parse(text)
    except InvalidReferenceError as error:
        hint = "mark where the reference ends with braces: `{{ bw://ITEM/FIELD }}`"
        raise InvalidReferenceError(error.message, *error.hints, *([] if found["braced"] else [hint])) from None
