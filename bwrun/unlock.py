"""
From credentials to an open vault: log in, then sync and derive at the same time.

The network and the KDF run in threads (both release the GIL); this thread
only waits, so that nothing, not even a hung name service, outlasts the
deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import TypeVar

from bwrun.auth import Login, device_id, find_account_keys, login_form, read_login
from bwrun.cli import RUN
from bwrun.client import Client
from bwrun.config import Config
from bwrun.console import Console
from bwrun.credentials import Credentials
from bwrun.crypto.account_keys import (
    AccountKeys,
    open_account_keys,
    unwrap_connected_user_key,
    unwrap_user_key,
)
from bwrun.crypto.keys import Argon2id, Kdf, KeyConnectorData, UnlockData, WrappedAccountKeys
from bwrun.crypto.vault_key import VaultKey
from bwrun.deadline import Deadline
from bwrun.errors import CredentialError, SessionError, WrongMasterPasswordError
from bwrun.fetching import fetch_items, fetch_sync
from bwrun.key_connector import ask, url_in
from bwrun.sensitive import Sensitive
from bwrun.servers import origin
from bwrun.structs import Struct

T = TypeVar("T")
CONFIG_PATIENCE = 1.0  # seconds after everything else


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


def unlock_vault(  # noqa: PLR0913, PLR0917  (what is there, how it is told, what to do meanwhile, what to fetch)
    config: Config,
    credentials: Credentials,
    console: Console,
    deadline: Deadline,
    meanwhile: Callable[[], None],
    items: tuple[str, ...] = (),
) -> Unlocked:
    """
    Log in, sync and unlock; call `meanwhile` while the KDF runs beside it.

    `items`: the ids of those that are enough; without any the whole vault is fetched.

    Raises NetworkError, ServerError, AuthenticationError, CryptoError.
    """
    device = device_id(credentials.api_key.client_id, config.device_id)
    client = Client(config.server, config.ca_files, config.client_version, deadline)
    pool = ThreadPoolExecutor(4, thread_name_prefix="unlock")

    def run(function: Callable[..., T], *arguments: object, **named: object) -> Future[T]:
        try:
            return pool.submit(function, *arguments, **named)
        except RuntimeError:
            raise SessionError("no-process", "no thread can be started: is RLIMIT_NPROC too low?") from None

    def wait(future: Future[T], who: str) -> T:
        try:
            return future.result(max(0.0, deadline.left()))
        except FutureTimeoutError:
            raise deadline.exceeded(who) from None

    lasts = config.session and config.mode == RUN  # who but a session needs the server's config
    server_config = run(client.get_server_config) if lasts else None
    form = login_form(credentials.api_key, device)
    answer = wait(run(client.post_token, form, credentials.api_key.client_secret), origin(config.server.identity))
    login = read_login(answer, credentials, config.server)
    console.step(f"logged in at {config.server.name}")
    if login.force_password_reset:
        console.warn("the administrator has reset this account's master password", "set a new one in the web vault")

    connector = config.key_connector_url
    if not isinstance(login.unlock, UnlockData) and connector is None:
        items = ()  # where the Key Connector is stands in the whole sync alone
    sync = run(partial(fetch_items, ids=items) if items else fetch_sync, client, login.access_token)
    if isinstance(login.unlock, UnlockData):
        key = run(unwrap_user_key, login.unlock, _needed_password(credentials))
        meanwhile()
        try:
            user_key = wait(key, f"the key derivation ({_cost(login.unlock.kdf)})")
        except WrongMasterPasswordError:
            raise WrongMasterPasswordError(*_password_hints(credentials)) from None
        console.step(f"unlocked with the master password ({_cost(login.unlock.kdf)})")
    else:
        meanwhile()
        if connector is None:
            connector = url_in(wait(sync, origin(config.server.api)).data)
            console.step(f"the server names the Key Connector {connector}")
        user_key = wait(run(_connected, client, connector, login.access_token, login.unlock), origin(connector))
        console.step(f"unlocked with the key at the Key Connector {connector}")
    fetched = wait(sync, origin(config.server.api))
    what = f"fetched {len(items)} item(s)" if items else "synced"
    console.step(f"{what} from {config.server.api}")
    wrapped, user_id = find_account_keys(login, fetched.data)
    keys = _open_keys(user_key, wrapped, user_id, console)
    return Unlocked(
        login=login,
        sync=fetched.data,
        sync_date=fetched.date,
        server_config=None if server_config is None else _if_there(server_config),
        keys=keys,
        wrapped_keys=wrapped,
        key_connector_url=connector,
        device=device,
        client=client,
    )


def _open_keys(user_key: VaultKey, wrapped: WrappedAccountKeys, user_id: str | None, console: Console) -> AccountKeys:
    keys = open_account_keys(user_key, wrapped, user_id)
    if not keys.verified:
        console.warn("the account's keys are signed in a way that this installation cannot verify (ML-DSA-44)",
                     "install `cryptography` 48 or newer from its wheel")  # fmt: skip
    return keys


def _needed_password(credentials: Credentials) -> Sensitive:
    if credentials.master_password is None:
        raise CredentialError("missing", "not set: BW_PASSWORD, and this account has a master password",
                              "--key-connector-url is for the accounts of a Key Connector")  # fmt: skip
    return credentials.master_password


def _connected(client: Client, url: str, token: Sensitive, unlock: KeyConnectorData) -> VaultKey:
    return unwrap_connected_user_key(unlock, ask(client, url, token))


def _if_there(server_config: Future[object]) -> object:
    """Return the server's config, which was asked for long ago; a run does not wait for it."""
    try:
        return server_config.result(CONFIG_PATIENCE)
    except FutureTimeoutError:
        return None


def _cost(kdf: Kdf) -> str:
    if isinstance(kdf, Argon2id):
        return f"Argon2id, {kdf.iterations} × {kdf.memory_mib} MiB × {kdf.parallelism}"
    return f"PBKDF2, {kdf.iterations} iterations"


def _password_hints(credentials: Credentials) -> list[str]:
    hints = [f"it came from {credentials.master_password_place}"]
    value = _needed_password(credentials).reveal()
    if value[:1] in (b"'", b'"') and value[:1] == value[-1:]:
        hints.append("it has quotes round it; if they are not a part of it, write it without them")
    if value != value.strip():
        hints.append("it begins or ends with white space; only a newline at a file's end is taken off")
    return hints
