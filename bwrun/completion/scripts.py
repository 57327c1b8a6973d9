"""The completion script that `--completion` prints."""

from __future__ import annotations

import importlib.resources

from bwrun.base.errors import UsageError

# The file of each shell, below `data/`. The wheel installs them under the same names, where the shells look for them.
SCRIPTS = {
    "bash": "share/bash-completion/completions/bwrun",
    "zsh": "share/zsh/site-functions/_bwrun",
    "fish": "share/fish/vendor_completions.d/bwrun.fish",
}


def script_for(shell: str) -> str:
    """
    Return the completion script for `shell`.

    Raises UsageError: there is none for this shell.
    """
    if shell not in SCRIPTS:
        names = ", ".join(f"`{name}`" for name in SCRIPTS)
        raise UsageError("completion", "`--completion` does not know this shell", f"use one of {names}")
    # Not `open()`: the package may be in a zip file.
    return importlib.resources.files("bwrun").joinpath("completion", "data", SCRIPTS[shell]).read_text("utf-8")
