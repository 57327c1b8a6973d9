"""
From credentials to an open vault: log in, then sync and derive at the same time.

The network and the KDF run in threads (both release the GIL); this thread imports what comes next and waits, so that
nothing, not even a hung name service, outlasts the deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from bwrun.base.console import Console
from bwrun.base.deadline import Deadline
from bwrun.base.errors import CredentialError, WrongMasterPasswordError
from bwrun.base.jsontext import import_fast_json
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.base.tasks import Task
from bwrun.base.timings import Timings
from bwrun.credentials.finding import Credentials
from bwrun.crypto.parameters import Argon2id, Kdf, KeyConnectorData, UnlockData, WrappedAccountKeys
from bwrun.login.fetching import AT_ONCE, Fetched, fetch_items, fetch_sync
from bwrun.login.token import Login, device_id, find_account_keys, login_form, read_login
from bwrun.network.client import Client
from bwrun.network.routing import Network
from bwrun.settings.command_line import RUN
from bwrun.settings.config import Config
from bwrun.settings.servers import Server, origin

if TYPE_CHECKING:
    from bwrun.crypto.account_keys import AccountKeys
    from bwrun.crypto.vault_key import VaultKey

T = TypeVar("T")
CONFIG_PATIENCE = 1.0  # seconds after everything else
GRACE = 0.5  # seconds: who waits in a thread knows better what did not answer, and speaks first


class Means(Struct):
    """What a run works with: whom it tells, how long it may take, how it asks."""

    console: Console
    timings: Timings
    deadline: Deadline
    network: Network


class Unlocked(Struct):
    """An open vault: everything a session is made of."""

    login: Login
    sync: dict[str, object]  # as the server sent it
    sync_date: str | None  # the server's clock at the sync: its Date header
    server_config: object
    keys: AccountKeys
    wrapped_keys: WrappedAccountKeys  # as the server keeps them
    key_connector_url: str | None  # the one that was asked
    device: str
    client: Client


def expect_items(network: Network, server: Server, count: int) -> None:
    """Begin to open the connections over which so many items will be fetched at once, but the login's own."""
    for _ in range(min(count, AT_ONCE) - 1):
        network.expect(server.api)


def unlock_vault(
    config: Config,
    credentials: Credentials,
    means: Means,
    meanwhile: Callable[[], None],
    items: tuple[str, ...],
) -> Unlocked:
    """
    Log in, sync and unlock; call `meanwhile` while the KDF runs beside it.

    `items`: the ids of the items that are enough; none: the whole vault.

    Raises NetworkError, ServerError, AuthenticationError, CryptoError.
    """
    return _Unlocking(config, credentials, means).run(meanwhile, items)


