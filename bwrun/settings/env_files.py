"""
Reading env files: their entries, and where each stands.

In a file that the user named, a line that is no assignment is an error.
"""

from __future__ import annotations

import os
import stat

from bwrun.base.console import WarningMessage
from bwrun.base.deadline import Deadline
from bwrun.base.errors import ConfigError
from bwrun.base.reading import read_file_and_status
from bwrun.base.structs import Struct
from bwrun.settings.env_syntax import Entry, Problem, is_cut, parse_simple, parse_with_dotenv

MAX_SIZE = 4 * 1024 * 1024  # bytes
PIPE_TIMEOUT = 60.0  # seconds to wait for the writer if the file is a pipe
DEFAULT_ENV_FILE = ".env"  # read if it exists and no other file is named
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class EnvFile(Struct):
    """The entries of an env file; of two entries with the same name the last one counts."""

    path: str
    is_default: bool  # it is the `.env` that bwrun found by itself; nobody named it
    mode: int  # permission bits
    values: dict[str, str]
    lines: dict[str, int]  # the line of each entry, from 1
    text: str = ""
    warnings: tuple[WarningMessage, ...] = ()

    def place(self, name: str) -> str:
        """Return file and line of the entry `name`, for messages."""
        return f"`{self.path}` line {self.lines[name]}"

    def key(self, name: str) -> str:  # noqa: ARG002  (config.toml has the same)
        """Return what the file calls the setting of a variable, if that is not the variable's name."""
        return ""

    def parts(self, name: str) -> tuple[str, ...] | None:  # noqa: ARG002  (config.toml has the same)
        """Return the parts of a list, which an env file cannot have."""
        return None

    def is_cut(self, name: str) -> bool:
        """Return whether the value of `name` was cut at ` #`."""
        return is_cut(self.text, self.lines[name])


def read_env_file(path: str) -> EnvFile:
    """
    Read a file that the user named.

    Raises ConfigError: it is missing, unreadable, too large, not UTF-8, or a line is not an assignment.
    """
    text, status = read_text(path)
    entries, problems = parse_text(text)
    if problems:
        line, what, hint = problems[0]
        raise ConfigError("env-file-syntax", f"`{path}` line {line} {what}", hint)
    return make_env_file(path, text, stat.S_IMODE(status.st_mode), entries)


def read_text(path: str) -> tuple[str, os.stat_result]:
    """
    Return a file's text and its status.

    Raises ConfigError: it is missing, unreadable, too large, or not UTF-8.
    """
    try:
        data, status = read_file_and_status(path, MAX_SIZE + 1, Deadline(PIPE_TIMEOUT))
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        raise ConfigError("env-file", "the name of an env file contains a NUL byte") from None
    if len(data) > MAX_SIZE:
        raise ConfigError(
            "env-file", f"the env file `{path}` is larger than {MAX_SIZE >> 20} MiB", "check that it is an env file"
        )
    if data.startswith(UTF_16):
        raise ConfigError("env-file", f"the env file `{path}` is encoded in UTF-16", "save it in UTF-8")
    # Bytes that are not UTF-8 reach the command unchanged.
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape"), status


def unreadable(path: str, error: OSError) -> ConfigError:
    """Return the error for a file that cannot be read."""
    return ConfigError("env-file", f"cannot read the env file `{path}`: {os.strerror(error.errno or 0)}")


def parse_text(text: str) -> tuple[list[Entry], list[Problem]]:
    """Return the entries of a file, and the lines that are none."""
    plain = parse_simple(text)
    return (plain, []) if plain is not None else parse_with_dotenv(text)


def make_env_file(
    path: str, text: str, mode: int, entries: list[Entry], warnings: tuple[WarningMessage, ...] | None = None
) -> EnvFile:
    """Return the file; one with `warnings`, none among them too, was found and not named."""
    values, lines = {}, {}
    for name, value, line in entries:
        values[name], lines[name] = value, line
    return EnvFile(path, warnings is not None, mode, values, lines, text, warnings or ())
