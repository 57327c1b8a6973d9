"""
Reading env files: those that the user named, and the `.env` that bwrun finds in the working directory.

A found `.env` may be a stranger's.  It is refused if it belongs to somebody else, if others can write to it, or if it
sets a variable from which programs take code.  In a file that was named, a line that is no assignment is an error; in a
found one, which other tools read too, it is a warning.
"""

from __future__ import annotations

import errno
import os
import stat

from bwrun.base.console import WarningMessage
from bwrun.base.deadline import Deadline
from bwrun.base.errors import ConfigError
from bwrun.base.reading import read_file_and_status
from bwrun.base.structs import Struct
from bwrun.settings.env_syntax import Problem, is_cut, parse_any, parse_plain

MAX_SIZE = 4 * 1024 * 1024  # bytes
PATIENCE = 60.0  # seconds for an env file that is a pipe
AUTOMATIC = ".env"
TRUST_IT = "name the file to trust it: `--env-file .env`"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class EnvFile(Struct):
    """An env file: its entries as they stand there, the last of a name winning."""

    path: str
    automatic: bool  # found as .env in the working directory, not named by anybody
    mode: int  # permission bits
    values: dict[str, str]
    lines: dict[str, int]
    text: str = ""
    warnings: tuple[WarningMessage, ...] = ()

    def place(self, name: str) -> str:
        """Return where `name` stands, for messages."""
        return f"`{self.path}` line {self.lines[name]}"

    def is_cut(self, name: str) -> bool:
        """Return whether the value of `name` was cut at ` #`."""
        return is_cut(self.text, self.lines[name])


def read_env_file(path: str) -> EnvFile:
    """
    Read a file that was named by the user.

    Raises ConfigError: it is missing, unreadable, too large, not UTF-8, or a line is no assignment.
    """
    text, status = _read(path)
    entries, problems = _parse(text)
    if problems:
        line, what, hint = problems[0]
        raise ConfigError("env-file-syntax", f"`{path}` line {line} {what}", hint)
    return _make(path, text, status, entries, automatic=False)


def find_env_file() -> EnvFile | None:
    """
    Read `.env` in the working directory; None if there is none (a directory of that name is a Python venv).

    Raises ConfigError: it is unreadable, too large, not UTF-8, or not to be trusted.
    """
    try:
        link = os.lstat(AUTOMATIC)
        if stat.S_ISDIR(os.stat(AUTOMATIC).st_mode):
            return None
    except OSError as error:
        # EACCES is the directory's: there is no `.env` that this user could see.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EACCES):
            return None
        raise _unreadable(AUTOMATIC, error) from None
    text, status = _read(AUTOMATIC)
    from bwrun.settings.found_file import check_found_file, check_variables  # noqa: PLC0415  (only where there is a file)

    check_found_file(AUTOMATIC, link, status)
    entries, problems = _parse(text)
    warnings = tuple(_warning(problem) for problem in problems)
    file = _make(AUTOMATIC, text, status, entries, automatic=True, warnings=warnings)
    check_variables(file.path, file.lines)
    return file


def _read(path: str) -> tuple[str, os.stat_result]:
    try:
        data, status = read_file_and_status(path, MAX_SIZE + 1, Deadline(PATIENCE))
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError:
        raise ConfigError("env-file", "the name of an env file contains a NUL byte") from None
    if len(data) > MAX_SIZE:
        raise ConfigError(
            "env-file", f"the env file `{path}` is larger than {MAX_SIZE >> 20} MiB", "check that it is an env file"
        )
    if data.startswith(UTF_16):
        raise ConfigError("env-file", f"the env file `{path}` is encoded in UTF-16", "save it in UTF-8")
    # Bytes that are no UTF-8 reach the command as they are.
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape"), status


def _unreadable(path: str, error: OSError) -> ConfigError:
    return ConfigError("env-file", f"cannot read the env file `{path}`: {os.strerror(error.errno or 0)}")


def _parse(text: str) -> tuple[list[tuple[str, str, int]], list[Problem]]:
    plain = parse_plain(text)
    return (plain, []) if plain is not None else parse_any(text)


def _make(  # noqa: PLR0913  (what there is to know of a file)
    path: str, text: str, status: os.stat_result, entries: list[tuple[str, str, int]], *, automatic: bool,
    warnings: tuple[WarningMessage, ...] = (),
) -> EnvFile:  # fmt: skip
    return EnvFile(
        path, automatic, stat.S_IMODE(status.st_mode),
        {name: value for name, value, _ in entries}, {name: line for name, _, line in entries}, text, warnings,
    )  # fmt: skip


def _warning(problem: Problem) -> WarningMessage:
    line, what, hint = problem
    return WarningMessage(f"ignoring `{AUTOMATIC}` line {line}: it {what}", (hint,))
