"""How bwrun presents itself to the server: as which device, and as which version of a client."""

from __future__ import annotations

from bwrun.base.errors import ConfigError
from bwrun.settings.sources import SettingValue

HEX_DIGITS = set("0123456789abcdef")

# Sent in the header Bitwarden-Client-Version. Servers refuse a login without it, hide item types from old versions,
# and support versions of about the last five months (protocol notes 1.3; bitwarden/server:ClientVersionValidator.cs).
CLIENT_VERSION = "2026.9.0"


def find_device_id(found: SettingValue | None) -> str | None:
    """
    Return the device identifier of the setting in lower case, or None if it is not set.

    Raises ConfigError: it is not a UUID.
    """
    if found is None:
        return None
    if not is_uuid(found.value):
        raise ConfigError("device-id", f"{found.called} is not a UUID")
    return found.value.lower()


def is_uuid(text: str) -> bool:
    """Return whether `text` is a UUID in the form 8-4-4-4-12, in upper or lower case."""
    groups = text.split("-")
    return [len(group) for group in groups] == [8, 4, 4, 4, 12] and set("".join(groups).lower()) <= HEX_DIGITS


def find_client_version(found: SettingValue | None) -> str:
    """
    Return the client version of the setting, or the default if it is not set.

    Raises ConfigError: it is not of the form 2026.9.0.
    """
    if found is None:
        return CLIENT_VERSION
    year, month, patch = (*found.value.split("."), "", "", "")[:3]
    numbers = f"{year}{month}{patch}"
    if (
        found.value != f"{year}.{month}.{patch}" or not (numbers.isascii() and numbers.isdigit())
        or len(year) != 4 or len(month) not in (1, 2) or len(patch) not in (1, 2, 3)
    ):  # fmt: skip
        raise ConfigError(
            "client-version", f"{found.called} is not a version",
            f"write it like {CLIENT_VERSION}",
        )  # fmt: skip
    return found.value
