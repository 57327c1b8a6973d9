"""
The `.env` that bwrun finds by itself in the working directory, and how far it is trusted.

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
from bwrun.settings.variable_names import leads_to_code

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping

TRUST_IT = "or name the file to trust it: `--env-file .env`"


def find_env_file(environment: Mapping[str, str]) -> EnvFile | None:
    """
    Read `.env` in the working directory; None if there is none (a directory of that name is a Python venv).

    What `environment` has already, the file cannot set.

    Raises ConfigError: it is unreadable, too large, not UTF-8, or not to be trusted.
    """
    try:
        link = os.lstat(DEFAULT_ENV_FILE)
        if stat.S_ISDIR(os.stat(DEFAULT_ENV_FILE).st_mode):
            return None
    except OSError as error:
        # EACCES is the directory's: there is no `.env` that this user could see.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EACCES):
            return None
        raise unreadable(DEFAULT_ENV_FILE, error) from None
    text, status = read_text(DEFAULT_ENV_FILE)
    _check_owner(DEFAULT_ENV_FILE, link, status)
    entries, problems = parse_text(text)
    warnings = [
        WarningMessage(f"ignoring `{DEFAULT_ENV_FILE}` line {line}: it {what}", (hint,))
        for line, what, hint in problems
    ]
    file = make_env_file(DEFAULT_ENV_FILE, text, stat.S_IMODE(status.st_mode), entries, tuple(warnings))
    _check_variables(file.path, {name: line for name, line in file.lines.items() if name not in environment})
    return file


def _check_owner(path: str, link: os.stat_result, status: os.stat_result) -> None:
    """
    Refuse a file that somebody else can have written; `link` is the status of the name itself.

    Raises ConfigError.
    """
    for one in (link, status):
        if one.st_uid not in (os.geteuid(), 0):
            raise ConfigError(
                "untrusted-env-file", f"`{path}` belongs to another user ({_user_name(one.st_uid)})",
                f"take it over with `chown`, {TRUST_IT}",
            )  # fmt: skip
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode) and (mode & 0o002 or (mode & 0o020 and not _is_private_group(status))):
        raise ConfigError(
            "untrusted-env-file", f"other users can write to `{path}` (mode {mode:04o})",
            f"run `chmod go-w {path}`, {TRUST_IT}",
        )  # fmt: skip


def _check_variables(path: str, lines: Mapping[str, int]) -> None:
    """
    Refuse a file that sets variables from which programs take code; `lines` has the line of each name.

    Raises ConfigError: with all of them.
    """
    names = [name for name in lines if leads_to_code(name)]
    if not names:
        return
    where = f"line {lines[names[0]]}" if len(names) == 1 else "lines " + ", ".join(str(lines[name]) for name in names)
    raise ConfigError(
        "untrusted-env-file",
        f"`{path}` {where}: a file that bwrun found by itself may not set {', '.join(names)},"
        " from which programs take code",
        f"remove the {'line' if len(names) == 1 else 'lines'}, {TRUST_IT}",
    )


def _is_private_group(status: os.stat_result) -> bool:
    """Return whether the file's group has its owner as the one member, as many systems give each user."""
    import grp  # noqa: PLC0415  (only for files that their group can write to)
    import pwd  # noqa: PLC0415

    try:
        user, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return user.pw_gid == group.gr_gid and user.pw_name == group.gr_name and set(group.gr_mem) <= {user.pw_name}


def _user_name(uid: int) -> str:
    import pwd  # noqa: PLC0415

    try:
        return f"`{pwd.getpwuid(uid).pw_name}`"
    except KeyError:
        return f"user id {uid}"
