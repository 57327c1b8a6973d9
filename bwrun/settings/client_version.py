"""BWRUN_CLIENT_VERSION: what the server is told instead of the version that bwrun was made for."""

from __future__ import annotations

from bwrun.base.errors import ConfigError
from bwrun.settings.sources import Found


def checked_client_version(found: Found, example: str) -> str:
    """Return the version. Raises ConfigError: it has another form than `example`."""
    year, month, patch = (*found.value.split("."), "", "", "")[:3]
    numbers = f"{year}{month}{patch}"
    if (
        found.value != f"{year}.{month}.{patch}" or not (numbers.isascii() and numbers.isdigit())
        or len(year) != 4 or len(month) not in (1, 2) or len(patch) not in (1, 2, 3)
    ):  # fmt: skip
        raise ConfigError(
            "client-version", f"BWRUN_CLIENT_VERSION from {found.place} is not a version",
            f"write it like {example}",
        )  # fmt: skip
    return found.value
