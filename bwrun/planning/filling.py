"""Filling the command's environment with the values from the vault."""

from __future__ import annotations

from bwrun.base.console import Console
from bwrun.injection.resolving import ResolvedSecrets, set_variables
from bwrun.session.files import write_files
from bwrun.system.common import IS_LINUX


def add_secrets(
    environment: dict[bytes, bytes], resolved: ResolvedSecrets, directory: str, console: Console, *, chosen: bool
) -> None:
    """
    Write the files with secrets into `directory`, and set the variables of all secrets in `environment`.

    Outside Linux, nobody knows whether a directory is in RAM. `chosen` says that the user chose it, with
    BWRUN_RUNTIME_DIR; otherwise a warning is printed.
    """
    if resolved.files and not IS_LINUX and not chosen:
        console.warn(
            "the files with secrets may be on a disk, in clear, until the command ends",
            "set BWRUN_RUNTIME_DIR to a directory of yours on a RAM disk, or to any other, if a disk is good enough",
        )
    set_variables(environment, resolved, write_files(directory, resolved.files))