class _Unlocking:
    """The steps, and what they share."""

    def __init__(self, config: Config, credentials: Credentials, means: Means) -> None:
        self._config = config
        self._credentials = credentials
        self._console = means.console
        self._deadline = means.deadline
        self._timings = means.timings
        self._device = device_id(credentials.api_key.client_id, config.device_id)
        with self._timings.phase("import"):
            proxy = means.network.prepare(config.server.identity)
        if proxy is not None:
            self._console.step(f"connecting through the proxy {proxy.shown} ({proxy.variable})")
        self._client = Client(config.server, means.network, config.client_version, means.deadline, means.console.tell)

    def run(self, meanwhile: Callable[[], None], items: tuple[str, ...]) -> Unlocked:
        config = self._config
        login, server_config = self._log_in()
        if not isinstance(login.unlock, UnlockData) and config.key_connector_url is None:
            items = ()  # where the Key Connector is stands in the whole sync alone
        sync = self._start("sync", lambda: self._fetch(login, items))
        user_key, connector = self._unwrap_user_key(login, sync, meanwhile)
        fetched = self._wait(sync, origin(config.server.api))
        what = f"fetched {len(items)} item(s)" if items else "fetched the vault"
        self._console.step(f"{what} from {config.server.api}")
        with self._timings.phase("decrypt"):
            wrapped, user_id = find_account_keys(login, fetched.data)
            keys = _open_keys(user_key, wrapped, user_id, self._console)
        return Unlocked(
            login=login,
            sync=fetched.data,
            sync_date=fetched.date,
            server_config=None if server_config is None else _if_there(server_config),
            keys=keys,
            wrapped_keys=wrapped,
            key_connector_url=connector,
            device=self._device,
            client=self._client,
        )

    def _log_in(self) -> tuple[Login, Task[object] | None]:
        """Return what the login gives; the server's config, which only a session needs, is asked for beside it."""
        api_key, server = self._credentials.api_key, self._config.server
        form = login_form(api_key, self._device)
        reply = self._start("token", lambda: self._client.post_token(form, api_key.client_secret))
        lasts = self._config.session and self._config.mode == RUN
        server_config = Task(self._client.get_server_config) if lasts else None
        with self._timings.phase("import"):
            import bwrun.crypto.account_keys  # noqa: F401, PLC0415  (`cryptography`, while the server thinks)
        login = read_login(self._wait(reply, origin(server.identity)), self._credentials, server)
        self._console.step(f"logged in to {server.name}")
        if login.force_password_reset:
            self._console.warn(
                "an administrator has reset this account's master password", "set a new one in the web vault"
            )
        return login, server_config

    def _fetch(self, login: Login, items: tuple[str, ...]) -> Fetched:
        if items:
            return fetch_items(self._client, login.access_token, items)
        return fetch_sync(self._client, login.access_token)

    def _unwrap_user_key(
        self, login: Login, sync: Task[Fetched], meanwhile: Callable[[], None]
    ) -> tuple[VaultKey, str | None]:
        """Return the user key, and the Key Connector that was asked for what opens it."""
        from bwrun.crypto.account_keys import unwrap_user_key  # noqa: PLC0415
        from bwrun.crypto.primitives import import_what_follows  # noqa: PLC0415

        unlock, connector = login.unlock, self._config.key_connector_url
        if not isinstance(unlock, UnlockData):
            self._import(import_what_follows)
            self._import(meanwhile)
            return self._ask_connector(unlock, login.access_token, sync, connector)
        password = _needed_password(self._credentials)
        key = self._start("kdf", lambda: unwrap_user_key(unlock, password))
        self._import(import_what_follows)
        self._import(meanwhile)
        if not sync.is_done():
            self._import(import_fast_json)  # it is large, or its way is long: this thread has the time
        try:
            user_key = self._wait(key, f"the key derivation ({_cost(unlock.kdf)})")
        except WrongMasterPasswordError:
            raise WrongMasterPasswordError(*_password_hints(self._credentials)) from None
        self._console.step(f"unlocked the vault with the master password ({_cost(unlock.kdf)})")
        return user_key, connector

    def _ask_connector(
        self, unlock: KeyConnectorData, token: Sensitive, sync: Task[Fetched], url: str | None
    ) -> tuple[VaultKey, str]:
        from bwrun.crypto.account_keys import unwrap_connected_user_key  # noqa: PLC0415
        from bwrun.login.key_connector import ask, url_in  # noqa: PLC0415  (few accounts have one)

        if url is None:
            url = url_in(self._wait(sync, origin(self._config.server.api)).data)
            self._console.step(f"the server names the Key Connector {url}")
        place = url
        answer = self._start("kdf", lambda: unwrap_connected_user_key(unlock, ask(self._client, place, token)))
        user_key = self._wait(answer, origin(url))
        self._console.step(f"unlocked the vault with the key from the Key Connector {url}")
        return user_key, url

    def _import(self, what: Callable[[], None]) -> None:
        with self._timings.phase("import"):
            what()

    def _start(self, phase: str, function: Callable[[], T]) -> Task[T]:
        def timed() -> T:
            with self._timings.phase(phase):
                return function()

        return Task(timed)

    def _wait(self, task: Task[T], who: str) -> T:
        try:
            return task.result(max(0.0, self._deadline.left()) + GRACE)
        except TimeoutError:
            raise self._deadline.exceeded(who) from None


def _open_keys(user_key: VaultKey, wrapped: WrappedAccountKeys, user_id: str | None, console: Console) -> AccountKeys:
    from bwrun.crypto.account_keys import open_account_keys  # noqa: PLC0415

    keys = open_account_keys(user_key, wrapped, user_id)
    if not keys.verified:
        console.warn(
            "cannot verify the signatures of this account's keys: this installation does not support ML-DSA-44",
            "install version 48 or newer of the Python package `cryptography`, as a wheel",
        )
    return keys


def _needed_password(credentials: Credentials) -> Sensitive:
    if credentials.master_password is None:
        raise CredentialError(
            "missing", "BW_PASSWORD is not set, and this account has a master password",
            "set it; `--key-connector-url` replaces it only for accounts of a Key Connector",
        )  # fmt: skip
    return credentials.master_password


def _if_there(server_config: Task[object]) -> object:
    """Return the server's config, which was asked for long ago; a run does not wait for it."""
    try:
        return server_config.result(CONFIG_PATIENCE)
    except TimeoutError:
        return None


def _cost(kdf: Kdf) -> str:
    if isinstance(kdf, Argon2id):
        return f"Argon2id, {kdf.iterations} × {kdf.memory_mib} MiB × {kdf.parallelism}"
    return f"PBKDF2, {kdf.iterations} iterations"


def _password_hints(credentials: Credentials) -> list[str]:
    hints = [f"check the master password from {credentials.master_password_place}"]
    value = _needed_password(credentials).reveal()
    if value[:1] in (b"'", b'"') and value[:1] == value[-1:]:
        hints.append("it is in quotes: remove them if they are not part of the password")
    if value != value.strip():
        hints.append("it begins or ends with white space: remove that if it is not part of the password")
    return hints
