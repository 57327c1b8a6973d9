"""Finding the values of settings, and reading those that are numbers, names or lines."""

from __future__ import annotations

from bwrun.base.errors import ConfigError
from bwrun.settings.command_line import Options
from bwrun.settings.sources import SettingValue, Sources, variable_name

MAX_TIMEOUT = 24 * 3600.0  # seconds


class Settings:
    """Finds the value of a setting: of the option, or else BWRUN_LONG_OPTION, or else the key in config.toml."""

    def __init__(self, options: Options, sources: Sources) -> None:
        """Take the command line and the other places."""
        self._options = options
        self._sources = sources

    def found(self, name: str) -> SettingValue | None:
        """Return the value of the option `name`, written without `--`, from the first place that has it."""
        if name in self._options.values:
            return SettingValue(self._options.values[name], f"--{name}")
        return self._sources.find(variable_name(name))

    def called(self, name: str, found: SettingValue | None) -> str:
        """Return what messages call a setting: its option, or its variable and where that stands."""
        if found is None or name in self._options.values:
            return f"`--{name}`"
        return found.called

    def places(self) -> tuple[str, ...]:
        """Return what messages call the three settings of the server."""
        return tuple(self.called(name, self.found(name)) for name in ("server", "identity-url", "api-url"))

    def flag(self, name: str) -> bool:
        """Return whether an option without a value is on. Raises ConfigError: its variable is neither on nor off."""
        if name in self._options.flags:
            return True
        found = self._sources.find(variable_name(name))
        if found is None or found.value.lower() in ("0", "false", "no", "off"):
            return False
        if found.value.lower() in ("1", "true", "yes", "on"):
            return True
        raise ConfigError("flag", f"{found.called} is neither on nor off", "set it to 1 or 0")

    def is_in_config_file(self, name: str) -> bool:
        """Return whether config.toml alone turns an option on, so that it is a wish for all runs."""
        if name in self._options.flags or name in self._options.lists:
            return False
        found = self._sources.find(variable_name(name))
        return found is not None and bool(found.key)


def seconds_of(found: SettingValue | None, what: str, *, can_be_zero: bool = False) -> float | None:
    """
    Return a number of seconds, which may be broken; `what` is the option, for messages.

    Raises ConfigError: it is not a number above 0, or from 0 on, and up to a day.
    """
    if found is None:
        return None
    try:
        seconds = float(found.value)
    except ValueError:
        seconds = -1.0
    if not (0 < seconds <= MAX_TIMEOUT or (can_be_zero and seconds == 0)):
        allowed = f"{'from 0 to' if can_be_zero else 'above 0 and at most'} {MAX_TIMEOUT:.0f}"
        raise ConfigError(what, f"the value of {what} from {found.place} is not a number of seconds {allowed}")
    return seconds


def repeatable(options: Options, sources: Sources, option: str) -> tuple[str, ...]:
    """Return the values of a repeatable option; if it is not given, the value of its variable."""
    found = sources.find(variable_name(option))
    if found is not None and found.parts is not None:
        return tuple(options.lists.get(option) or found.parts)
    return tuple(options.lists.get(option) or ([found.value] if found is not None else []))


def lines_of(options: Options, sources: Sources, option: str) -> tuple[str, ...]:
    """Return the values of a repeatable option; if it is not given, the lines of its variable."""
    found = sources.find(variable_name(option))
    given = () if found is None else found.value.splitlines() if found.parts is None else found.parts
    lines = [line.strip() for line in given]
    return tuple(options.lists.get(option) or filter(None, lines))


def names_of(options: Options, sources: Sources, option: str) -> frozenset[str]:
    """Return the names that a repeatable option gives, or else its variable, where spaces or commas separate them."""
    found = sources.find(variable_name(option))
    text = found.value if found is not None else ""
    parts = text.replace(",", " ").split() if found is None or found.parts is None else found.parts
    return frozenset(options.lists.get(option) or parts)
