"""Options that have no meaning in the modes that only print values, and are refused there."""

from __future__ import annotations

from bwrun.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OF_A_COMMAND = ("template", "ssh-key", "only", "clean-env", "keep", "pass", "json")
MISFITS = {"get": (*OF_A_COMMAND, "env", "item", "optional"), "export": OF_A_COMMAND}  # by mode


def check_misfits(mode: str, given: Iterable[str]) -> None:
    """Check the names of the options that were `given`. Raises UsageError: one of them has no meaning in this mode."""
    for name in given:
        if name in MISFITS[mode]:
            raise UsageError("conflict", f"`--{name}` cannot be used with `--{mode}`", "leave out one of them")
