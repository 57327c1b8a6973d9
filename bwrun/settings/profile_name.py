"""The name of the profile that a call chooses, under which `--login` keeps its credentials."""

from __future__ import annotations

from bwrun.base.errors import ConfigError

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.settings.command_line import Options

DEFAULT_PROFILE = "default"


def profile_name(options: Options, environment: Mapping[str, str]) -> str:
    """
    Return the name that `--profile` gives, or else BWRUN_PROFILE; `default` if neither is set.

    Raises ConfigError: `--profile` is empty.
    """
    given = options.values.get("profile")
    return environment.get("BWRUN_PROFILE") or DEFAULT_PROFILE if given is None else checked_profile(given)


def checked_profile(name: str) -> str:
    """Return the name of a profile. Raises ConfigError: it is empty, as from a variable of a script that is not set."""
    if not name:
        raise ConfigError("profile", "`--profile` is empty", "name a profile, or leave out `--profile`")
    return name
