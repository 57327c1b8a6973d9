"""
Reading env files, by the rules of python-dotenv. This is the only module that imports it.

Values are taken as they stand: `${HOME}` in a password is part of the password. A line that is not an assignment is an
error that names the file and the line.
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
PIPE_TIMEOUT = 60.0  # seconds to wait for the writer if the file is a pipe
DEFAULT_ENV_FILE = ".env"  # read if it exists and no other file is named
DIGITS = "0123456789"
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" + DIGITS)
VALUE_CHARACTERS = frozenset(map(chr, range(ord("!"), ord("~") + 1))) - frozenset("'\"#\\`")

Entry = tuple[str, str, int]  # name, value, line


class EnvFile(Struct):
    """The entries of an env file; of two entries with the same name the last one counts."""

    path: str
    is_default: bool  # it is the `.env` that bwrun found by itself; nobody named it
    mode: int  # permission bits
    values: dict[str, str]
    lines: dict[str, int]  # the line of each entry, from 1

    def place(self, name: str) -> str:
        """Return file and line of the entry `name`, for messages."""
        return f"`{self.path}` line {self.lines[name]}"


def read_env_file(path: str) -> EnvFile:
    """
    Read a file that the user named.

    Raises ConfigError: the file is missing, unreadable or too large, or a line is not an assignment.
    """
    data, mode = _read(path)
    return _parse(path, data, mode, is_default=False)


def find_env_file() -> EnvFile | None:
    """
    Read `.env` in the working directory; return None if there is no such file.

    A directory named `.env` does not count: it is likely a virtual environment of Python.

    Raises ConfigError, as read_env_file().
    """
    try:
        if stat.S_ISDIR(os.stat(DEFAULT_ENV_FILE).st_mode):
            return None
    except OSError as error:
        # EACCES comes from the directory: whether it contains a `.env` cannot be seen.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EACCES):
            return None
    data, mode = _read(DEFAULT_ENV_FILE)
    return _parse(DEFAULT_ENV_FILE, data, mode, is_default=True)


def _read(path: str) -> tuple[bytes, int]:
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        data = read_file(path, MAX_SIZE + 1, Deadline(PIPE_TIMEOUT))
    except OSError as error:
        raise ConfigError("env-file", f"cannot read the env file `{path}`: {os.strerror(error.errno or 0)}") from None
    except ValueError:
        raise ConfigError("env-file", "the name of an env file contains a NUL byte") from None
    if len(data) > MAX_SIZE:
        raise ConfigError(
            "env-file", f"the env file `{path}` is larger than {MAX_SIZE >> 20} MiB", "check that it is an env file"
        )
    return data, mode


def _parse(path: str, data: bytes, mode: int, *, is_default: bool) -> EnvFile:
    # Bytes that are not UTF-8 reach the command unchanged.
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    entries = parse_simple(text)
    if entries is None:
        entries = parse_with_dotenv(text, path)
    return EnvFile(
        path, is_default, mode,
        {name: value for name, value, _ in entries}, {name: line for name, _, line in entries},
    )  # fmt: skip


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


def parse_with_dotenv(text: str, path: str) -> list[Entry]:
    """
    Return the entries of any env file, as python-dotenv reads them; `path` is for messages.

    Raises ConfigError: a line is not an assignment.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415  (30 ms, and few files need it)

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
    """Return the number of empty lines before an assignment, which python-dotenv counts as part of it."""
    return text[: len(text) - len(text.lstrip())].count("\n")
