"""
Making the command's environment from the caller's environment, the env files, the options and the session.

No function here reads os.environ. Names and values are bytes, so that text that is not UTF-8 stays as it is.
"""

from __future__ import annotations

import os

from bwrun.settings.sources import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from bwrun.settings.config import Config


def command_environment(
    sources: Sources, passed: AbstractSet[str], assignments: Mapping[str, str], session: Mapping[str, str]
) -> dict[bytes, bytes]:
    """
    Return the command's environment, without the values from the vault.

    These win over each other, the first over all others: the variables of the `session`, the `assignments` of -e, the
    caller's environment, the env files. Credentials and settings of bwrun are left out unless `passed` names them.
    """
    files = sources.command_variables() | {
        name: value for name, value in sources.bwrun_variables().items() if name in passed
    }
    # An env file is UTF-8 in any locale; os.environ was decoded by the rules of os.fsdecode().
    result = {_file_bytes(name): _file_bytes(value) for name, value in files.items()}
    for name, value in sources.inherited.items():
        # A process may have a variable with an empty name, but os.execve() refuses it.
        if name and (not sources.is_withheld(name) or name in passed):
            result[os.fsencode(name)] = os.fsencode(value)
    return result | {os.fsencode(name): os.fsencode(value) for name, value in {**assignments, **session}.items()}


def environment_without_secrets(config: Config, session: Mapping[str, str], bwrun: int) -> dict[bytes, bytes]:
    """
    Return the command's environment for the settings of a run, before any reference is replaced by its value.

    `session` are the variables of the session; `bwrun` is the pid that the caller knows.
    """
    sockets = socket_activation_variables(config.sources.inherited, bwrun, os.getpid())
    return command_environment(config.sources, config.passed, config.assignments, {**session, **sockets})


def _file_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def has_possible_references(environment: Mapping[bytes, bytes]) -> bool:
    """Return whether the value of a variable looks like a reference, or contains what looks like one in braces."""
    return contains_scheme(environment.values()) and any(map(_is_possible_reference, environment.values()))


def contains_scheme(values: Iterable[bytes]) -> bool:
    """Return whether one of the values contains `bw://`. All are searched at once: most environments have none."""
    return b"bw://" in b"\0".join(values).lower()


def _is_possible_reference(value: bytes) -> bool:
    start = value[:6].lower().lstrip(b"@")
    return start.startswith(b"bw://") or (b"{{" in value and b"bw://" in value.lower())


def socket_activation_variables(environment: Mapping[str, str], bwrun: int, command: int) -> dict[str, str]:
    """
    Return LISTEN_PID and WATCHDOG_PID with the pid of the command, where they have the pid of bwrun.

    systemd meant the sockets and the watchdog for the command (sd_listen_fds(3), sd_watchdog_enabled(3)).
    """
    names = ("LISTEN_PID", "WATCHDOG_PID")
    return {name: str(command) for name in names if environment.get(name) == str(bwrun)}


def without_interpreter_changes(environment: Mapping[str, str], initial: bytes | None) -> dict[str, str]:
    """
    Return the environment with LC_CTYPE as it was before Python started: in the C locale Python sets it (PEP 538).

    `initial` is the block of variables that this process was started with; None if it is not known.
    """
    result = dict(environment)
    if initial is not None and "LC_CTYPE" in result:
        del result["LC_CTYPE"]
        for entry in initial.split(b"\0"):
            if entry.startswith(b"LC_CTYPE="):
                result["LC_CTYPE"] = os.fsdecode(entry.partition(b"=")[2])
    return result
