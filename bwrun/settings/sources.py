"""
Where a setting or a credential comes from, and who wins.

An option, then the environment, then env files (a later one over an earlier).
A `.env` that was found, not named, is trusted with little: a strange checkout
must not send somebody's key to a strange server, nor run a command of its own.
It may set the credentials themselves, variables for the command, and the
server's addresses if the client secret comes from that very file.

An empty value counts as not set.
"""

from __future__ import annotations

from bwrun.base.structs import Struct
from bwrun.settings.env_files import EnvFile

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CREDENTIALS = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
CREDENTIAL_FILES = tuple(f"{name}_FILE" for name in CREDENTIALS)
SERVER_SETTINGS = ("BWRUN_SERVER", "BWRUN_IDENTITY_URL", "BWRUN_API_URL", "BWRUN_KEY_CONNECTOR_URL")
SESSION_VARIABLES = ("BW_SESSION", "BITWARDENCLI_APPDATA_DIR")
AGENT_VARIABLE = "SSH_AUTH_SOCK"  # what --ssh-key sets
PREFIX = "BWRUN_"
ENVIRONMENT = "the environment"


class Found(Struct):
    """A value and where it was found."""

    value: str
    place: str
    file: EnvFile | None = None


def is_own(name: str) -> bool:
    """Return whether a variable is bwrun's: a credential, the path of one, or a setting."""
    return name in CREDENTIALS or name in CREDENTIAL_FILES or name.startswith(PREFIX)


class Sources:
    """The environment and the env files of one run."""

    def __init__(self, environment: Mapping[str, str], files: Sequence[EnvFile]) -> None:
        """Take the caller's environment and the env files in the order they were named."""
        self.environment = environment
        self.files = files

    def find(self, name: str) -> Found | None:
        """Return the value of a setting or credential that wins, from a place that is trusted with it."""
        found = self.in_environment(name)
        if found is not None:
            return found
        for file in reversed(self.files):
            found = self.in_file(file, name)
            if found is not None and not self._is_mistrusted(file, name):
                return found
        return None

    def in_environment(self, name: str) -> Found | None:
        """Return what the environment says of `name`."""
        value = self.environment.get(name)
        return Found(value, ENVIRONMENT) if value else None

    def in_file(self, file: EnvFile, name: str) -> Found | None:
        """Return what one env file says of `name`, if it is trusted with such a name at all."""
        value = file.values.get(name)
        if not value or (file.automatic and is_own(name) and name not in CREDENTIALS + SERVER_SETTINGS):
            return None
        return Found(value, file.place(name), file)

    def mistrusted(self) -> list[str]:
        """Return the settings of the automatic env file that do not count, for a warning."""
        return [
            name
            for file in self.files
            for name, value in file.values.items()
            if value and is_own(name) and self._is_mistrusted(file, name)
        ]

    def variables(self) -> dict[str, str]:
        """Return what the env files hold for the command: all entries that are not bwrun's own."""
        return {name: value for file in self.files for name, value in file.values.items() if not is_own(name)}

    def own(self) -> dict[str, str]:
        """Return bwrun's own entries, as the command may get them by `--pass`."""
        names = [name for file in self.files for name in file.values if is_own(name)]
        return {name: found.value for name in names if (found := self.find(name)) is not None}

    def _is_mistrusted(self, file: EnvFile, name: str) -> bool:
        if not file.automatic or name in CREDENTIALS:
            return False
        if name not in SERVER_SETTINGS:
            return True
        secret_elsewhere = (
            self.in_environment("BW_CLIENTSECRET") or self.in_environment("BW_CLIENTSECRET_FILE")
        ) is not None
        return secret_elsewhere or not file.values.get("BW_CLIENTSECRET")
