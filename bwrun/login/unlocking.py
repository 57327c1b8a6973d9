"""Unlocking the vault: log in, fetch it and derive the keys at the same time, or use what the cache has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bwrun.base.errors import ServerError
from bwrun.base.tasks import Task
from bwrun.credentials.found import Credentials
from bwrun.crypto.parameters import KeyConnectorData
from bwrun.login.context import LoginContext
from bwrun.login.fetching import AT_ONCE
from bwrun.login.steps import UnlockingSteps, result_if_ready
from bwrun.login.token import Login
from bwrun.login.unlocked import Purpose, UnlockedVault
from bwrun.settings.config import Config
from bwrun.settings.option_names import PRINT_USER_KEY
from bwrun.settings.servers import Server

if TYPE_CHECKING:
    from bwrun.network.routing import Network

# Not by the server, but by what is in front of it.
TURNED_AWAY = ("server.redirect", "server.not-json", "server.blocked")


def prepare_connections(network: Network, server: Server, count: int) -> None:
    """Begin to open the connections for fetching `count` items at once; the connection of the login is used too."""
    for _ in range(min(count, AT_ONCE) - 1):
        network.expect(server.api)


def unlock_vault(
    config: Config,
    credentials: Credentials,
    context: LoginContext,
    meanwhile: Callable[[], None],
    purpose: Purpose,
) -> UnlockedVault:
    """
    Log in, fetch the vault and unlock it; or use the cache.

    `meanwhile` is called while the key derivation runs. `purpose` says what of the vault is needed.

    Raises NetworkError: there is no answer in time; AuthenticationError: the login failed; ServerError: an answer is
    not usable; CryptoError: the master password or the user key is wrong, or keys cannot be decrypted; CredentialError:
    the user key is malformed.
    """
    _check_user_key(credentials)
    steps = UnlockingSteps(config, credentials, context)
    try:
        if config.cache is not None and config.mode != PRINT_USER_KEY:
            from bwrun.login.caching import open_cache  # noqa: PLC0415  (only for --cache)

            cache = open_cache(steps, purpose)
            if cache is not None:
                return cache.unlock(meanwhile)
        return _unlock(steps, config, meanwhile, purpose.items)
    except ServerError as error:
        if error.code not in TURNED_AWAY:
            raise
        raise _explain(error, steps, config) from None


def try_unlocking(steps: UnlockingSteps, config: Config) -> tuple[Login, UnlockedVault | None]:
    """
    Log in, and unlock the vault if there is something to unlock it with, without the cache; return both.

    Raises what `unlock_vault()` raises.
    """
    credentials = steps.credentials
    _check_user_key(credentials)
    try:
        if credentials.master_password or credentials.user_key or config.key_connector_url:
            unlocked = _unlock(steps, config, lambda: None, ())
            return unlocked.login, unlocked
        return steps.log_in()[0], None
    except ServerError as error:
        if error.code not in TURNED_AWAY:
            raise
        raise _explain(error, steps, config) from None


def _check_user_key(credentials: Credentials) -> None:
    if credentials.user_key is not None:
        from bwrun.login.given_user_key import check_form  # noqa: PLC0415  (most runs have a password)

        check_form(credentials)


def _unlock(
    steps: UnlockingSteps, config: Config, meanwhile: Callable[[], None], items: tuple[str, ...]
) -> UnlockedVault:
    """Unlock the vault without the cache."""
    login, _, server_config = steps.log_in()
    if isinstance(login.unlock, KeyConnectorData) and not (
        steps.credentials.user_key or (config.key_connector_url and login.unlock.wrapped_user_key)
    ):
        items = ()  # only the whole sync has the address of the Key Connector, and perhaps the user key
    access = steps.access_of(login)
    sync = steps.start_sync(access, login, items)
    user_key, connector = steps.unwrap_user_key(login, access, sync, meanwhile)
    fetched = steps.wait_for_sync(sync, items)
    return steps.open_vault(
        login,
        access,
        fetched,
        user_key,
        connector=connector,
        server_config=result_if_ready(server_config),
        is_whole=not items,
    )


def _explain(error: ServerError, steps: UnlockingSteps, config: Config) -> ServerError:
    """Return the error of an answer that did not come from the server: perhaps the server says what is in front."""
    from bwrun.login.login_cookie import find_login_cookie  # noqa: PLC0415  (only after a failure)

    server_config = result_if_ready(Task(steps.client.get_server_config))
    return find_login_cookie(server_config, config.server) or error
