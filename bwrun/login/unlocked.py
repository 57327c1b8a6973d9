"""An unlocked vault."""

from __future__ import annotations

from bwrun.base.structs import Struct
from bwrun.login.fetching import Fetched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bwrun.credentials.found import ApiKey
    from bwrun.crypto.account_keys import AccountKeys
    from bwrun.crypto.parameters import WrappedAccountKeys
    from bwrun.login.access import Access
    from bwrun.login.token import Login
    from bwrun.network.gateway import Gateway


class Purpose(Struct):
    """What a run needs the vault for."""

    items: tuple[str, ...]  # the ids of the items that are all that is needed; empty: the whole vault
    needs_sync: bool  # False: a session that holds the whole vault is all that is needed
    encode: Callable[[UnlockedVault], bytes] | None  # returns the vault as sessions hold it; None: no session is opened


class UnlockedVault(Struct):
    """An unlocked vault, with all that a session is made of."""

    api_key: ApiKey
    login: Login
    fetched: Fetched
    is_whole: bool  # False: only a few items of the vault were fetched
    server_config: object  # None: it was not asked for, or did not come in time
    keys: AccountKeys
    wrapped_keys: WrappedAccountKeys  # encrypted, as the server keeps them
    user_id: str | None
    key_connector_url: str | None  # the Key Connector that was asked, or would be
    access: Access  # the access token, which a later request may replace
    gateway: Gateway | None  # the client certificate and the headers for the server
    encoded: bytes | None = None  # the vault as sessions hold it, if that is known (session/formats.py)
    cached: str | None = None  # how old the vault in the cache is that was used, in words

    @property
    def sync(self) -> dict[str, object]:
        """Return the reply to the sync, as the server sent it."""
        return self.fetched.data
