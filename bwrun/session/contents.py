"""What a session contains, whatever the format in which it is stored."""

from __future__ import annotations

from bwrun.base.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bwrun.base.sensitive import Sensitive
    from bwrun.crypto.account_keys import AccountKeys
    from bwrun.crypto.parameters import Kdf, KeyConnectorData, UnlockData, WrappedAccountKeys
    from bwrun.settings.servers import Server


class NoUnlockData(Struct):
    """In place of the data for `bw unlock`, in a session that nobody can unlock again once it is locked."""

    kdf: Kdf  # not used, but the official CLI needs one


class SessionData(Struct):
    """
    The account, its keys, its access token and its vault, as they go into a session.

    `keys` and `wrapped_keys` are the keys that decrypt the vault, and no others: a
    session has no key that is not in here.
    """

    server: Server
    device: str  # the UUID by which the server knows this device
    user_id: str | None  # None: as the profile in `sync` says
    email: str | None  # None: as the profile in `sync` says
    access_token: Sensitive
    api_key: tuple[str, Sensitive] | None  # client_id and client_secret, only with --session-api-key
    unlock: UnlockData | KeyConnectorData | NoUnlockData
    keys: AccountKeys
    wrapped_keys: WrappedAccountKeys
    key_connector_url: str | None
    read_sync: Callable[[], dict[str, object]]  # returns the vault, in the form of a reply to GET /sync
    sync_date: float | None  # the `Date` header of that reply, in seconds since the epoch
    sync_current: float | None  # when `sync` was last known to be current, in seconds since the epoch; None: just now
    server_config: object  # the reply to GET /config, None if there was none
    encoded_vault: bytes | None  # what `encode_vault()` of the format has made of this data; None: it has not yet
    note: Callable[[str], None]  # gets a message, without a value, for each part of the vault that the session lacks

    @property
    def sync(self) -> dict[str, object]:
        """Return the vault, in the form of a reply to GET /sync."""
        return self.read_sync()


class EncodedSession(Struct):
    """A session in the form in which it is stored."""

    bw_session: str  # the value of BW_SESSION, the only thing that decrypts the session's user key
    files: dict[str, list[bytes | memoryview]]  # the files of the session's directory in parts, by name


class HeldVault(Struct):
    """What a session holds of a vault, for a bwrun inside it that resolves references."""

    sync: dict[str, object]  # in the form of a reply to GET /sync
    keys: AccountKeys  # the private key is there only if the session holds organizations
    access_token: Sensitive | None
