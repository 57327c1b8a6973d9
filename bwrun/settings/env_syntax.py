"""
The syntax of env files, by the rules of python-dotenv. This is the only module that imports it.

Values are taken as they stand: `${HOME}` in a password is part of the password. A bare NAME in capitals, whose value
Docker takes from its own environment, is skipped.
"""

from __future__ import annotations

import io

DIGITS = "0123456789"
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" + DIGITS)
BARE_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_" + DIGITS)
VALUE_CHARACTERS = frozenset(map(chr, range(ord("!"), ord("~") + 1))) - frozenset("'\"#\\`")
PEM_BEGIN, PEM_END = "-----BEGIN ", "-----END "
ONE_LINE = "put quotes around a value that contains spaces, quotes or `#`"
MORE_LINES = "put quotes around a value that goes on over several lines"

Entry = tuple[str, str, int]  # name, value, line
Problem = tuple[int, str, str]  # line, what is wrong with it, what to do


def parse_simple(text: str) -> list[Entry] | None:
    """
    Return the entries of a file that has only simple lines; None if python-dotenv has to read it.

    A simple line is a comment, or `NAME=value` with or without `export` and a comment, whose value contains no quotes,
    backslashes or spaces. python-dotenv reads such a line in the same way, but takes 30 ms to import
    (`python -X importtime -c "import dotenv.parser"`), and most files have only simple lines.
    """
    entries: list[Entry] = []
    if "\r" in text:
        return None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#") or not line.strip(" \t"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        if "#" in value:
            value, _, _ = value.partition("#")
            if not value.endswith((" ", "\t")) or not value.strip(" \t"):
                return None
            value = value.rstrip(" \t")
        if not equals or not name or name[0] in DIGITS or not NAME_CHARACTERS.issuperset(name):
            return None
        if not VALUE_CHARACTERS.issuperset(value):
            return None
        entries.append((name, value, number))
    return entries


def parse_with_dotenv(text: str) -> tuple[list[Entry], list[Problem]]:
    """Return the entries of any env file, as python-dotenv reads them, and the lines that are not an assignment."""
    from dotenv.parser import parse_stream  # noqa: PLC0415  (30 ms, and few files need it)

    entries: list[Entry] = []
    problems: list[Problem] = []
    inside_pem = False
    for binding in parse_stream(io.StringIO(text)):
        original = binding.original.string
        line = binding.original.line + _leading_lines(original)
        if inside_pem:
            inside_pem = PEM_END not in original
            continue
        if binding.error:
            problems.append((line, "is not `NAME=value`", ONE_LINE))
            continue
        name, value = binding.key, binding.value
        if name is None:
            continue
        if value is None:
            if not BARE_CHARACTERS.issuperset(name):
                problems.append((line, "is not `NAME=value`", MORE_LINES))
        elif not _is_name(name):
            problems.append((line, "does not begin with the name of a variable", MORE_LINES))
        elif "\0" in value:
            problems.append((line, "contains a NUL byte", "remove it"))
        elif value.startswith(PEM_BEGIN) and PEM_END not in value:
            problems.append((line, "begins a key or certificate and does not end it", MORE_LINES))
            inside_pem = True
        else:
            entries.append((name, value, line))
    return entries, problems


def is_cut(text: str, line: int) -> bool:
    """Return whether an unquoted value at a line of `text` was cut at ` #`, where a comment begins."""
    value = text.split("\n")[line - 1].partition("=")[2].strip(" \t")
    return value[:1] not in ("'", '"') and (" #" in value or "\t#" in value)


def _is_name(text: str) -> bool:
    """Return whether a variable can have the name; some programs have dots and hyphens in theirs."""
    return text.replace("-", "_").replace(".", "_").isidentifier()


def _leading_lines(text: str) -> int:
    """Return the number of empty lines before an assignment, which python-dotenv counts as part of it."""
    return text[: len(text) - len(text.lstrip())].count("\n")
