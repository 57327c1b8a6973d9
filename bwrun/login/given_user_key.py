"""
The user key of BWRUN_USER_KEY: reading it, and checking that it is the one of the account.

The master password proves itself: a key that is derived from a wrong one does not decrypt the user key. A user key that
is given must prove itself before anything uses it, with what the account has encrypted under it: its private key (V2:
all keys that belong to it are then verified, as ever), or, in an old account that has none, an item or a folder.
"""

from __future__ import annotations

from collections.abc import Iterator

from bwrun.base.errors import (
    AuthenticationError,
    CryptoError,
    IntegrityError,
    ServerError,
    UnsupportedEncStringError,
)
from bwrun.credentials.found import Credentials
from bwrun.credentials.user_key import HINT, V1_SIZE, damaged
from bwrun.crypto.parameters import KeyConnectorData, WrappedAccountKeys
from bwrun.login.token import Login
from bwrun.settings.config import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.crypto.vault_key import VaultKey


def check_form(credentials: Credentials) -> None:
    """
    Look whether the user key can be read, before a request is sent.

    The size says it of a V1 key, whose bytes are random. A V2 key is read, which imports cryptography (20 ms): the runs
    that need no V2 import that while the server handles the login.

    Raises CredentialError.
    """
    if credentials.user_key is not None and len(credentials.user_key) > V1_SIZE:
        open_key(credentials)


def open_key(credentials: Credentials) -> VaultKey:
    """Return the user key that was given. Raises CredentialError: its form is wrong, or its kind is not known."""
    from bwrun.crypto.vault_key import parse_key  # noqa: PLC0415  (it imports `cryptography`)

    assert credentials.user_key is not None  # noqa: S101
    try:
        return parse_key(credentials.user_key.reveal())
    except CryptoError:
        raise damaged(credentials.user_key_place) from None


def find_connector(config: Config, login: Login, sync: dict[str, object]) -> str | None:
    """Return the address of the account's Key Connector for its session: it is not asked, so it may be unknown."""
    if config.key_connector_url is not None or not isinstance(login.unlock, KeyConnectorData):
        return config.key_connector_url
    from bwrun.login.key_connector import find_url  # noqa: PLC0415  (few accounts use a Key Connector)

    try:
        return find_url(sync)
    except (AuthenticationError, ServerError):
        return None


def check_fits(key: VaultKey, wrapped: WrappedAccountKeys, sync: dict[str, object], place: str) -> None:
    """
    Look whether `key` is the user key of the account with these keys and this vault; `place` is where it came from.

    Raises CryptoError: it is not, or nothing of the account is encrypted under its user key.
    """
    fits = _opens_private_key(key, wrapped)
    if fits is None and wrapped.is_v2:
        return  # a part is missing or damaged, which `open_account_keys()` refuses by name
    if fits is None:
        fits = _opens_contents(key, sync)
    if fits is None:
        raise CryptoError(
            "unproven-user-key", "nothing in this account is encrypted, so the user key cannot be checked",
            "use the master password for this account, or log in with an official client, which completes its keys",
        )  # fmt: skip
    if not fits:
        raise CryptoError(
            "wrong-user-key", "the user key does not open this account",
            f"check the user key from {place}: it is another account's, or the keys of the account were rotated since",
            f"{HINT}; a new master password alone does not change it",
        )  # fmt: skip


def _opens_private_key(key: VaultKey, wrapped: WrappedAccountKeys) -> bool | None:
    """
    Return whether the private key is encrypted under `key`; None if there is none that can tell.

    The MAC proves only one half of a V1 key. With a wrong other half, the padding is right once in 256 times, so what
    is decrypted must be a private key as well.
    """
    if wrapped.private_key is None:
        return None
    from bwrun.crypto.encstring import PKCS8  # noqa: PLC0415  (it imports `cryptography`)

    try:
        return _is_der_sequence(key.decrypt_bytes(wrapped.private_key, PKCS8)) or None
    except (IntegrityError, UnsupportedEncStringError):
        return False  # of another key, or of another kind: the account became V2 with a rotation
    except CryptoError:
        return None  # it is damaged


def _is_der_sequence(data: bytes) -> bool:
    """Return whether `data` is one SEQUENCE of DER, as a PKCS #8 private key is (X.690, 8.1.3; RFC 5208)."""
    if len(data) < 4 or data[0] != 0x30:
        return False
    more = data[1] & 0x7F if data[1] > 0x80 else 0  # bytes of the length, if it does not fit into one
    length = int.from_bytes(data[2 : 2 + more], "big") if more else data[1]
    return 2 + more + length == len(data)


def _opens_contents(key: VaultKey, sync: dict[str, object]) -> bool | None:
    """Return whether one of the account's own items or folders is encrypted under `key`; None if it has none."""
    tried = None
    for is_key, encrypted in _encrypted_contents(sync):
        tried = False
        try:
            if is_key:
                key.unwrap_key(encrypted)
            else:
                key.decrypt_text(encrypted)
        except CryptoError:
            continue
        return True
    return tried


def _encrypted_contents(sync: dict[str, object]) -> Iterator[tuple[bool, str]]:
    """
    Yield what is encrypted under the user key itself, and whether it is a key.

    That is the names of folders, and the keys of items, or the names of those that have no key.
    """
    from bwrun.vault.sync import sync_of  # noqa: PLC0415  (only for an account without a private key)
    from bwrun.vault.typed_fields import with_typed_fields  # noqa: PLC0415

    found = sync_of(sync)
    for folder in _records(found.get("folders")):
        yield from ((False, text) for text in _texts(folder.get("name")))
    for item in _records(found.get("ciphers")):
        if not item.get("organizationId"):
            own_key = item.get("key")
            name = with_typed_fields(item).get("name")
            yield from ((bool(own_key), text) for text in _texts(own_key or name))


def _records(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else ()
