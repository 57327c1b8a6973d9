"""
The account's RSA key pair, whose private key decrypts the keys of organizations.

Facts: bitwarden/sdk-internal:crates/bitwarden-crypto/src/enc_string/asymmetric.rs; protocol notes 2.2 and 2.4.
"""

from __future__ import annotations

import base64

from bwrun.base.errors import CryptoError, UnsupportedEncStringError
from bwrun.crypto import primitives
from bwrun.crypto.encstring import EncString, SymmetricKey, encrypt_to_text, from_base64, kind_of

RSA_OAEP_SHA256 = (3, 5)
RSA_OAEP_SHA1 = (4, 6)
MAKE_BITS = 2048


class PrivateKey:
    """An RSA private key."""

    def __init__(self, key: primitives.RsaPrivateKey, der: bytes) -> None:
        """Wrap the key; `der` is its PKCS#8 form."""
        self._key = key
        self._der = der

    @classmethod
    def unwrap(cls, wrapped: str, user_key: SymmetricKey) -> PrivateKey:
        """
        Decrypt the account's private key with the user key.

        Raises CryptoError: it cannot be decrypted, or is not an RSA key.
        """
        der = EncString.parse(wrapped).decrypt(user_key)
        return cls(primitives.load_rsa_private_key(der), der)

    @classmethod
    def make(cls, bits: int = MAKE_BITS) -> PrivateKey:
        """Make a new key, which takes about 0.1 s with 2048 bits, and a quarter of that with 1024."""
        der = primitives.make_rsa_private_key(bits)
        return cls(primitives.load_rsa_private_key(der), der)

    def wrap(self, user_key: SymmetricKey) -> str:
        """Encrypt the key with the user key, as clients do before they send it to a server."""
        return encrypt_to_text(self._der, user_key)

    def wrap_organization_key(self, key: SymmetricKey) -> str:
        """Encrypt an organization's key with the public half of this key, into an EncString of type 4."""
        encrypted = primitives.rsa_oaep_encrypt(self._key, key.to_bytes())
        return f"{RSA_OAEP_SHA1[0]}.{base64.b64encode(encrypted).decode('ascii')}"

    def unwrap_organization_key(self, wrapped: str) -> SymmetricKey:
        """
        Decrypt an organization's key, of type 3 to 6. As in the SDK, the MAC of types 5 and 6 is ignored.

        Raises CryptoError: it has another type, or cannot be decrypted.
        """
        kind = kind_of(wrapped)
        if kind not in (*RSA_OAEP_SHA1, *RSA_OAEP_SHA256):
            raise UnsupportedEncStringError(f"an organization's key cannot have encryption type {kind}")
        data = from_base64(wrapped.partition(".")[2].partition("|")[0])
        return SymmetricKey.from_bytes(primitives.rsa_oaep_decrypt(self._key, data, sha256=kind in RSA_OAEP_SHA256))

    def opens(self, wrapped: object) -> bool:
        """Return whether `wrapped` is an organization's key that this key decrypts."""
        try:
            return isinstance(wrapped, str) and bool(self.unwrap_organization_key(wrapped).enc_key)
        except CryptoError:
            return False


def find_private_key(wrapped: str | None, user_key: SymmetricKey) -> PrivateKey | None:
    """Return a V1 account's private key, None if it is missing or cannot be decrypted: the account works without."""
    try:
        return None if wrapped is None else PrivateKey.unwrap(wrapped, user_key)
    except CryptoError:
        return None
