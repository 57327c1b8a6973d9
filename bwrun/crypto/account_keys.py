"""
From the user key to the account's other keys, V1 and V2; Key Connector's key.

A V2 account's keys hang together by a signature: the security state says, signed by the user, that the account is V2,
so that a server cannot take it back.  It is verified with the key that the user key opens, not with the one that the
server sends.  Facts: bitwarden/sdk-internal:crates/bitwarden-core/src/key_management/{account_cryptographic_state,
security_state}.rs, crates/bitwarden-crypto/src/keys/{key_connector_key,signed_public_key}.rs; protocol notes 2.4,
2.6 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

from bwrun.crypto import cbor, cose, primitives
from bwrun.crypto.asymmetric import PrivateKey, find_private_key
from bwrun.crypto.cose import SigningKey, verify_sign1
from bwrun.crypto.encstring import AES_256_CBC, COSE_ENCRYPT0, EncString, SymmetricKey, from_base64, kind_of
from bwrun.crypto.keys import stretch_master_key
from bwrun.crypto.vault_key import AeadKey, AesKey, VaultKey, parse_key
from bwrun.errors import CryptoError, IntegrityError, MalformedEncStringError, UnsupportedEncStringError

SIGNED_PUBLIC_KEY, SECURITY_STATE = 1, 2  # what a signature is for
V1, V2 = 1, 2  # security versions: V2 is the first that is signed
TAMPERED = "the account's keys do not belong together: the server's data may have been tampered with"


@dataclass(frozen=True)
class WrappedAccountKeys:
    """What the server keeps of an account's keys, beside the user key; a V1 account has the first alone."""

    private_key: str | None = None  # EncString
    signing_key: str | None = None  # EncString
    signed_public_key: str | None = None  # base64 of COSE_Sign1
    security_state: str | None = None  # base64 of COSE_Sign1

    @property
    def is_v2(self) -> bool:
        """Whether any part is one that V2 accounts alone have."""
        has_type_7 = self.private_key is not None and kind_of(self.private_key) == COSE_ENCRYPT0
        return has_type_7 or any((self.signing_key, self.signed_public_key, self.security_state))


@dataclass(frozen=True)
class AccountKeys:
    """An account's keys, open."""

    user_key: VaultKey
    private_key: PrivateKey | None  # a V1 account does without if its own does not open
    security_version: int
    verified: bool = True  # False: the signature is one that the installed library does not know; say so

    def unwrap_organization_key(self, wrapped: str) -> VaultKey:
        """
        Open an organization's key with the private key. Organizations are V1 still.

        Raises CryptoError: there is no private key, or it does not open.
        """
        if self.private_key is None:
            raise CryptoError("private-key", "the account's private key does not open, and organizations need it")
        return AesKey(self.private_key.unwrap_organization_key(wrapped))


def read_key_connector_key(text: str) -> bytes:
    """
    Return what a Key Connector keeps: 32 bytes, which take the place of the master key.

    Raises MalformedEncStringError.
    """
    key = from_base64(text)
    if len(key) != primitives.KEY_SIZE:
        raise MalformedEncStringError(f"the Key Connector's key has {len(key)} bytes, not {primitives.KEY_SIZE}")
    return key


def open_user_key(wrapped: str, master_key: bytes) -> VaultKey:
    """
    Open the user key with the master key, or with the Key Connector's.

    Type 2 under the stretched key; type 0, the one form without a MAC, under the key itself: accounts of 2017.

    Raises IntegrityError: a wrong key, which means a wrong master password; CryptoError: another form.
    """
    encstring = EncString.parse(wrapped)
    if encstring.kind != AES_256_CBC:
        return parse_key(encstring.decrypt(stretch_master_key(master_key)))
    key = primitives.aes_256_cbc_decrypt(master_key, encstring.iv, encstring.data)
    if len(key) not in (SymmetricKey.SIZE, primitives.KEY_SIZE):
        raise IntegrityError("the padding does not match")  # one that fits by chance: 1 in 256
    return parse_key(key)


def open_account_keys(user_key: VaultKey, wrapped: WrappedAccountKeys, user_id: str | None = None) -> AccountKeys:
    """
    Open and verify an account's keys; `user_id` is whom the security state is about, if it says so.

    Raises CryptoError: a V2 account whose keys do not open, or are not signed, or not by this user.
    """
    if isinstance(user_key, AeadKey):
        return _open_v2(user_key, wrapped, user_id)
    if wrapped.is_v2:
        raise IntegrityError(TAMPERED)
    return AccountKeys(user_key, find_private_key(wrapped.private_key, SymmetricKey.from_bytes(user_key.encode())), V1)


def _open_v2(user_key: AeadKey, wrapped: WrappedAccountKeys, user_id: str | None) -> AccountKeys:
    if wrapped.private_key is None or wrapped.signing_key is None or wrapped.security_state is None:
        raise IntegrityError(TAMPERED)
    der = user_key.decrypt_bytes(wrapped.private_key, cose.PKCS8)
    rsa = primitives.load_rsa_private_key(der)
    signing_key = SigningKey.parse(user_key.decrypt_bytes(wrapped.signing_key, cose.COSE_KEY))
    private_key = PrivateKey(rsa, der)
    if not signing_key.usable:
        return AccountKeys(user_key, private_key, V2, verified=False)
    version = _verify_security_state(from_base64(wrapped.security_state), signing_key, user_id)
    if wrapped.signed_public_key is not None:  # servers of 2025 do not send it
        payload = _verify(from_base64(wrapped.signed_public_key), signing_key, SIGNED_PUBLIC_KEY)
        if payload.get("publicKey") != primitives.rsa_public_key_der(rsa):
            raise IntegrityError(TAMPERED)
    return AccountKeys(user_key, private_key, version)


def _verify_security_state(signed: bytes, key: SigningKey, user_id: str | None) -> int:
    """
    Return the security version that the user signed.

    Whom it is about stands in it for accounts made by the SDK of 2025; the SDK 0.2.0-main.1054 signs the version alone.
    """
    payload = _verify(signed, key, SECURITY_STATE)
    entity, version = payload.get("entityId"), payload.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < V2:
        raise UnsupportedEncStringError("the account's security state is not in a form that is known here")
    if entity is not None and user_id is not None and entity != _uuid_bytes(user_id):
        raise IntegrityError(TAMPERED)
    return version


def _verify(signed: bytes, key: SigningKey, namespace: int) -> dict[int | str, cbor.Value]:
    try:
        return cbor.decode_map(verify_sign1(signed, key, namespace))
    except IntegrityError:
        raise IntegrityError(TAMPERED) from None


def _uuid_bytes(text: str) -> bytes:
    """Return the 16 bytes of a UUID (without the module `uuid`, which loads `platform`)."""
    try:
        data = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        data = b""
    if len(data) != 16:
        raise MalformedEncStringError("the user's id is not a UUID")
    return data
