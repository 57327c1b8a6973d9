"""
Reading env files, with python-dotenv's parser.

Nothing is expanded: `${HOME}` inside a password is a part of the password.
A line that is no assignment is an error that names file and line.
"""

from __future__ import annotations

import errno
import io
import os
import stat

from bwrun.base.deadline import Deadline
from bwrun.base.errors import ConfigError
from bwrun.base.reading import read_file
from bwrun.base.structs import Struct

MAX_SIZE = 4 * 1024 * 1024  # bytes
PATIENCE = 60.0  # seconds for an env file that is a pipe
AUTOMATIC = ".env"
DIGITS = "0123456789"
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" + DIGITS)
VALUE_CHARACTERS = frozenset(map(chr, range(ord("!"), ord("~") + 1))) - frozenset("'\"#\\`")

Entry = tuple[str, str, int]  # name, value, line


class EnvFile(Struct):
    """An env file: its entries as they stand there, the last of a name winning."""

    path: str
    automatic: bool  # found as .env in the working directory, not named by anybody
    mode: int  # permission bits
    values: dict[str, str]
    lines: dict[str, int]

    def place(self, name: str) -> str:
        """Return where `name` stands, for messages."""
        return f"`{self.path}` line {self.lines[name]}"


def read_env_file(path: str) -> EnvFile:
    """
    Read a file that was named by the user.

    Raises ConfigError: it is missing, unreadable, too large, or a line is no assignment.
    """
    data, mode = _read(path)
    return _parse(path, data, mode, automatic=False)


def find_env_file() -> EnvFile | None:
    """
    Read `.env` in the working directory; None if there is none (a directory of that name is a Python venv).

    Raises ConfigError, as read_env_file().
    """
    try:
        if stat.S_ISDIR(os.stat(AUTOMATIC).st_mode):
            return None
    except OSError as error:
        # EACCES is the directory's: there is no `.env` that this user could see.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EACCES):
            return None
    data, mode = _read(AUTOMATIC)
    return _parse(AUTOMATIC, data, mode, automatic=True)


def _read(path: str) -> tuple[bytes, int]:
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        data = read_file(path, MAX_SIZE + 1, Deadline(PATIENCE))
    except OSError as error:
        raise ConfigError("env-file", f"cannot read the env file `{path}`: {os.strerror(error.errno or 0)}") from None
    except ValueError:
        raise ConfigError("env-file", "the name of an env file contains a NUL byte") from None
    if len(data) > MAX_SIZE:
        raise ConfigError(
            "env-file", f"the env file `{path}` is larger than {MAX_SIZE >> 20} MiB", "check that it is an env file"
        )
    return data, mode


def _parse(path: str, data: bytes, mode: int, *, automatic: bool) -> EnvFile:
    # Bytes that are no UTF-8 reach the command as they are.
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    entries = parse_plain(text)
    if entries is None:
        entries = parse_any(text, path)
    return EnvFile(
        path, automatic, mode,
        {name: value for name, value, _ in entries}, {name: line for name, _, line in entries},
    )  # fmt: skip


def parse_plain(text: str) -> list[Entry] | None:
    """
    Return the entries of a file that leaves nothing to interpret, None for any other.

    That is most of them, and python-dotenv takes 35 ms to import.  Its reading of such a file is the same: comments
    and `NAME=value`, an `export` and a comment round it or not, and no quotes, backslashes or spaces in the value.
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


def parse_any(text: str, path: str) -> list[Entry]:
    """
    Return the entries of any env file, as python-dotenv reads it; `path` is for messages.

    Raises ConfigError: a line is no assignment.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415  (35 ms: only where there is something to interpret)

    entries: list[Entry] = []
    for binding in parse_stream(io.StringIO(text)):
        line = binding.original.line + _leading_lines(binding.original.string)
        if binding.error:
            raise ConfigError(
                "env-file-syntax", f"`{path}` line {line} is not `NAME=value`",
                "put quotes around a value that contains spaces, quotes or `#`",
            )  # fmt: skip
        if binding.key is None or binding.value is None:
            continue
        if not binding.key or "=" in binding.key:
            raise ConfigError("env-file-syntax", f"`{path}` line {line}: a name cannot be empty or contain `=`")
        if "\0" in binding.key + binding.value:
            raise ConfigError("env-file-syntax", f"`{path}` line {line}: a value cannot contain a NUL byte")
        entries.append((binding.key, binding.value, line))
    return entries


def _leading_lines(text: str) -> int:
    """Count the empty lines that python-dotenv counts as a part of the assignment after them."""
    return text[: len(text) - len(text.lstrip())].count("\n")
