"""
The `.env` that bwrun finds by itself, in the working directory or above it, and how far it is trusted.

It may be a stranger's: it is refused if it belongs to another user than this one or root, if others can write to it, or
if it sets a variable from which programs take code.  Other tools read such files too, so a line that is no assignment
is a warning.
"""

from __future__ import annotations

import errno
import os
import stat

from bwrun.base.console import WarningMessage
from bwrun.base.errors import ConfigError
from bwrun.settings.env_files import DEFAULT_ENV_FILE, EnvFile, make_env_file, parse_text, read_text, unreadable

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping


def locate_env_file(environment: Mapping[str, str]) -> str | None:
    """
    Return the path of the `.env` that counts; None if there is none (a directory of that name is a Python venv).

    It is in the working directory, or else in a parent directory that belongs to the same git repository.

    Raises ConfigError: what is in the working directory cannot be looked at.
    """
    try:
        os.lstat(DEFAULT_ENV_FILE)
        if not stat.S_ISDIR(os.stat(DEFAULT_ENV_FILE).st_mode):
            return DEFAULT_ENV_FILE
    except OSError as error:
        # EACCES is the directory's: there is no `.env` that this user could see.
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EACCES):
            raise unreadable(DEFAULT_ENV_FILE, error) from None
    if os.path.lexists(".git"):
        return None  # this is the root of a repository
    from bwrun.settings.found_config import home_directory  # noqa: PLC0415  (many runs have it here)
    from bwrun.settings.parent_directories import find_in_parents  # noqa: PLC0415

    return find_in_parents(home_directory(environment))


def find_env_file(environment: Mapping[str, str]) -> EnvFile | None:
    """
    Read the `.env` that counts; None if there is none.

    What `environment` has already, the file cannot set.

    Raises ConfigError: it is unreadable, too large, not UTF-8, or not to be trusted.
    """
    path = locate_env_file(environment)
    if path is None:
        return None
    try:
        link = os.lstat(path)
    except OSError as error:
        raise unreadable(path, error) from None
    text, status = read_text(path)
    from bwrun.settings.ownership import why_doubtful  # noqa: PLC0415  (only where there is a file)

    doubt = why_doubtful(path, link, status)
    if doubt is not None:
        what, cure = doubt
        raise ConfigError("untrusted-env-file", what, f"{cure}, {trust_it(path)}")
    entries, problems = parse_text(text)
    warnings = [WarningMessage(f"ignoring `{path}` line {line}: it {what}", (hint,)) for line, what, hint in problems]
    file = make_env_file(path, text, stat.S_IMODE(status.st_mode), entries, tuple(warnings))
    _check_variables(file.path, {name: line for name, line in file.lines.items() if name not in environment})
    return file


def trust_it(path: str) -> str:
    """Return the end of a hint: how to make bwrun trust the file that it found."""
    return f"or name the file to trust it: `--env-file {path}`"


def _check_variables(path: str, lines: Mapping[str, int]) -> None:
    """
    Refuse a file that sets variables from which programs take code, or the official CLI whom to trust.

    `lines` has the line of each name.

    Raises ConfigError: with all of them.
    """
    from bwrun.settings.variable_names import TRUST_OF_NODE, leads_to_code  # noqa: PLC0415  (only where there is a file)

    names = [name for name in lines if leads_to_code(name) or name in TRUST_OF_NODE]
    if not names:
        return
    why = "from which programs take code" if any(map(leads_to_code, names)) else "by which programs trust a server"
    where = f"line {lines[names[0]]}" if len(names) == 1 else "lines " + ", ".join(str(lines[name]) for name in names)
    raise ConfigError(
        "untrusted-env-file",
        f"`{path}` {where}: a file that bwrun found by itself may not set {', '.join(names)}, {why}",
        f"remove the {'line' if len(names) == 1 else 'lines'}, {trust_it(path)}",
    )
