"""
The keys of a vault, of both kinds, and what each of them decrypts.

    AesKey    V1: 64 bytes, for AES-256-CBC with HMAC. It decrypts only EncStrings of type 2.
    AeadKey   V2: a COSE key with an id. It decrypts only EncStrings of type 7.

An EncString of another type is refused, and the error names the type: a server must not be able to choose a weaker
type (a downgrade).  COSE is imported only when the first key or EncString of V2 is read, because the import takes 8 ms
and V1 accounts do not need it.  Facts: bitwarden/sdk-internal:crates/bitwarden-crypto/src/keys/symmetric_crypto_key.rs,
src/store/context.rs (unwrap_symmetric_key), src/enc_string/symmetric.rs; protocol notes 2.2 and 2.3.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from bwrun.base.errors import MalformedEncStringError, UnsupportedEncStringError
from bwrun.crypto import primitives
from bwrun.crypto.encstring import (
    AES_256_CBC_HMAC_SHA256,
    COSE_ENCRYPT0,
    COSE_KEY,
    IV_SIZE,
    LEGACY_KEY,
    MAC_SIZE,
    NAMES,
    OCTETS,
    PADDED_UTF8,
    EncString,
    SymmetricKey,
    encrypt_to_text,
    from_base64,
    kind_of,
)

if TYPE_CHECKING:
    from bwrun.crypto.cose import CoseKey, Encrypt0

MAX_TEXT = 24 * 1024 * 1024  # characters of one EncString: the official server takes 500 kB for a whole item


class VaultKey(ABC):
    """A key that decrypts EncStrings."""

    @property
    @abstractmethod
    def key_id(self) -> bytes:
        """The 16 bytes that identify this key (`userKeyId`, `containedKeyId`)."""

    @abstractmethod
    def decrypt_bytes(self, encstring: str, content_type: int | str) -> bytes:
        """
        Decrypt an EncString whose content has the type `content_type`, which an EncString of type 2 does not tell.

        Raises MalformedEncStringError, UnsupportedEncStringError, IntegrityError.
        """

    @abstractmethod
    def unwrap_key(self, encstring: str) -> VaultKey:
        """Decrypt an EncString that contains a key. Raises the errors of `decrypt_bytes`."""

    @abstractmethod
    def decrypt_buffer(self, buffer: bytes) -> bytes:
        """Decrypt the binary form of an EncString, an attachment's body. Raises the errors of `decrypt_bytes`."""

    @abstractmethod
    def encode(self) -> bytes:
        """Return the key in the form that `parse_key` reads."""

    def decrypt_text(self, encstring: str) -> str:
        """Decrypt an EncString that contains text. Raises the errors of `decrypt_bytes`."""
        try:
            return self.decrypt_bytes(encstring, PADDED_UTF8).decode()
        except UnicodeDecodeError:
            raise MalformedEncStringError("the decrypted text is not UTF-8") from None

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return f"{type(self).__name__}(…)"


class AesKey(VaultKey):
    """A V1 key."""

    def __init__(self, key: SymmetricKey) -> None:
        """Take the two halves of the key."""
        self.symmetric_key = key

    @property
    def key_id(self) -> bytes:
        """The first half of the thumbprint of the key as a COSE_Key (RFC 9679)."""
        from bwrun.crypto import cbor, cose  # noqa: PLC0415

        thumbprint = primitives.sha256(cbor.encode({cose.KTY: cose.SYMMETRIC, cose.K: self.encode()}))
        return thumbprint[: cose.KID_SIZE]

    def decrypt_bytes(self, encstring: str, content_type: int | str) -> bytes:  # noqa: ARG002  (type 2 does not say)
        """Decrypt an EncString of type 2."""
        _check_kind(encstring, AES_256_CBC_HMAC_SHA256)
        return EncString.parse(encstring).decrypt(self.symmetric_key)

    def unwrap_key(self, encstring: str) -> VaultKey:
        """Decrypt an EncString of type 2 that contains a key: 64 bytes, or a padded COSE_Key."""
        return parse_key(self.decrypt_bytes(encstring, LEGACY_KEY))

    def decrypt_buffer(self, buffer: bytes) -> bytes:
        """Decrypt the binary form of type 2: one byte for the type, IV, MAC, data."""
        body = _body(buffer, AES_256_CBC_HMAC_SHA256)
        iv, mac, data = body[:IV_SIZE], body[IV_SIZE : IV_SIZE + MAC_SIZE], body[IV_SIZE + MAC_SIZE :]
        if not data or len(data) % primitives.BLOCK:
            raise MalformedEncStringError("an encrypted file is not a multiple of 16 bytes long")
        return EncString(AES_256_CBC_HMAC_SHA256, iv, data, mac).decrypt(self.symmetric_key)

    def unwrap_key_from_buffer(self, buffer: bytes) -> VaultKey:
        """Decrypt the binary form of type 2 that contains a key: 64 bytes, or a padded COSE_Key."""
        return parse_key(self.decrypt_buffer(buffer))

    def encode(self) -> bytes:
        """Return the 64 bytes."""
        return self.symmetric_key.to_bytes()

    @classmethod
    def make(cls) -> AesKey:
        """Make a random key."""
        return cls(SymmetricKey.from_bytes(primitives.random_bytes(SymmetricKey.SIZE)))

    def encrypt_text(self, text: str) -> str:
        """Encrypt a text into an EncString of type 2."""
        return encrypt_to_text(text.encode(), self.symmetric_key)

    def wrap_key(self, key: VaultKey) -> str:
        """Encrypt a key of any kind into an EncString of type 2."""
        return encrypt_to_text(key.encode(), self.symmetric_key)


