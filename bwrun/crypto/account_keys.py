"""
Decrypting an account's keys: the user key, and with it the others.

The module `security_state` does what only V2 accounts need, and is imported only for them.  Facts: bitwarden/
sdk-internal:crates/bitwarden-core/src/key_management/account_cryptographic_state.rs, crates/bitwarden-crypto/src/keys/
key_connector_key.rs; protocol notes 2.4, 2.6 and 5.
"""

from __future__ import annotations

from collections.abc import Callable

from bwrun.base.errors import CryptoError, IntegrityError, MalformedEncStringError, WrongMasterPasswordError
from bwrun.base.sensitive import Sensitive
from bwrun.crypto import primitives
from bwrun.crypto.asymmetric import PrivateKey, find_private_key
from bwrun.crypto.encstring import AES_256_CBC, EncString, SymmetricKey, from_base64
from bwrun.crypto.keys import check_kdf, derive_master_key, stretch_master_key
from bwrun.crypto.parameters import UnlockData, WrappedAccountKeys
from bwrun.crypto.vault_key import AeadKey, AesKey, VaultKey, parse_key

V1 = 1  # the security version of an account that signs none
MISMATCH = "the account has keys of two kinds, V1 and V2: the server's data may have been tampered with"


class AccountKeys:
    """An account's decrypted keys."""

    def __init__(self, user_key: VaultKey, read_private_key: Callable[[], PrivateKey | None], version: int) -> None:
        """
        `read_private_key` is called when the private key is first needed, because reading it takes 20 ms.

        `version` is the security version: that of a V1 account is V1.
        """
        self.user_key = user_key
        self.security_version = version
        self._read_private_key = read_private_key
        self._private_key: tuple[PrivateKey | None] | None = None

    @property
    def private_key(self) -> PrivateKey | None:
        """The private key; None if it cannot be decrypted: a V1 account works without it, but for organizations."""
        if self._private_key is None:
            self._private_key = (self._read_private_key(),)
        return self._private_key[0]

    def unwrap_organization_key(self, wrapped: str) -> VaultKey:
        """
        Decrypt an organization's key with the private key. Organizations have only V1 keys so far.

        Raises CryptoError: there is no private key, or the organization's key cannot be decrypted.
        """
        if self.private_key is None:
            raise CryptoError("private-key", "cannot decrypt the account's private key, which organization keys need")
        return AesKey(self.private_key.unwrap_organization_key(wrapped))


def read_key_connector_key(text: str) -> bytes:
    """
    Decode the key that a Key Connector keeps: 32 bytes, which replace the master key.

    Raises MalformedEncStringError.
    """
    key = from_base64(text)
    if len(key) != primitives.KEY_SIZE:
        raise MalformedEncStringError(f"the Key Connector's key has {len(key)} bytes, not {primitives.KEY_SIZE}")
    return key


def open_user_key(wrapped: str, master_key: bytes) -> VaultKey:
    """
    Decrypt the user key with the master key, or with the key of a Key Connector.

    An EncString of type 2 is decrypted with the stretched key.  Accounts that were made before 2018 may have one of
    type 0, which is decrypted with the key itself; it is the only EncString without a MAC that bwrun decrypts.

    Raises IntegrityError: the key is wrong, which means that the master password is wrong; CryptoError: the
    EncString has another form.
    """
    encstring = EncString.parse(wrapped)
    if encstring.kind != AES_256_CBC:
        return parse_key(encstring.decrypt(stretch_master_key(master_key)))
    key = primitives.aes_256_cbc_decrypt(master_key, encstring.iv, encstring.data)
    if len(key) not in (SymmetricKey.SIZE, primitives.KEY_SIZE):
        raise IntegrityError("the padding does not match")  # a wrong key leads to valid padding once in 256 times
    return parse_key(key)


def unwrap_user_key(
    unlock: UnlockData, master_password: Sensitive, *, allow_costly: bool = False, testing_any_cost: bool = False
) -> VaultKey:
    """
    Derive the master key and decrypt the user key with it; `allow_costly` lifts the limits for the cost.

    Raises WrongMasterPasswordError; CryptoError: a parameter of the KDF is out of range, or the EncString is not
    supported.
    """
    check_kdf(unlock.kdf, allow_costly=allow_costly, testing_any_cost=testing_any_cost)
    EncString.parse(unlock.master_key_wrapped_user_key)  # before the KDF, which takes time
    master_key = derive_master_key(master_password, unlock.salt, unlock.kdf)
    try:
        return open_user_key(unlock.master_key_wrapped_user_key, master_key)
    except IntegrityError:
        raise WrongMasterPasswordError from None


def unwrap_connected_user_key(wrapped: str, key: str) -> VaultKey:
    """
    Decrypt the user key with `key`, which a Key Connector keeps.

    Raises CryptoError: `key` is not a key, or is another account's.
    """
    try:
        return open_user_key(wrapped, read_key_connector_key(key))
    except IntegrityError:
        raise CryptoError(
            "key-connector", "the key from the Key Connector does not decrypt the account's user key",
            "check that it is the Key Connector of this account's organization",
        ) from None  # fmt: skip


def open_account_keys(user_key: VaultKey, wrapped: WrappedAccountKeys, user_id: str | None = None) -> AccountKeys:
    """
    Decrypt an account's keys, and verify those of a V2 account.

    If the signed security state names a user, it must be `user_id`.

    Raises CryptoError: the keys of a V2 account cannot be decrypted, or are not signed by this user.
    """
    if isinstance(user_key, AeadKey):
        from bwrun.crypto.security_state import open_v2  # noqa: PLC0415

        private_key, version = open_v2(user_key, wrapped, user_id)
        return AccountKeys(user_key, lambda: private_key, version)
    if wrapped.is_v2:
        raise IntegrityError(MISMATCH)
    key = SymmetricKey.from_bytes(user_key.encode())
    return AccountKeys(user_key, lambda: find_private_key(wrapped.private_key, key), V1)
