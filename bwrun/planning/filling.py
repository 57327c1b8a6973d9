"""Filling the command's environment with the values from the vault."""

from __future__ import annotations

from bwrun.injection.resolving import ResolvedSecrets, set_variables
from bwrun.session.files import write_files


def add_secrets(environment: dict[bytes, bytes], resolved: ResolvedSecrets, directory: str) -> None:
    """Write the files with secrets into `directory`, and set the variables of all secrets in `environment`."""
    set_variables(environment, resolved, write_files(directory, resolved.files))
