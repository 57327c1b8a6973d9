"""
Which of the caller's variables a command gets with `--clean-env`.

These are PATH, HOME, TERM and LANG, the variables of `--keep` and `--pass`, and those that bwrun itself has set or will
set: references, and the certificates of the server for a session.
"""

from __future__ import annotations

from bwrun.base.errors import UsageError
from bwrun.settings.sources import SERVICE_DIRECTORY, is_bwrun_variable
from bwrun.settings.variable_names import keeps_program_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ALWAYS_KEPT = ("PATH", "HOME", "TERM", "LANG")
OF_A_SESSION = "NODE_EXTRA_CA_CERTS"  # with it, the official CLI trusts the server of an outer bwrun's session
SCHEME = "bw://"


def check_kept(names: Collection[str]) -> None:
    """Check the names of `--keep`. Raises UsageError: bwrun keeps such a variable from every command."""
    for name in names:
        if is_bwrun_variable(name) or name == SERVICE_DIRECTORY:
            raise UsageError(
                "keep", f"`--keep` cannot name {name}: bwrun keeps its credentials and settings from the command",
                f"use `--pass {name}` to leave that variable to the command",
            )  # fmt: skip
        if "=" in name or not name:
            raise UsageError("keep", "`--keep` needs the name of a variable", "set a value with `-e NAME=VALUE`")


def kept_variables(environment: Mapping[str, str], kept: Collection[str], *, for_session: bool) -> dict[str, str]:
    """
    Return those of the caller's variables that are left; `kept` are the names of `--keep` and `--pass`.

    `for_session`: the command gets a session.
    """
    names = {*ALWAYS_KEPT, *kept, *([OF_A_SESSION] if for_session else [])}
    return {name: value for name, value in environment.items() if name in names or _has_reference(name, value)}


def _has_reference(name: str, value: str) -> bool:
    """Return whether the value is a reference, or contains one in braces, so that bwrun replaces it."""
    lower = value.lower()
    if SCHEME not in lower:
        return False
    if lower.removeprefix("@").startswith(SCHEME):
        return True
    parts = [] if keeps_program_text(name) else lower.split("{{")[1:]
    return any(part.lstrip(" \t").startswith(SCHEME) and "}}" in part for part in parts)
