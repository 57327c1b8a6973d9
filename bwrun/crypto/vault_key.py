"""
A key of the vault: what it opens, and what it refuses, whatever kind it is.

    AesKey    V1: 64 bytes, AES-256-CBC with HMAC. Opens EncStrings of type 2 alone.
    AeadKey   V2: a COSE key with an id. Opens EncStrings of type 7 alone.

A type that the key is not for is refused by name, never tried: that is the downgrade rule.  COSE is imported where a
key or a text of it is met: it costs 8 ms, and V1 accounts have none.  Facts: bitwarden/sdk-internal:crates/
bitwarden-crypto/src/keys/symmetric_crypto_key.rs, src/store/context.rs (unwrap_symmetric_key), src/enc_string/
symmetric.rs; protocol notes 2.2 and 2.3.
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
    from_base64,
    kind_of,
)

if TYPE_CHECKING:
    from bwrun.crypto.cose import CoseKey, Encrypt0

MAX_TEXT = 24 * 1024 * 1024  # characters of one EncString: the official server takes 500 kB for a whole item


class VaultKey(ABC):
    """A key that opens EncStrings; what it is made of stays in here."""

    @property
    @abstractmethod
    def key_id(self) -> bytes:
        """The 16 bytes that name this key (`userKeyId`, `containedKeyId`)."""

    @abstractmethod
    def decrypt_bytes(self, encstring: str, content_type: int | str) -> bytes:
        """
        Open an EncString that holds `content_type` (of `encstring`); type 2 does not say what it holds.

        Raises MalformedEncStringError, UnsupportedEncStringError, IntegrityError.
        """

    @abstractmethod
    def unwrap_key(self, encstring: str) -> VaultKey:
        """Open an EncString that holds a key. Raises as `decrypt_bytes` does."""

    @abstractmethod
    def decrypt_buffer(self, buffer: bytes) -> bytes:
        """Open the binary form: an attachment's body. Raises as `decrypt_bytes` does."""

    @abstractmethod
    def encode(self) -> bytes:
        """Return the key as it is wrapped under a key of type 2: what `parse_key` reads."""

    def decrypt_text(self, encstring: str) -> str:
        """Open an EncString that holds a text. Raises as `decrypt_bytes` does."""
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
        """Wrap the two halves."""
        self.symmetric_key = key

    @property
    def key_id(self) -> bytes:
        """The first half of the COSE_Key's thumbprint (RFC 9679)."""
        from bwrun.crypto import cbor, cose  # noqa: PLC0415

        thumbprint = primitives.sha256(cbor.encode({cose.KTY: cose.SYMMETRIC, cose.K: self.encode()}))
        return thumbprint[: cose.KID_SIZE]

    def decrypt_bytes(self, encstring: str, content_type: int | str) -> bytes:  # noqa: ARG002  (type 2 does not say)
        """Open an EncString of type 2."""
        _check_kind(encstring, AES_256_CBC_HMAC_SHA256)
        return EncString.parse(encstring).decrypt(self.symmetric_key)

    def unwrap_key(self, encstring: str) -> VaultKey:
        """Open an EncString of type 2 that holds a key: of 64 bytes, or a padded COSE_Key."""
        return parse_key(self.decrypt_bytes(encstring, LEGACY_KEY))

    def decrypt_buffer(self, buffer: bytes) -> bytes:
        """Open type, IV, MAC, data."""
        body = _body(buffer, AES_256_CBC_HMAC_SHA256)
        iv, mac, data = body[:IV_SIZE], body[IV_SIZE : IV_SIZE + MAC_SIZE], body[IV_SIZE + MAC_SIZE :]
        if not data or len(data) % primitives.BLOCK:
            raise MalformedEncStringError("an encrypted file is not a multiple of 16 bytes long")
        return EncString(AES_256_CBC_HMAC_SHA256, iv, data, mac).decrypt(self.symmetric_key)

    def encode(self) -> bytes:
        """Return the 64 bytes."""
        return self.symmetric_key.to_bytes()


class AeadKey(VaultKey):
    """A V2 key: XAES-256-GCM, XChaCha20-Poly1305 or AES-256-GCM."""

    def __init__(self, key: CoseKey, encoded: bytes) -> None:
        """Wrap the key; `encoded` is the COSE_Key it was read from, without padding."""
        self.cose_key = key
        self._encoded = encoded

    @property
    def key_id(self) -> bytes:
        """The id the key was given when it was made."""
        return self.cose_key.kid

    def decrypt_bytes(self, encstring: str, content_type: int | str) -> bytes:
        """Open an EncString of type 7; text comes without its padding."""
        return self._open(_message(encstring), content_type)

    def unwrap_key(self, encstring: str) -> VaultKey:
        """Open an EncString of type 7 that holds a key: its content type says how that is written."""
        message = _message(encstring)
        if message.content_type == COSE_KEY:
            return _from_cose(self._open(message, COSE_KEY))
        return parse_key(self._open(message, LEGACY_KEY))

    def decrypt_buffer(self, buffer: bytes) -> bytes:
        """Open type and COSE message."""
        from bwrun.crypto.cose import Encrypt0  # noqa: PLC0415

        return self._open(Encrypt0.parse(_body(buffer, COSE_ENCRYPT0)), OCTETS)

    def encode(self) -> bytes:
        """Return the COSE_Key with padding: to 65 bytes, or one byte where it is that long already."""
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
    Read a key as it is wrapped under a key of type 2: 64 bytes, or more for a COSE_Key with padding.

    Raises UnsupportedEncStringError: 32 bytes, without a MAC, or another size; MalformedEncStringError.
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
    """Refuse what is too long, no EncString, or of a type this key is not for."""
    if len(encstring) > MAX_TEXT:
        raise MalformedEncStringError(f"an encrypted value is too large ({len(encstring)} characters)")
    if expected == AES_256_CBC_HMAC_SHA256 and encstring.startswith("2."):
        return  # the most common by far
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
