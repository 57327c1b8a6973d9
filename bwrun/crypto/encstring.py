"""
EncStrings, Bitwarden's form of an encrypted value: `type.iv|data|mac`.

The form is checked strictly, and nothing is decrypted before its MAC is verified.  An EncString of a type that is
unknown or has no MAC is refused; the error names the type.  Facts: bitwarden/sdk-internal:crates/bitwarden-crypto/src/
enc_string/symmetric.rs.
"""

from __future__ import annotations

import base64
import binascii

from bwrun.base.errors import IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.base.structs import Struct
from bwrun.crypto import primitives

AES_256_CBC = 0  # not authenticated
AES_256_CBC_HMAC_SHA256 = 2
COSE_ENCRYPT0 = 7

# Content types of EncStrings of type 7: numbers of CoAP, and Bitwarden's own names (protocol notes 2.5).
OCTETS, CBOR, COSE_KEY, PKCS8 = 42, 60, 101, 284
PADDED_UTF8 = "application/x.bitwarden.utf8-padded"
PADDED_CBOR = "application/x.bitwarden.cbor-padded"
LEGACY_KEY = "application/x.bitwarden.legacy-key"

IV_SIZE = 16
MAC_SIZE = 32
# The possible last digits of base64 if 1 or 2 bytes are left at the end: its unused bits are zero.
LAST_DIGITS = ("", "AQgw", "AEIMQUYcgkosw048")
NAMES = {
    0: "AES-256-CBC without a MAC", 1: "AES-128-CBC with HMAC", 2: "AES-256-CBC with HMAC",
    3: "RSA-OAEP-SHA256", 4: "RSA-OAEP-SHA1", 5: "RSA-OAEP-SHA256 with HMAC", 6: "RSA-OAEP-SHA1 with HMAC",
    7: "COSE",
}  # fmt: skip


class SymmetricKey(Struct):
    """A 64-byte key: 32 bytes for AES-256-CBC, 32 for HMAC-SHA256."""

    enc_key: bytes
    mac_key: bytes

    SIZE = 64

    @classmethod
    def from_bytes(cls, key: bytes) -> SymmetricKey:
        """
        Split a key of 64 bytes into its halves.

        Raises UnsupportedEncStringError: the key has another size, and is therefore of another kind.
        """
        if len(key) != cls.SIZE:
            raise UnsupportedEncStringError(f"a key of AES-256-CBC with HMAC cannot have {len(key)} bytes")
        return cls(key[:32], key[32:])

    def to_bytes(self) -> bytes:
        """Return the 64 bytes."""
        return self.enc_key + self.mac_key


class EncString:
    """An EncString of type 0 or 2, split into its parts."""

    __slots__ = ("data", "iv", "kind", "mac")  # a large vault makes thousands of these

    def __init__(self, kind: int, iv: bytes, data: bytes, mac: bytes) -> None:
        """Take the parts without a check, which `parse()` makes."""
        self.kind = kind
        self.iv = iv
        self.data = data
        self.mac = mac

    @classmethod
    def parse(cls, text: str) -> EncString:
        """
        Read `0.iv|data` or `2.iv|data|mac`, whose parts are padded standard base64.

        Raises MalformedEncStringError; UnsupportedEncStringError: it has another type.
        """
        if text[:2] == "2." and text[26:27] == text[-45:-44] == "|":
            # Nearly all EncStrings have this form, with an IV and a MAC of a fixed size, and it is faster to read.
            return cls._make(AES_256_CBC_HMAC_SHA256, [text[2:26], text[27:-45], text[-44:]])
        _, dot, rest = text.partition(".")
        if not dot:
            raise MalformedEncStringError("an encrypted value does not begin with its type")
        kind = kind_of(text)
        if kind is None:
            raise MalformedEncStringError("an encrypted value's type is not a number")
        if kind not in (AES_256_CBC, AES_256_CBC_HMAC_SHA256):
            raise UnsupportedEncStringError(
                f"encryption type {kind} ({NAMES.get(kind, 'unknown')}) is not accepted here"
            )
        return cls._make(kind, rest.split("|"))

    @classmethod
    def _make(cls, kind: int, encoded: list[str]) -> EncString:
        parts = [from_base64(part) for part in encoded]
        expected = 3 if kind == AES_256_CBC_HMAC_SHA256 else 2
        if len(parts) != expected:
            raise MalformedEncStringError(f"an encrypted value of type {kind} has {len(parts)} parts, not {expected}")
        iv, data, mac = (*parts, b"")[:3]
        if len(iv) != IV_SIZE or len(mac) != (MAC_SIZE if kind == AES_256_CBC_HMAC_SHA256 else 0):
            raise MalformedEncStringError(f"an encrypted value of type {kind} has an IV or a MAC of the wrong size")
        if not data or len(data) % primitives.BLOCK:
            raise MalformedEncStringError(f"an encrypted value of type {kind} is not a multiple of 16 bytes long")
        return cls(kind, iv, data, mac)

    def decrypt(self, key: SymmetricKey) -> bytes:
        """
        Verify the MAC, then decrypt.

        Raises UnsupportedEncStringError: there is no MAC (a downgrade); IntegrityError: the MAC does not match.
        """
        if self.kind != AES_256_CBC_HMAC_SHA256:
            raise UnsupportedEncStringError(f"encryption type {self.kind} has no MAC, which is refused as a downgrade")
        if not primitives.same_bytes(primitives.hmac_sha256(key.mac_key, self.iv + self.data), self.mac):
            raise IntegrityError("the MAC does not match")
        return primitives.aes_256_cbc_decrypt(key.enc_key, self.iv, self.data)


def kind_of(text: str) -> int | None:
    """Return the type at the beginning of an EncString, None if there is none."""
    prefix, dot, _ = text.partition(".")
    if not dot or not prefix.isascii() or not prefix.isdigit() or len(prefix) > 3:
        return None
    return int(prefix) if prefix == str(int(prefix)) else None


def encrypt_to_buffer(plaintext: bytes, key: SymmetricKey) -> bytes:
    """
    Encrypt `plaintext` into the binary form of an EncString of type 2: one byte for the type, IV, MAC, data.

    (bitwarden/sdk-internal:…/enc_string/symmetric.rs `to_buffer`.)
    """
    iv = primitives.random_bytes(IV_SIZE)
    data = primitives.aes_256_cbc_encrypt(key.enc_key, iv, plaintext)
    mac = primitives.hmac_sha256(key.mac_key, iv + data)
    return bytes((AES_256_CBC_HMAC_SHA256,)) + iv + mac + data


def encrypt_to_text(plaintext: bytes, key: SymmetricKey) -> str:
    """Encrypt `plaintext` into an EncString of type 2."""
    buffer = encrypt_to_buffer(plaintext, key)
    iv, mac, data = buffer[1:17], buffer[17:49], buffer[49:]
    return "2." + "|".join(base64.b64encode(part).decode("ascii") for part in (iv, data, mac))


def from_base64(part: str) -> bytes:
    """
    Decode one part of an EncString, which is padded standard base64.

    Raises MalformedEncStringError.
    """
    try:
        data = binascii.a2b_base64(part, strict_mode=True)
    except (binascii.Error, ValueError):
        raise MalformedEncStringError("an encrypted value is not base64") from None
    rest = len(data) % 3
    if rest and part[rest - 4] not in LAST_DIGITS[rest]:
        raise MalformedEncStringError("an encrypted value is not canonical base64")
    return data
