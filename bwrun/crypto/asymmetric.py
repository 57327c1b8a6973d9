"""
The account's RSA key pair: it opens the keys of organizations.

Facts: bitwarden/sdk-internal:crates/bitwarden-crypto/src/enc_string/asymmetric.rs; protocol notes 2.2 and 2.4.
"""

from __future__ import annotations

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
        Open the account's private key with the user key.

        Raises CryptoError: it does not open, or is no RSA key.
        """
        der = EncString.parse(wrapped).decrypt(user_key)
        return cls(primitives.load_rsa_private_key(der), der)

    @classmethod
    def make(cls) -> PrivateKey:
        """Make a new one (about 0.1 s)."""
        der = primitives.make_rsa_private_key(MAKE_BITS)
        return cls(primitives.load_rsa_private_key(der), der)

    def wrap(self, user_key: SymmetricKey) -> str:
        """Return the key as the server would keep it: an EncString under the user key."""
        return encrypt_to_text(self._der, user_key)

    def unwrap_organization_key(self, wrapped: str) -> SymmetricKey:
        """
        Open an organization's key (types 3 to 6; the MAC of 5 and 6 is of no use and ignored, as in the SDK).

        Raises CryptoError: another type, or it does not open.
        """
        kind = kind_of(wrapped)
        if kind not in (*RSA_OAEP_SHA1, *RSA_OAEP_SHA256):
            raise UnsupportedEncStringError(f"an organization's key cannot have encryption type {kind}")
        data = from_base64(wrapped.partition(".")[2].partition("|")[0])
        return SymmetricKey.from_bytes(primitives.rsa_oaep_decrypt(self._key, data, sha256=kind in RSA_OAEP_SHA256))

    def opens(self, wrapped: object) -> bool:
        """Return whether `wrapped` is an organization's key that this key opens."""
        try:
            return isinstance(wrapped, str) and bool(self.unwrap_organization_key(wrapped).enc_key)
        except CryptoError:
            return False


def find_private_key(wrapped: str | None, user_key: SymmetricKey) -> PrivateKey | None:
    """Return the account's private key, None if it has none that opens: V1 accounts do without."""
    try:
        return None if wrapped is None else PrivateKey.unwrap(wrapped, user_key)
    except CryptoError:
        return None
