"""
Verifying the keys of a V2 account.

The user has signed a statement, the security state, that the account is V2, so that a server cannot turn it into a V1
account.  The signature is verified with the signing key that the user key decrypts, not with the public key that the
server sends.  Facts: bitwarden/sdk-internal:crates/bitwarden-core/src/key_management/security_state.rs,
crates/bitwarden-crypto/src/keys/signed_public_key.rs; protocol notes 2.6.
"""

from __future__ import annotations

from bwrun.base.errors import CryptoError, IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.crypto import cbor, primitives
from bwrun.crypto.asymmetric import PrivateKey
from bwrun.crypto.cose import SigningKey, verify_sign1
from bwrun.crypto.encstring import COSE_KEY, PKCS8, from_base64
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.crypto.vault_key import AeadKey

SIGNED_PUBLIC_KEY, SECURITY_STATE = 1, 2  # namespaces of signatures
V2 = 2  # the lowest security version of an account with a security state
TAMPERED = "the account's keys do not belong together: the server's data may have been tampered with"
HINT = "do not log in to this server; ask its administrator"


def open_v2(user_key: AeadKey, wrapped: WrappedAccountKeys, user_id: str | None) -> tuple[PrivateKey, int]:
    """
    Return the private key and the security version, after they are verified.

    Raises CryptoError: a part is missing, cannot be decrypted, or is not signed by this user.
    """
    try:
        return _open_v2(user_key, wrapped, user_id)
    except IntegrityError:
        raise IntegrityError(TAMPERED, HINT) from None
    except CryptoError as error:
        reason = error.code.partition(".")[2]
        raise CryptoError(reason, f"cannot use the account's keys: {error.message}", *error.hints) from None


def _open_v2(user_key: AeadKey, wrapped: WrappedAccountKeys, user_id: str | None) -> tuple[PrivateKey, int]:
    if wrapped.private_key is None or wrapped.signing_key is None or wrapped.security_state is None:
        raise IntegrityError("a part is missing")
    der = user_key.decrypt_bytes(wrapped.private_key, PKCS8)
    rsa = primitives.load_rsa_private_key(der)
    signing_key = SigningKey.parse(user_key.decrypt_bytes(wrapped.signing_key, COSE_KEY))
    version = _verify_security_state(from_base64(wrapped.security_state), signing_key, user_id)
    if wrapped.signed_public_key is not None:  # servers of 2025 do not send it
        payload = _verify(from_base64(wrapped.signed_public_key), signing_key, SIGNED_PUBLIC_KEY)
        if payload.get("publicKey") != primitives.rsa_public_key_der(rsa):
            raise IntegrityError("another public key is signed")
    return PrivateKey(rsa, der), version


def _verify_security_state(signed: bytes, key: SigningKey, user_id: str | None) -> int:
    """
    Return the security version that the user signed.

    The SDK of 2025 also signed the id of the user.  The SDK 0.2.0-main.1054 signs only the version.
    """
    payload = _verify(signed, key, SECURITY_STATE)
    entity, version = payload.get("entityId"), payload.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < V2:
        raise UnsupportedEncStringError("the account's security state has a form that bwrun does not know")
    if entity is not None and user_id is not None and entity != _uuid_bytes(user_id):
        raise IntegrityError("another user is signed")
    return version


def _verify(signed: bytes, key: SigningKey, namespace: int) -> dict[int | str, cbor.Value]:
    return cbor.decode_map(verify_sign1(signed, key, namespace))


def _uuid_bytes(text: str) -> bytes:
    """Return the 16 bytes of a UUID (without the module `uuid`, which loads `platform`)."""
    try:
        data = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        data = b""
    if len(data) != 16:
        raise MalformedEncStringError("the user's id is not a UUID")
    return data
