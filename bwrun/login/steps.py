"""
The steps of unlocking a vault: logging in, fetching the vault, opening the keys.

Requests and the key derivation run in threads, which works because both release the GIL. The main thread imports the
modules that are needed next and waits with the deadline, so that nothing can take longer, not even a DNS server that
does not answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bwrun.base.errors import AuthenticationError
from bwrun.base.tasks import Task
from bwrun.credentials.found import PROMPT, ApiKey, Credentials
from bwrun.login.access import Access
from bwrun.login.context import LoginContext
from bwrun.login.fetching import Fetched, fetch_items, fetch_sync
from bwrun.login.token import Login, device_id, find_account_keys, login_form, read_login
from bwrun.login.unlocked import UnlockedVault
from bwrun.login.user_key import MAX_ATTEMPTS, UserKeyUnwrapping
from bwrun.settings.config import Config
from bwrun.settings.option_names import RUN
from bwrun.settings.servers import origin

if TYPE_CHECKING:
    from bwrun.base.sensitive import Sensitive
    from bwrun.crypto.parameters import WrappedAccountKeys
    from bwrun.crypto.vault_key import VaultKey
    from bwrun.network.answer import Answer
    from bwrun.network.client import Client

CONFIG_TIMEOUT = 1.0  # seconds to wait for the server's config when everything else is done


class UnlockingSteps:
    """The steps, and the values that they share."""

    def __init__(self, config: Config, credentials: Credentials, context: LoginContext) -> None:
        """Send nothing yet, and import nothing for it."""
        self.config = config
        self.credentials = credentials
        self.context = context
        self.device = device_id(credentials.api_key.client_id, config.device_id)
        self.retyped: Sensitive | None = None  # the right master password, if a wrong one was typed first
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """Return the client for all requests. The first call opens the network, after the wait of `--jitter`."""
        if self._client is None:
            self._client = self._make_client()
        return self._client

    def log_in(self, *, needs_config: bool = False) -> tuple[Login, Answer, Task[object] | None]:
        """
        Log in. Return the login, the server's answer, and the request for the server's config that was begun.

        That is begun if there will be a session, which needs it, or if the caller `needs_config`.

        Raises NetworkError, AuthenticationError, ServerError.
        """
        server, client = self.config.server, self.client
        client.check_waits()
        reply = self._send_login()
        opens_session = self.config.wants_session and self.config.mode == RUN
        server_config = Task(client.get_server_config) if opens_session or needs_config else None
        with self.context.timings.phase("import"):
            import bwrun.crypto.account_keys  # noqa: F401, PLC0415  (it imports `cryptography`, while the server handles the login)
        login, answer = self._read_login(reply)
        self.context.console.step(f"logged in to {server.name}" + (f" as {login.email}" if login.email else ""))
        if login.force_password_reset:
            self.context.console.warn(
                "an administrator has reset this account's master password",
                "set a new master password in the web vault",
            )
        return login, answer, server_config

    def _send_login(self) -> Task[Answer]:
        """Begin to log in."""
        api_key, client = self.credentials.api_key, self.client
        form = login_form(api_key, self.device)
        return self.context.start("token", lambda: client.post_token(form, api_key.client_secret))

    def _read_login(self, reply: Task[Answer]) -> tuple[Login, Answer]:
        """Wait for the answer to the login; a wrong client secret that was typed may be typed again, twice."""
        for attempt in range(MAX_ATTEMPTS):
            answer = self.context.wait(reply, origin(self.config.server.identity))
            try:
                return read_login(answer, self.credentials, self.config.server), answer
            except AuthenticationError as error:
                typed = self.credentials.client_secret_place == PROMPT and attempt + 1 < MAX_ATTEMPTS
                # With the cache, the file has been opened with the client secret that is wrong.
                if error.code != "auth.invalid-api-key" or not typed or self.config.cache is not None:
                    raise
                from bwrun.credentials.asking import ask_secret_again  # noqa: PLC0415  (only after a prompt)

                again = ask_secret_again(self.config, self.context.deadline)
                if again is None:
                    raise
            api_key = self.credentials.api_key
            self.credentials = self.credentials.replaced(api_key=ApiKey(api_key.client_id, again.value))
            reply = self._send_login()
        raise AssertionError  # the last attempt returns or raises

    def access_of(self, login: Login) -> Access:
        """Return the access with the token of `login`."""
        return Access(lambda: self.client, login, self.device, None if self.config.device_id else self._log_in_again)

    def start_sync(self, access: Access, login: Login, items: tuple[str, ...] = ()) -> Task[Fetched]:
        """Begin to fetch the vault, or `items` alone."""
        return self.context.start("sync", lambda: _fetch(access, login, items))

    def wait_for_sync(self, sync: Task[Fetched], items: tuple[str, ...] = ()) -> Fetched:
        """Return what was fetched. Raises NetworkError, ServerError, AuthenticationError."""
        fetched = self.context.wait(sync, origin(self.config.server.api))
        what = f"fetched {len(items)} item(s)" if items else "fetched the vault"
        self.context.console.step(f"{what} from {self.config.server.api}")
        return fetched

    def unwrap_user_key(
        self, login: Login, access: Access, sync: Task[Fetched], meanwhile: Callable[[], None]
    ) -> tuple[VaultKey, str | None]:
        """Return the user key, and the address of the Key Connector that was asked for it, if any."""
        unwrapping = UserKeyUnwrapping(self.config, self.credentials, self.context, lambda: self.client)
        found = unwrapping.unwrap(login, access, sync, meanwhile)
        self.retyped = unwrapping.retyped
        return found

    def open_vault(  # noqa: PLR0913  (all that was found)
        self,
        login: Login,
        access: Access,
        fetched: Fetched,
        user_key: VaultKey,
        *,
        connector: str | None,
        server_config: object,
        account_keys: tuple[WrappedAccountKeys, str | None] | None = None,
        is_whole: bool = True,
    ) -> UnlockedVault:
        """
        Open the account's other keys.

        `account_keys` are those, wrapped, and the user's id; None: as `login` and `fetched` say.

        Raises CryptoError: they cannot be decrypted.
        """
        from bwrun.crypto.account_keys import open_account_keys  # noqa: PLC0415

        with self.context.timings.phase("decrypt"):
            wrapped, user_id = account_keys or find_account_keys(login, fetched.data)
            keys = open_account_keys(user_key, wrapped, user_id)
        return UnlockedVault(
            api_key=self.credentials.api_key,
            login=login,
            fetched=fetched,
            is_whole=is_whole,
            server_config=server_config,
            keys=keys,
            wrapped_keys=wrapped,
            user_id=user_id,
            key_connector_url=connector,
            access=access,
            gateway=None if self.config.gateway is None else self.context.network.gateway,
        )

    def _make_client(self) -> Client:
        from bwrun.cache.waits import Waits  # noqa: PLC0415  (a run may find all that it needs in the cache)
        from bwrun.network.client import Client  # noqa: PLC0415

        config, context = self.config, self.context
        if config.gateway is not None and config.gateway.key_is_encrypted:
            from bwrun.credentials.gateway import read_key_password  # noqa: PLC0415  (few servers have a gateway)

            context.network.open_client_key(read_key_password(config.gateway, config.sources, context.deadline))
        network = context.network
        with context.timings.phase("import"):
            proxy = network.prepare(config.server.identity)
        if proxy is not None:
            context.console.step(f"connecting through the proxy {proxy.shown} ({proxy.variable})")
        waits = Waits(config.sources.environment, self.credentials.api_key.client_id, config.server.identity)
        client = Client(
            config.server, network, config.client_version, context.deadline, context.console.tell, memory=waits
        )
        if config.jitter and config.mode == RUN:  # somebody waits for what --check and --list print
            from bwrun.login.jitter import wait_at_random  # noqa: PLC0415  (only for --jitter)

            wait_at_random(config.jitter, context, client, logs_in=config.cache is None)
        return client

    def _log_in_again(self, device: str) -> Login:
        """Log in as another device, to get an access token that no other run invalidates."""
        self.context.console.step(
            "the server does not accept the access token: logging in as a device of this run's own"
        )
        api_key = self.credentials.api_key
        with self.context.timings.phase("token"):
            answer = self.client.post_token(login_form(api_key, device), api_key.client_secret)
        return read_login(answer, self.credentials, self.config.server)


def _fetch(access: Access, login: Login, items: tuple[str, ...]) -> Fetched:
    if items:
        return fetch_items(access, items, with_profile=login.account_keys.is_partial)
    return fetch_sync(access)


def result_if_ready(server_config: Task[object] | None) -> object:
    """Return the server's config, which was asked for long ago; None if it was not, or has not come."""
    if server_config is None:
        return None
    try:
        return server_config.result(CONFIG_TIMEOUT)
    except TimeoutError:
        return None
