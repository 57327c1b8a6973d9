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
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from bwrun.auth import Login, device_id, login_form, read_login
from bwrun.cli import RUN
from bwrun.client import Client
from bwrun.config import Config
from bwrun.console import Console
from bwrun.credentials import Credentials
from bwrun.crypto.encstring import SymmetricKey
from bwrun.crypto.keys import Argon2id, Kdf, unwrap_user_key
from bwrun.deadline import Deadline
from bwrun.errors import SessionError, WrongMasterPasswordError
from bwrun.fetching import fetch_items, fetch_sync
from bwrun.servers import origin

T = TypeVar("T")
CONFIG_PATIENCE = 1.0  # seconds after everything else


@dataclass(frozen=True)
class Unlocked:
    """An open vault: everything a session is made of."""

    login: Login
    sync: dict[str, object] = field(repr=False)  # as the server sent it
    sync_date: str | None  # the server's clock at the sync: its Date header
    server_config: object = field(repr=False)
    user_key: SymmetricKey
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

    fetch = partial(fetch_items, ids=items) if items else fetch_sync
    sync = run(fetch, client, login.access_token)
    key = run(unwrap_user_key, login.unlock, credentials.master_password)
    meanwhile()
    try:
        user_key = wait(key, f"the key derivation ({_cost(login.unlock.kdf)})")
    except WrongMasterPasswordError:
        raise WrongMasterPasswordError(*_password_hints(credentials)) from None
    console.step(f"unlocked with the master password ({_cost(login.unlock.kdf)})")
    fetched = wait(sync, origin(config.server.api))
    what = f"fetched {len(items)} item(s)" if items else "synced"
    console.step(f"{what} from {config.server.api}")
    return Unlocked(
        login=login,
        sync=fetched.data,
        sync_date=fetched.date,
        server_config=None if server_config is None else _if_there(server_config),
        user_key=user_key,
        device=device,
        client=client,
    )


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
    value = credentials.master_password.reveal()
    if value[:1] in (b"'", b'"') and value[:1] == value[-1:]:
        hints.append("it has quotes round it; if they are not a part of it, write it without them")
    if value != value.strip():
        hints.append("it begins or ends with white space; only a newline at a file's end is taken off")
    return hints
