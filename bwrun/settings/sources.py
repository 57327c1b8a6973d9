"""
Where settings and credentials come from, and which place wins.

An option wins over the environment, the environment over the env files, a later env file over an earlier one. An empty
value counts as not set. Credentials can also be files in $CREDENTIALS_DIRECTORY, which comes after the environment.

The default `.env`, which bwrun finds by itself, is trusted only with:

- the credentials
- variables for the command
- the addresses of the server and of the Key Connector, if the client secret comes from the same file
- `BWRUN_ONLY`, which can only make a session smaller

Otherwise a `.env` in somebody else's checkout could send the user's API key to another server, or make bwrun run a
program.
"""

from __future__ import annotations

import os

from bwrun.base.structs import Struct
from bwrun.settings.env_files import EnvFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CREDENTIALS = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
CREDENTIAL_FILES = tuple(f"{name}_FILE" for name in CREDENTIALS)
USER_KEY, USER_KEY_FILE = "BWRUN_USER_KEY", "BWRUN_USER_KEY_FILE"  # a credential too, in place of BW_PASSWORD
SECRET_VARIABLES = ("BW_CLIENTSECRET", "BW_CLIENTSECRET_FILE", "BWRUN_CLIENTSECRET_COMMAND")
# systemd's LoadCredential= sets this variable to a directory with one file for each credential (systemd.exec(5)).
SERVICE_DIRECTORY = "CREDENTIALS_DIRECTORY"
SERVICE_FILES = {
    "BW_CLIENTID": "bw_clientid",
    "BW_CLIENTSECRET": "bw_clientsecret",
    "BW_PASSWORD": "bw_password",
    USER_KEY: "bwrun_user_key",
}
SERVER_SETTINGS = ("BWRUN_SERVER", "BWRUN_IDENTITY_URL", "BWRUN_API_URL", "BWRUN_KEY_CONNECTOR_URL")
NARROWING_SETTINGS = ("BWRUN_ONLY",)  # they only make a session smaller
SESSION_VARIABLES = ("BW_SESSION", "BITWARDENCLI_APPDATA_DIR")
AGENT_VARIABLE = "SSH_AUTH_SOCK"  # what --ssh-key sets
PREFIX = "BWRUN_"
MAY_BE_FOUND = (
    *CREDENTIALS,
    USER_KEY,
    *SERVER_SETTINGS,
    *NARROWING_SETTINGS,
)  # the others count only in a file that was named
ENVIRONMENT = "the environment"


class SettingValue(Struct):
    """The value of a setting or credential, and where it was found."""

    value: str
    place: str  # for messages: "the environment", an option, or file and line
    file: EnvFile | None = None  # None: it is not from an env file
    name: str = ""  # of the variable, if it is from one


def variable_name(option: str) -> str:
    """Return the name of the variable that sets the same as `--option`, e.g. BWRUN_CA_FILE for `ca-file`."""
    return PREFIX + option.upper().replace("-", "_")


def is_bwrun_variable(name: str) -> bool:
    """Return whether `name` is a variable for bwrun and not for the command: a credential, its file, or a setting."""
    return name in CREDENTIALS or name in CREDENTIAL_FILES or name.startswith(PREFIX)


class Sources:
    """The environment and the env files of one run."""

    def __init__(
        self, environment: Mapping[str, str], files: Sequence[EnvFile], *, secret_by_option: bool = False
    ) -> None:
        """
        Take the caller's environment, and the env files in the order in which they were named.

        `secret_by_option` says whether an option gives the client secret.
        """
        self.environment = environment
        self._secret_by_option = secret_by_option
        self.inherited = environment  # the caller's variables for the command; `--clean-env` makes them fewer
        self.files = files

    def find(self, name: str) -> SettingValue | None:
        """Return the value of a setting or credential from the first place that has it and is trusted with it."""
        found = self.in_environment(name)
        if found is not None:
            return found
        for file in reversed(self.files):
            found = self.in_file(file, name)
            if found is not None and not self._is_untrusted(file, name):
                return found
        return None

    def in_environment(self, name: str) -> SettingValue | None:
        """Return the value of `name` in the environment."""
        value = self.environment.get(name)
        return SettingValue(value, ENVIRONMENT, None, name) if value else None

    def in_service_directory(self, name: str) -> SettingValue | None:
        """Return the path of the file with the credential `name` in $CREDENTIALS_DIRECTORY, named NAME_FILE."""
        directory = self.environment.get(SERVICE_DIRECTORY)
        if not directory:
            return None
        path = os.path.join(directory, SERVICE_FILES[name])
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError:
            pass  # reading the file reports the error
        return SettingValue(path, SERVICE_DIRECTORY, None, f"{name}_FILE")

    def is_withheld(self, name: str) -> bool:
        """Return whether the command does not get the variable `name`, unless `--pass` names it."""
        if name == SERVICE_DIRECTORY:
            return any(self.in_service_directory(one) is not None for one in SERVICE_FILES)
        return is_bwrun_variable(name)

    def sets_secret_first(self) -> bool:
        """Return whether the client secret is set in a place that wins over all env files."""
        return (
            self._secret_by_option
            or any(self.in_environment(name) is not None for name in SECRET_VARIABLES)
            or self.in_service_directory("BW_CLIENTSECRET") is not None
        )

    def in_file(self, file: EnvFile, name: str) -> SettingValue | None:
        """Return the value of `name` in one env file; None also if the file is never trusted with that name."""
        value = file.values.get(name)
        if not value or (file.is_default and is_bwrun_variable(name) and name not in MAY_BE_FOUND):
            return None
        return SettingValue(value, file.place(name), file, name)

    def untrusted_settings(self) -> list[str]:
        """Return the settings in the default env file that are ignored, for warnings."""
        return [
            name
            for file in self.files
            for name, value in file.values.items()
            if value and is_bwrun_variable(name) and self._is_untrusted(file, name)
        ]

    def untrusted_server(self) -> str | None:
        """Return where the default `.env` names a server that it may not name; None if it does not."""
        for file in self.files:
            for name in file.values:
                if name in SERVER_SETTINGS[:3] and file.values[name] and self._is_untrusted(file, name):
                    return f"{name} in {file.place(name)}"
        return None

    def command_variables(self) -> dict[str, str]:
        """Return the entries of the env files that are for the command."""
        return {
            name: value for file in self.files for name, value in file.values.items() if not is_bwrun_variable(name)
        }

    def bwrun_variables(self) -> dict[str, str]:
        """Return the entries of the env files that are for bwrun; the command may get them by `--pass`."""
        names = [name for file in self.files for name in file.values if is_bwrun_variable(name)]
        return {name: found.value for name in names if (found := self.find(name)) is not None}

    def _is_untrusted(self, file: EnvFile, name: str) -> bool:
        if not file.is_default or name in (*CREDENTIALS, USER_KEY, *NARROWING_SETTINGS):
            return False
        if name not in SERVER_SETTINGS:
            return True
        return self.sets_secret_first() or not file.values.get("BW_CLIENTSECRET")
