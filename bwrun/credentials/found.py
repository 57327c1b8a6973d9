"""What is found: a secret and the place it came from, a personal API key, and all credentials of a run."""

from __future__ import annotations

from bwrun.base.console import WarningMessage
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PROMPT = "the prompt"  # the place of what was typed


class Secret(Struct):
    """A credential and the place it came from."""

    value: Sensitive
    place: str  # for messages
    doubts: tuple[str, ...] = ()  # hints for the case that it is refused
    warnings: tuple[WarningMessage, ...] = ()


class ApiKey(Struct):
    """A personal API key: a client id of the form `user.UUID`, and its secret."""

    client_id: str
    client_secret: Sensitive


class Credentials(Struct):
    """A personal API key, what opens the vault of its account, and where each came from, for messages."""

    api_key: ApiKey
    master_password: Sensitive | None  # None: there is a user key, or --key-connector-url
    client_id_place: str
    client_secret_place: str
    master_password_place: str
    doubts: Mapping[str, tuple[str, ...]] = {}
    warnings: tuple[WarningMessage, ...] = ()
    user_key: Sensitive | None = None  # encoded, in place of the master password
    user_key_place: str = ""

    @property
    def place_of_each(self) -> dict[str, str | None]:
        """Return where each came from, None for those that there are not."""
        return {
            "client_id": self.client_id_place,
            "client_secret": self.client_secret_place,
            "master_password": self.master_password_place or None,
            "user_key": self.user_key_place or None,
        }

    @property
    def places(self) -> str:
        """Say where each came from, for messages."""
        if self.user_key is not None:
            opener = f"user key from {self.user_key_place}"
        elif self.master_password_place:
            opener = f"master password from {self.master_password_place}"
        else:
            opener = "no master password"
        return f"client_id from {self.client_id_place}, client_secret from {self.client_secret_place}, {opener}"
