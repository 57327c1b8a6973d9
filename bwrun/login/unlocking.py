"""
Unlocking the vault: log in, then fetch the vault and derive the keys at the same time.

Requests and the key derivation run in threads, which works because both release the GIL. The main thread imports the
modules that are needed next and waits with the deadline, so that nothing can take longer, not even a DNS server that
does not answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bwrun.base.errors import ServerError
from bwrun.base.structs import Struct
from bwrun.base.tasks import Task
from bwrun.cache.waits import Waits
from bwrun.credentials.found import ApiKey, Credentials
from bwrun.crypto.parameters import KeyConnectorData, WrappedAccountKeys
from bwrun.login.access import Access
from bwrun.login.context import LoginContext
from bwrun.login.fetching import AT_ONCE, Fetched, fetch_items, fetch_sync
from bwrun.login.token import Login, device_id, find_account_keys, login_form, read_login
from bwrun.login.user_key import UserKeyUnwrapping
from bwrun.network.client import Client
from bwrun.network.routing import Network
from bwrun.settings.command_line import RUN
from bwrun.settings.config import Config
from bwrun.settings.servers import Server, origin

if TYPE_CHECKING:
    from bwrun.crypto.account_keys import AccountKeys
    from bwrun.network.gateway import Gateway

CONFIG_TIMEOUT = 1.0  # seconds to wait for the server's config when everything else is done
# Not by the server, but by what is in front of it.
TURNED_AWAY = ("server.redirect", "server.not-json", "server.blocked")


class UnlockedVault(Struct):
    """An unlocked vault, with all that a session is made of."""

    api_key: ApiKey
    login: Login
    sync: dict[str, object]  # as the server sent it
    is_whole: bool  # False: only a few items of the vault were fetched
    sync_date: str | None  # the header Date of the sync
    server_config: object  # None: it was not asked for, or did not come in time
    keys: AccountKeys
    wrapped_keys: WrappedAccountKeys  # encrypted, as the server keeps them
    key_connector_url: str | None  # the Key Connector that was asked, if any
    access: Access  # the access token, which a later request may replace
    gateway: Gateway | None  # the client certificate and the headers for the server


def prepare_connections(network: Network, server: Server, count: int) -> None:
    """Begin to open the connections for fetching `count` items at once; the connection of the login is used too."""
    for _ in range(min(count, AT_ONCE) - 1):
        network.expect(server.api)


def unlock_vault(
    config: Config,
    credentials: Credentials,
    context: LoginContext,
    meanwhile: Callable[[], None],
    items: tuple[str, ...],
) -> UnlockedVault:
    """
    Log in, fetch the vault and unlock it.

    `meanwhile` is called while the key derivation runs. `items` are the ids of the items to fetch; if it is empty, the
    whole vault is fetched.

    Raises NetworkError: there is no answer in time; AuthenticationError: the login failed; ServerError: an answer is
    not usable; CryptoError: the master password is wrong, or keys cannot be decrypted.
    """
    unlocking = _Unlocking(config, credentials, context)
    try:
        return unlocking.run(meanwhile, items)
    except ServerError as error:
        if error.code not in TURNED_AWAY:
            raise
        raise unlocking.explain(error) from None


class _Unlocking:
    """The steps of `unlock_vault()`, and the values that they share."""

    def __init__(self, config: Config, credentials: Credentials, context: LoginContext) -> None:
        self._config = config
        self._credentials = credentials
        self._context = context
        self._device = device_id(credentials.api_key.client_id, config.device_id)
        if config.gateway is not None and config.gateway.key_is_encrypted:
            from bwrun.credentials.gateway import read_key_password  # noqa: PLC0415  (few servers have a gateway)

            context.network.open_client_key(read_key_password(config.gateway, config.sources, context.deadline))
        with self._context.timings.phase("import"):
            proxy = context.network.prepare(config.server.identity)
        if proxy is not None:
            self._context.console.step(f"connecting through the proxy {proxy.shown} ({proxy.variable})")
        self._client = Client(
            config.server, context.network, config.client_version, context.deadline, context.console.tell,
            memory=Waits(config.sources.environment, credentials.api_key.client_id, config.server.identity),
        )  # fmt: skip
        self._gateway = context.network.gateway

    def run(self, meanwhile: Callable[[], None], items: tuple[str, ...]) -> UnlockedVault:
        from bwrun.crypto.account_keys import open_account_keys  # noqa: PLC0415

        config = self._config
        if config.jitter and config.mode == RUN:  # somebody waits for what --check and --list print
            from bwrun.login.jitter import wait_at_random  # noqa: PLC0415  (only for --jitter)

            wait_at_random(config.jitter, self._context, self._client)
        self._client.check_waits()
        login, server_config = self._log_in()
        if isinstance(login.unlock, KeyConnectorData) and not (
            config.key_connector_url and login.unlock.wrapped_user_key
        ):
            items = ()  # only the whole sync has the address of the Key Connector, and perhaps the user key
        access = Access(self._client, login, self._device, None if config.device_id else self._log_in_again)
        sync = self._context.start("sync", lambda: _fetch(access, login, items))
        user_key, connector = UserKeyUnwrapping(config, self._credentials, self._context, self._client).unwrap(
            login, access, sync, meanwhile
        )
        fetched = self._context.wait(sync, origin(config.server.api))
        what = f"fetched {len(items)} item(s)" if items else "fetched the vault"
        self._context.console.step(f"{what} from {config.server.api}")
        with self._context.timings.phase("decrypt"):
            wrapped, user_id = find_account_keys(login, fetched.data)
            keys = open_account_keys(user_key, wrapped, user_id)
        return UnlockedVault(
            api_key=self._credentials.api_key,
            login=login,
            sync=fetched.data,
            is_whole=not items,
            sync_date=fetched.date,
            server_config=None if server_config is None else _result_if_ready(server_config),
            keys=keys,
            wrapped_keys=wrapped,
            key_connector_url=connector,
            access=access,
            gateway=self._gateway,
        )

    def explain(self, error: ServerError) -> ServerError:
        """Return the error of an answer that did not come from the server: perhaps the server says what is in front."""
        from bwrun.login.login_cookie import find_login_cookie  # noqa: PLC0415  (only after a failure)

        server_config = _result_if_ready(Task(self._client.get_server_config))
        return find_login_cookie(server_config, self._config.server) or error

    def _log_in(self) -> tuple[Login, Task[object] | None]:
        """Log in; if there will be a session, start to fetch the server's config, which it needs."""
        api_key, server = self._credentials.api_key, self._config.server
        form = login_form(api_key, self._device)
        reply = self._context.start("token", lambda: self._client.post_token(form, api_key.client_secret))
        opens_session = self._config.wants_session and self._config.mode == RUN
        server_config = Task(self._client.get_server_config) if opens_session else None
        with self._context.timings.phase("import"):
            import bwrun.crypto.account_keys  # noqa: F401, PLC0415  (it imports `cryptography`, while the server handles the login)
        login = read_login(self._context.wait(reply, origin(server.identity)), self._credentials, server)
        self._context.console.step(f"logged in to {server.name}" + (f" as {login.email}" if login.email else ""))
        if login.force_password_reset:
            self._context.console.warn(
                "an administrator has reset this account's master password",
                "set a new master password in the web vault",
            )
        return login, server_config

    def _log_in_again(self, device: str) -> Login:
        """Log in as another device, to get an access token that no other run invalidates."""
        self._context.console.step(
            "the server does not accept the access token: logging in as a device of this run's own"
        )
        api_key = self._credentials.api_key
        with self._context.timings.phase("token"):
            answer = self._client.post_token(login_form(api_key, device), api_key.client_secret)
        return read_login(answer, self._credentials, self._config.server)


def _fetch(access: Access, login: Login, items: tuple[str, ...]) -> Fetched:
    if items:
        return fetch_items(access, items, with_profile=login.account_keys.is_partial)
    return fetch_sync(access)


def _result_if_ready(server_config: Task[object]) -> object:
    """Return the server's config, which was asked for long ago; None if it has not come."""
    try:
        return server_config.result(CONFIG_TIMEOUT)
    except TimeoutError:
        return None
