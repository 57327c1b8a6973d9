"""
What `--export` prints: the variables that a run would add to the caller's, or change.

These are the variables of -e and --item, those that get their values from references, wherever the references stand,
and the entries of env files that the caller's environment does not have. The session and bwrun's own variables are
never among them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from bwrun.base.errors import FailedReferenceError, UsageError
from bwrun.base.structs import Struct
from bwrun.command.environment import command_environment
from bwrun.injection.resolving import ResolvedSecrets, set_variables
from bwrun.settings.config import Config
from bwrun.settings.sources import SESSION_VARIABLES, is_bwrun_variable

FILE_PREFIX = b"@bw://"
HINT = "use `bwrun -- COMMAND`, which removes it when the command ends"


class Exported(Struct):
    """The variables for the caller."""

    values: dict[str, bytes]  # by name, in alphabetical order
    unset: tuple[str, ...]  # of --optional: the caller has them, and the command would not


def refused_for_export(config: Config, environment: Mapping[bytes, bytes]) -> list[FailedReferenceError]:
    """Return the errors of what is more than a value: nobody would remove such a file or end the ssh-agent."""
    labels = [(os.fsdecode(name), "a file") for name, value in environment.items() if _asks_for_file(value)]
    labels += [(f"--template {option}", "a file") for option in config.templates]
    labels += [(f"--ssh-key {option}", "an ssh-agent") for option in config.ssh_keys]
    return [
        FailedReferenceError(
            label, UsageError("export-file", f"`--export` prints values only, and this asks for {what}", HINT)
        )
        for label, what in labels
    ]


def _asks_for_file(value: bytes) -> bool:
    return value[: len(FILE_PREFIX)].lower() == FILE_PREFIX


def exported_variables(config: Config, resolved: ResolvedSecrets | None) -> Exported:
    """Return what `--export` prints; `resolved` has the values from the vault, None if there are none."""
    environment = command_environment(config.sources, config.passed, config.assignments, {})
    values: Mapping[str, bytes | None] = {}
    if resolved is not None:
        set_variables(environment, resolved, {})
        values = resolved.values
    inherited = config.sources.inherited
    made = {os.fsdecode(name): value for name, value in environment.items()}
    found = {
        name: value
        for name, value in sorted(made.items())
        if (name not in inherited or name in config.assignments or name in values) and not _is_bwruns(name)
    }
    unset = sorted(name for name, value in values.items() if value is None and name in inherited)
    return Exported(found, tuple(unset))


def _is_bwruns(name: str) -> bool:
    return is_bwrun_variable(name) or name in SESSION_VARIABLES
