"""Where the files are that this user has for bwrun: `bwrun` in XDG_CONFIG_HOME, else in `~/.config`."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "bwrun"


def user_file(environment: Mapping[str, str], name: str) -> str:
    """
    Return the absolute path of the user's file `name`, which may not exist.

    A relative XDG_CONFIG_HOME counts as not set (XDG Base Directory Specification). Without HOME, as in cron jobs of
    some systems, the home directory is that of the user database.
    """
    base = environment.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(environment.get("HOME") or _home_of_user(), ".config")
    return os.path.join(base, FOLDER, name)


def _home_of_user() -> str:
    import pwd  # noqa: PLC0415  (most processes have HOME)

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"  # a user id without an entry has no home
