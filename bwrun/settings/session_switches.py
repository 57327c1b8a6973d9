"""The switches that need a session of the whole vault."""

from __future__ import annotations

from bwrun.base.errors import UsageError
from bwrun.settings.values import Settings

SWITCHES = ("session-api-key", "renew")


def is_on_for_session(settings: Settings, name: str, *, limited: bool) -> bool:
    """Return whether a switch that needs a whole session is on. One in config.toml is, if there is such a session."""
    has_session = not limited and not settings.flag("no-session")
    return settings.flag(name) and (has_session or not settings.is_in_config_file(name))


def check_conflicts(settings: Settings, *, limited: bool) -> None:
    """Check that no switch that needs a whole session is on without one. Raises UsageError."""
    needing = [name for name in SWITCHES if is_on_for_session(settings, name, limited=limited)]
    if needing and settings.flag("no-session"):
        pair = f"`--no-session` and `--{needing[0]}`"
        raise UsageError("conflict", f"{pair} cannot be used together", "leave out one of them")
    if needing and limited:
        raise UsageError(
            "conflict", f"`--only` and `--{needing[0]}` cannot be used together",
            "leave out one of them: a session with `--only` can never ask the server for the rest of the vault",
        )  # fmt: skip
