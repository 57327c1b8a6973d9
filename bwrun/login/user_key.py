"""
The user key, with which the vault is encrypted: unwrapping it with the master password, or the key of a Key Connector.

A user key that was given (BWRUN_USER_KEY) needs neither.

The key derivation runs in a thread, and the modules that are needed next are imported meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bwrun.base.errors import CredentialError, WrongMasterPasswordError
from bwrun.base.sensitive import Sensitive
from bwrun.base.tasks import Task
from bwrun.credentials.found import PROMPT, Credentials
from bwrun.crypto.parameters import Argon2id, Kdf, KeyConnectorData, UnlockData
from bwrun.login.access import Access
from bwrun.login.context import LoginContext
from bwrun.login.fetching import DOWNLOADING, Fetched
from bwrun.login.token import Login, find_account_keys, find_user_key
from bwrun.settings.config import Config
from bwrun.settings.servers import origin

if TYPE_CHECKING:
    from bwrun.credentials.found import Secret
    from bwrun.crypto.vault_key import VaultKey
    from bwrun.network.client import Client

MAX_ATTEMPTS = 3  # at typing the master password


class UserKeyUnwrapping:
    """The steps to the user key, and the values that they share."""

    def __init__(
        self, config: Config, credentials: Credentials, context: LoginContext, client: Callable[[], Client]
    ) -> None:
        """Remember what the steps need; `client` returns the client for requests."""
        self._config = config
        self._credentials = credentials
        self._context = context
        self._get_client = client
        self.retyped: Sensitive | None = None  # the master password that was typed last, after a wrong one

    def unwrap(
        self, login: Login, access: Access, sync: Task[Fetched], meanwhile: Callable[[], None]
    ) -> tuple[VaultKey, str | None]:
        """Return the user key, and the address of the Key Connector of its account, if there is one and it is known."""
        from bwrun.crypto.primitives import import_what_follows  # noqa: PLC0415

        unlock, connector = login.unlock, self._config.key_connector_url
        if self._credentials.user_key is not None:
            from bwrun.login.given_user_key import check_fits, find_connector, open_key  # noqa: PLC0415  (few runs)

            self._context.import_by(import_what_follows)
            self._context.import_by(meanwhile)
            data = self._wait_for(sync).data
            given, place = open_key(self._credentials), self._credentials.user_key_place
            check_fits(given, find_account_keys(login, data)[0], data, place)
            self._context.console.step(f"unlocked the vault with the user key from {place}")
            return given, find_connector(self._config, login, data)
        if not isinstance(unlock, UnlockData):
            self._context.import_by(import_what_follows)
            self._context.import_by(meanwhile)
            return self._ask_connector(unlock, access, sync, connector)
        key = self._derive(unlock, _required_password(self._credentials))
        self._context.import_by(import_what_follows)
        self._context.import_by(meanwhile)
        user_key = self._try_passwords(unlock, key)
        self._context.console.step(f"unlocked the vault with the master password ({cost_of(unlock.kdf)})")
        return user_key, connector

    def _derive(self, unlock: UnlockData, password: Sensitive) -> Task[VaultKey]:
        """Begin to derive the master key and to decrypt the user key with it."""
        from bwrun.crypto.account_keys import unwrap_user_key  # noqa: PLC0415

        costly = self._config.allow_costly_kdf
        return self._context.start("kdf", lambda: unwrap_user_key(unlock, password, allow_costly=costly))

    def _try_passwords(self, unlock: UnlockData, key: Task[VaultKey]) -> VaultKey:
        """Wait for the user key; a wrong master password that was typed may be typed again, twice."""
        who = f"the key derivation ({cost_of(unlock.kdf)})"
        for attempt in range(MAX_ATTEMPTS):
            try:
                return self._context.wait(key, who)
            except WrongMasterPasswordError:
                typed = self._credentials.master_password_place == PROMPT and attempt + 1 < MAX_ATTEMPTS
                again = self._ask_again() if typed else None
                if again is None:
                    raise WrongMasterPasswordError(*_password_hints(self._credentials)) from None
                self.retyped = again.value
                key = self._derive(unlock, again.value)
        raise AssertionError  # the last attempt returns or raises

    def _wait_for(self, sync: Task[Fetched]) -> Fetched:
        return self._context.wait(sync, origin(self._config.server.api), DOWNLOADING)

    def _ask_again(self) -> Secret | None:
        from bwrun.credentials.asking import ask_password_again  # noqa: PLC0415  (only after a prompt)

        return ask_password_again(self._config, self._context.deadline)

    def _ask_connector(
        self, unlock: KeyConnectorData, access: Access, sync: Task[Fetched], url: str | None
    ) -> tuple[VaultKey, str]:
        from bwrun.crypto.account_keys import unwrap_connected_user_key  # noqa: PLC0415
        from bwrun.login.key_connector import fetch_key, find_url  # noqa: PLC0415  (few accounts use a Key Connector)

        if url is None:
            url = find_url(self._wait_for(sync).data)
            self._context.console.step(f"the server names the Key Connector {url}")
        address = url
        wrapped = unlock.wrapped_user_key
        if wrapped is None:
            wrapped = find_user_key(self._wait_for(sync).data)
        given, token, client = wrapped, access.token, self._get_client()
        answer = self._context.start("kdf", lambda: unwrap_connected_user_key(given, fetch_key(client, address, token)))
        user_key = self._context.wait(answer, origin(url), f"asking the Key Connector {origin(url)}")
        self._context.console.step(f"unlocked the vault with the key from the Key Connector {url}")
        return user_key, url


def _required_password(credentials: Credentials) -> Sensitive:
    if credentials.master_password is None:
        raise CredentialError(
            "missing", "BW_PASSWORD is not set, and this account has a master password",
            "set it; `--key-connector-url` replaces it only for accounts of a Key Connector",
        )  # fmt: skip
    return credentials.master_password


def cost_of(kdf: Kdf) -> str:
    """Say which key derivation it is, and what it costs."""
    if isinstance(kdf, Argon2id):
        return f"Argon2id, {kdf.iterations} × {kdf.memory_mib} MiB × {kdf.parallelism}"
    return f"PBKDF2, {kdf.iterations} iterations"


def _password_hints(credentials: Credentials) -> list[str]:
    place = credentials.master_password_place
    return [f"check the master password from {place}", *credentials.doubts.get("BW_PASSWORD", ())]
