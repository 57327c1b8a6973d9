"""
The command's environment, from what was inherited, the env files and the session.

Pure: it never reads os.environ.  Everything is bytes, so that what is not UTF-8 arrives as it came.
"""

from __future__ import annotations

import os

from bwrun.settings.sources import Sources, is_own

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet


def command_environment(
    sources: Sources, passed: AbstractSet[str], assignments: Mapping[str, str], session: Mapping[str, str]
) -> dict[bytes, bytes]:
    """
    Return the environment the command gets.

    What is bwrun's own is taken away unless `passed` names it; the env files'
    other entries come in where the environment has none of that name;
    `assignments` (-e) win over both, and the
    session's variables win over all.
    """
    files = sources.variables() | {name: value for name, value in sources.own().items() if name in passed}
    # A file's text is UTF-8 whatever the locale; the environment's is what os.environ decoded.
    result = {_file_bytes(name): _file_bytes(value) for name, value in files.items()}
    for name, value in sources.environment.items():
        # (A variable without a name is legal in a process and refused by execve's caller.)
        if name and (not is_own(name) or name in passed):
            result[os.fsencode(name)] = os.fsencode(value)
    return result | {os.fsencode(name): os.fsencode(value) for name, value in {**assignments, **session}.items()}


def _file_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def may_hold_references(environment: Mapping[bytes, bytes]) -> bool:
    """Return whether a variable looks like a reference (`bw://…`), right or wrong."""
    return any(value[:6].lower().lstrip(b"@").startswith(b"bw://") for value in environment.values())


def socket_activation(environment: Mapping[str, str], bwrun: int, command: int) -> dict[str, str]:
    """
    Return systemd's variables that name a pid with the command's, where they name bwrun's.

    The sockets and the watchdog are the command's (sd_listen_fds(3), sd_watchdog_enabled(3)).
    """
    names = ("LISTEN_PID", "WATCHDOG_PID")
    return {name: str(command) for name in names if environment.get(name) == str(bwrun)}


def as_inherited(environment: Mapping[str, str], initial: bytes | None) -> dict[str, str]:
    """
    Return the environment without what the interpreter changed at its start: LC_CTYPE in the C locale (PEP 538).

    `initial` is the environment block this process was started with, None if it is not known.
    """
    result = dict(environment)
    if initial is not None and "LC_CTYPE" in result:
        del result["LC_CTYPE"]
        for entry in initial.split(b"\0"):
            if entry.startswith(b"LC_CTYPE="):
                result["LC_CTYPE"] = os.fsdecode(entry.partition(b"=")[2])
    return result
