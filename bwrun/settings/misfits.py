"""Options that have no meaning in the modes that only print values, and are refused there."""

from __future__ import annotations

from bwrun.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

EXPORT_FORMATS = ("dotenv", "shell", "json", "docker", "github-env")
OF_A_COMMAND = ("template", "ssh-key", "only", "clean-env", "keep", "pass", "json", "renew", "session-api-key")
MISFITS = {"get": (*OF_A_COMMAND, "env", "item", "optional"), "export": OF_A_COMMAND}  # by mode


def check_misfits(mode: str, given: Iterable[str], form: str, *, has_command: bool) -> None:
    """
    Check the names of the options that were `given`, the format `form` of --export, and that this one has no command.

    Raises UsageError: an option has no meaning in this mode, there is no such format, or there is a command.
    """
    if mode == "export":
        if form not in EXPORT_FORMATS:
            names = ", ".join(f"`{name}`" for name in EXPORT_FORMATS)
            raise UsageError("export", "`--export` does not know this format", f"use one of {names}")
        if has_command:
            hint = "leave out the command, or run it with `bwrun -- COMMAND`"
            raise UsageError("conflict", "`--export` takes no command", hint)
    for name in given:
        if name in MISFITS[mode]:
            raise UsageError("conflict", f"`--{name}` cannot be used with `--{mode}`", "leave out one of them")
