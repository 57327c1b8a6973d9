"""The name of the profile that a call chooses, under which `--login` keeps its credentials."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.settings.command_line import Options

DEFAULT_PROFILE = "default"


def profile_name(options: Options, environment: Mapping[str, str]) -> str:
    """Return the name that `--profile` gives, or else BWRUN_PROFILE; `default` if neither is set."""
    return options.values.get("profile") or environment.get("BWRUN_PROFILE") or DEFAULT_PROFILE
