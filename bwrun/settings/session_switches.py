"""The switches that need a session of the whole vault, where there may be none."""

from __future__ import annotations

from bwrun.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bwrun.settings.values import Settings


def usable_switches(names: Sequence[str], settings: Settings, *, limited: bool) -> frozenset[str]:
    """
    Return those of the switches `names`, which are on, that can be used; `limited`: the session is one of --only.

    Without a whole session, one in config.toml, which is for all runs, is left out.

    Raises UsageError: another one is on without a whole session.
    """
    no_session = settings.flag("no-session")
    if not limited and not no_session:
        return frozenset(names)
    needing = [name for name in names if not settings.is_in_config_file(name)]
    if not needing:
        return frozenset()
    if no_session:
        pair = f"`--no-session` and `--{needing[0]}`"
        raise UsageError("conflict", f"{pair} cannot be used together", "leave out one of them")
    raise UsageError(
        "conflict", f"`--only` and `--{needing[0]}` cannot be used together",
        "leave out one of them: a session with `--only` can never ask the server for the rest of the vault",
    )  # fmt: skip
