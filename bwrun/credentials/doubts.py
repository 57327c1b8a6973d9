"""
Why a credential may not be what the user meant: quotes, comments and signs that other programs interpret.

A password may contain all of these, so they are no errors.  They become hints when the server or the vault refuses it.
"""

from __future__ import annotations

import os

from bwrun.base.console import WarningMessage
from bwrun.settings.warning_messages import readable_by_others

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from bwrun.settings.sources import SettingValue

QUOTES = (b"'", b'"')
USER_KEY_PREFIX = "bwrun_user_key_"  # of the text form of a user key
TYPOGRAPHIC_QUOTES = tuple(quote.encode() for quote in "“”„‘’«»")


def doubts(value: bytes, found: SettingValue | None = None) -> tuple[str, ...]:
    """Return the hints for a credential; `found` is where it stood, if that was a variable."""
    hints = []
    if found is not None and found.file is not None and found.file.is_cut(found.name):
        hints.append(f"{found.place} was cut at ` #`, where a comment begins: put the value in quotes")
    if b"${" in value or b"$(" in value:
        hints.append("it contains `${` or `$(`: bwrun takes a value as it stands and expands nothing")
    if len(value) > 1 and value[:1] in QUOTES and value[:1] == value[-1:]:
        hints.append("it is in quotes: remove them if they do not belong to it")
    if value.startswith(TYPOGRAPHIC_QUOTES) or value.endswith(TYPOGRAPHIC_QUOTES):
        hints.append("it is in typographic quotes: remove them, or write plain ones")
    if value != value.strip():
        hints.append("it begins or ends with white space: remove that if it does not belong to it")
    if value.startswith(USER_KEY_PREFIX.encode()):
        hints.append("it is a user key: set BWRUN_USER_KEY to it")
    return tuple(hints)


def exposed(path: str, status: os.stat_result) -> tuple[WarningMessage, ...]:
    """
    Return the warning for a file with a secret that other users can read.

    A file on a read-only file system is passed over: containers get their secrets so, and nobody can change its mode.
    """
    import stat  # noqa: PLC0415

    try:
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError:
        read_only = 0
    if read_only or not stat.S_ISREG(status.st_mode):
        return ()
    return tuple(readable_by_others(path, stat.S_IMODE(status.st_mode)))
