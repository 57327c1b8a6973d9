"""Templates: files in which references are replaced by their values (see `bwrun.injection.placeholders`)."""

from __future__ import annotations

import os
import re

from bwrun.base.deadline import Deadline
from bwrun.base.errors import ConfigError, FailedReferenceError, InvalidReferenceError, UsageError
from bwrun.base.reading import read_file
from bwrun.injection.placeholders import Placeholder, TextWithReferences, find_references
from bwrun.settings.variable_names import why_forbidden

MAX_SIZE = 16 * 1024 * 1024  # bytes of a template
PIPE_TIMEOUT = 60.0  # seconds to wait for the writer if the template is a pipe


class Template(TextWithReferences):
    """A parsed template. Its copy is a file called `file_name`, whose path is the value of `variable`."""

    path: str
    variable: str
    file_name: str


def parse_template_option(text: str) -> tuple[str, str, str]:
    """
    Return the path, the variable and the file name that `IN:OUT`, the value of --template, stands for.

    OUT is a variable (`CONFIG`) or a file name, from which the variable follows (`APP_CONF` from `app.conf`).

    Raises UsageError: the value has another form, or the variable may not be set.
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
    why = why_forbidden(variable)
    if why is not None:
        raise UsageError(
            "template", f"`--template` cannot set this variable: {why}", "name another variable after the colon"
        )
    return path, variable, out


def read_template_bytes(path: str) -> bytes:
    """
    Return the content of a template.

    Raises ConfigError: the file cannot be read, or is too large.
    """
    try:
        text = read_file(path, MAX_SIZE + 1, Deadline(PIPE_TIMEOUT))
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else "the name contains a NUL byte"
        raise ConfigError("template", f"cannot read the template `{path}`: {why}") from None
    if len(text) > MAX_SIZE:
        raise ConfigError("template", f"the template `{path}` is larger than {MAX_SIZE >> 20} MiB")
    return text


def parse_template(
    path: str, variable: str, file_name: str, text: bytes
) -> tuple[Template, list[FailedReferenceError]]:
    """Find the references in the `text` of a template; return the template, and an error for each malformed one."""
    placeholders, failures = [], []
    line, column, seen = 1, 1, 0
    for found in find_references(text):
        newline = text.rfind(b"\n", seen, found.start)
        if newline >= 0:
            line, column, seen = line + text.count(b"\n", seen, found.start), 1, newline + 1
        column += len(text[seen : found.start].decode("utf-8", "replace"))
        seen = found.start
        place = f"`{path}` line {line} column {column}"
        try:
            placeholders.append(Placeholder(found.parse(), found.start, found.end, place))
        except InvalidReferenceError as error:
            failures.append(FailedReferenceError(place, error))
    return Template(text, tuple(placeholders), path, variable, file_name), failures
