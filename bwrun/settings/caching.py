"""The settings of the cache: how long it lasts, when the server is asked, and where it is."""

from __future__ import annotations

from bwrun.base.errors import ConfigError, UsageError
from bwrun.base.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bwrun.settings.sources import SettingValue

DEFAULT_LIFETIME = 3600.0  # seconds
MAX_LIFETIME = 30 * 86_400.0  # seconds
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}  # seconds
ON, OFF = ("on", "1", "true", "yes"), ("off", "0", "false", "no")
AUTO, ALWAYS = "auto", "always"  # the values of --offline


class CacheSettings(Struct):
    """The settings of a run with --cache."""

    lifetime: float  # seconds for which a vault in the cache may be used
    max_age: float  # seconds after the last question for which the server is not asked whether the vault is current
    offline: str | None  # AUTO, ALWAYS or None
    directory: str | None  # BWRUN_CACHE_DIR

    @property
    def may_ask_nothing(self) -> bool:
        """Return whether the run may do without any request."""
        return self.max_age > 0 or self.offline == ALWAYS


def read_cache_settings(find: Callable[[str], SettingValue | None], directory: str | None) -> CacheSettings | None:
    """
    Return the settings of the cache, None if it is off.

    `find` returns the value of an option or of its variable; `directory` is that of BWRUN_CACHE_DIR.

    Raises ConfigError: a value is wrong; UsageError: an option needs --cache.
    """
    given = find("cache")
    lifetime = None if given is None else _lifetime(given)
    max_age, offline = find("max-age"), find("offline")
    mode = None if offline is None else _offline(offline)
    if lifetime is None:
        for name, found in (("max-age", max_age), ("offline", offline)):
            if found is not None and (name, mode) != ("offline", None) and not found.key:  # in config.toml: if it is on
                raise UsageError("conflict", f"`--{name}` needs `--cache`", "add `--cache`, or leave it out")
        return None
    return CacheSettings(
        lifetime=lifetime,
        max_age=0.0 if max_age is None else _max_age(max_age),
        offline=mode,
        directory=directory or None,
    )


def _lifetime(found: SettingValue) -> float | None:
    text = found.value.strip().lower()
    if text in ON:
        return DEFAULT_LIFETIME
    if text in OFF:
        return None
    number, unit = text[:-1], text[-1:]
    if unit in UNITS and number.isascii() and number.isdigit() and len(number) < 9:
        seconds = float(number) * UNITS[unit]
        if 0 < seconds <= MAX_LIFETIME:
            return seconds
    raise ConfigError(
        "cache", f"the value of cache from {found.place} is not a time of at most 30 days",
        "write a number and a unit, for example 90s, 15m, 8h or 7d",
    )  # fmt: skip


def _max_age(found: SettingValue) -> float:
    text = found.value.strip()
    number = text.removesuffix("s")
    if number.isascii() and number.isdigit() and len(number) < 9:
        return float(number)
    raise ConfigError("max-age", f"the value of max-age from {found.place} is not a number of seconds")


def _offline(found: SettingValue) -> str | None:
    text = found.value.strip().lower()
    if text in OFF:
        return None
    if text in (AUTO, ALWAYS, *ON):
        return ALWAYS if text == ALWAYS else AUTO
    raise ConfigError("offline", f"the value of offline from {found.place} is neither `auto` nor `always`")
