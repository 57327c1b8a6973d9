"""As which device and as which client bwrun presents itself to the server."""

from __future__ import annotations

from bwrun.base.errors import ConfigError
from bwrun.settings.sources import Found

HEX_DIGITS = set("0123456789abcdef")

# Sent as Bitwarden-Client-Version. The servers refuse logins without one, hide item types from old ones, and
# support clients of about the last five months (protocol notes 1.3; bitwarden/server:ClientVersionValidator.cs).
CLIENT_VERSION = "2026.9.0"


def find_device_id(found: Found | None) -> str | None:
    """
    Return the device identifier that was chosen, in lower case, None if none was.

    Raises ConfigError: it is not a UUID.
    """
    if found is None:
        return None
    if not is_uuid(found.value):
        raise ConfigError("device-id", f"BWRUN_DEVICE_ID from {found.place} is not a UUID")
    return found.value.lower()


def is_uuid(text: str) -> bool:
    """Return whether `text` is a UUID in its usual form, in either case."""
    groups = text.split("-")
    return [len(group) for group in groups] == [8, 4, 4, 4, 12] and set("".join(groups).lower()) <= HEX_DIGITS


def find_client_version(found: Found | None) -> str:
    """
    Return the client version that was chosen, else the default.

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
            "client-version", f"BWRUN_CLIENT_VERSION from {found.place} is not a version",
            f"write it like {CLIENT_VERSION}",
        )  # fmt: skip
    return found.value
