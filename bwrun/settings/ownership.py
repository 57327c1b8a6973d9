"""Whether somebody else than this user can have written a file."""

from __future__ import annotations

import os
import stat


def why_doubtful(path: str, link: os.stat_result, status: os.stat_result) -> tuple[str, str] | None:
    """
    Return why somebody else than this user or root can have written a file, and what to do; None if nobody else can.

    `link` is the status of the name itself, which may be a link, and `status` that of the file.
    """
    for one in (link, status):
        if one.st_uid not in (os.geteuid(), 0):
            return f"`{path}` belongs to another user ({_user_name(one.st_uid)})", "take it over with `chown`"
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode) and (mode & 0o002 or (mode & 0o020 and not _is_private_group(status))):
        return f"other users can write to `{path}` (mode {mode:04o})", f"run `chmod go-w {path}`"
    return None


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