class AeadKey(VaultKey):
    """A V2 key: XAES-256-GCM, XChaCha20-Poly1305 or AES-256-GCM."""

    def __init__(self, key: CoseKey, encoded: bytes) -> None:
        """Take the key; `encoded` is the COSE_Key from which it was read, without padding."""
        self.cose_key = key
        self._encoded = encoded

    @property
    def key_id(self) -> bytes:
        """The id that is part of the key."""
        return self.cose_key.kid

    def decrypt_bytes(self, encstring: str, content_type: int | str) -> bytes:
        """Decrypt an EncString of type 7, and remove the padding of text."""
        return self._open(_message(encstring), content_type)

    def unwrap_key(self, encstring: str) -> VaultKey:
        """Decrypt an EncString of type 7 that contains a key in one of two forms, which the content type names."""
        message = _message(encstring)
        if message.content_type == COSE_KEY:
            return _from_cose(self._open(message, COSE_KEY))
        return parse_key(self._open(message, LEGACY_KEY))

    def decrypt_buffer(self, buffer: bytes) -> bytes:
        """Decrypt the binary form of type 7: one byte for the type, and a COSE message."""
        from bwrun.crypto.cose import Encrypt0  # noqa: PLC0415

        return self._open(Encrypt0.parse(_body(buffer, COSE_ENCRYPT0)), OCTETS)

    def encode(self) -> bytes:
        """Return the COSE_Key with padding up to 65 bytes, or with one byte of padding if it is longer."""
        size = max(1, SymmetricKey.SIZE + 1 - len(self._encoded))
        return self._encoded + bytes((size,)) * size

    def _open(self, message: Encrypt0, content_type: int | str) -> bytes:
        found = message.content_type
        if found != content_type or isinstance(found, bool):
            raise UnsupportedEncStringError("an encrypted value has an unexpected content type")
        plaintext = message.open(self.cose_key)
        if content_type != PADDED_UTF8:
            return plaintext
        from bwrun.crypto.cose import unpad  # noqa: PLC0415

        return unpad(plaintext)


def parse_key(encoded: bytes) -> VaultKey:
    """
    Read a key as it is in an EncString of type 2: 64 bytes, or a longer COSE_Key with padding.

    Raises UnsupportedEncStringError: it is shorter than 64 bytes, for example an old key for encryption without a MAC;
    MalformedEncStringError.
    """
    if len(encoded) <= SymmetricKey.SIZE:
        return AesKey(SymmetricKey.from_bytes(encoded))
    from bwrun.crypto.cose import unpad  # noqa: PLC0415

    return _from_cose(unpad(encoded))


def _from_cose(encoded: bytes) -> AeadKey:
    from bwrun.crypto.cose import CoseKey  # noqa: PLC0415

    return AeadKey(CoseKey.parse(encoded), encoded)


def _message(encstring: str) -> Encrypt0:
    _check_kind(encstring, COSE_ENCRYPT0)
    from bwrun.crypto.cose import Encrypt0  # noqa: PLC0415

    return Encrypt0.parse(from_base64(encstring.partition(".")[2]))


def _check_kind(encstring: str, expected: int) -> None:
    """Raise an error if the text is too long, is not an EncString, or has a type that this key does not decrypt."""
    if len(encstring) > MAX_TEXT:
        raise MalformedEncStringError(f"an encrypted value is too large ({len(encstring)} characters)")
    if expected == AES_256_CBC_HMAC_SHA256 and encstring.startswith("2."):
        return  # nearly all EncStrings
    kind = kind_of(encstring)
    if kind is None:
        raise MalformedEncStringError("an encrypted value does not begin with its type")
    _refuse_other(kind, expected)


def _body(buffer: bytes, expected: int) -> bytes:
    if not buffer:
        raise MalformedEncStringError("an encrypted file is empty")
    _refuse_other(buffer[0], expected)
    return buffer[1:]


def _refuse_other(kind: int, expected: int) -> None:
    if kind != expected:
        name = NAMES.get(kind, "unknown")
        raise UnsupportedEncStringError(
            f"encryption type {kind} ({name}) does not fit the key, which is of type {expected}"
        )
