"""The account's cryptography, written a second time: pycryptodome, hashlib, hmac, and OpenSSL's Argon2id.

Nothing of the product is imported here: the two implementations check each other.  Formats: bitwarden/sdk-internal
crates/bitwarden-crypto/src/{keys,enc_string}; an EncString is "<type>.<base64>|<base64>|...".
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os

from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id as OtherArgon2id

from tests.server.specs import Argon2id, Pbkdf2

IV_BYTES = 16
BLOCK_BYTES = 16
RSA_BITS = 2048


def derive_master_key(master_password: str, salt: str, kdf: Pbkdf2 | Argon2id) -> bytes:
    """32 bytes from the master password; the salt text is trimmed and lower-cased first."""
    secret, salt_bytes = master_password.encode(), salt.strip().lower().encode()
    if isinstance(kdf, Pbkdf2):
        return hashlib.pbkdf2_hmac("sha256", secret, salt_bytes, kdf.iterations, 32)
    return OtherArgon2id(
        salt=hashlib.sha256(salt_bytes).digest(),
        length=32,
        iterations=kdf.iterations,
        lanes=kdf.parallelism,
        memory_cost=kdf.memory_mib * 1024,
    ).derive(secret)


def stretch_master_key(master_key: bytes) -> bytes:
    """64 bytes: HKDF-Expand-SHA256 with "enc", then "mac" (RFC 5869 section 2.3; one block of 32 bytes each)."""
    return b"".join(hmac.digest(master_key, info + b"\x01", "sha256") for info in (b"enc", b"mac"))


def make_symmetric_key() -> bytes:
    """64 random bytes: 32 for AES, 32 for the MAC."""
    return os.urandom(64)


def _encrypt_cbc(plain: bytes, key: bytes) -> tuple[bytes, bytes]:
    padding = BLOCK_BYTES - len(plain) % BLOCK_BYTES
    iv = os.urandom(IV_BYTES)
    return iv, AES.new(key, AES.MODE_CBC, iv).encrypt(plain + bytes([padding]) * padding)


def encrypt(plain: bytes, key: bytes) -> str:
    """A type 2 EncString: AES-256-CBC with PKCS#7, then HMAC-SHA256 over IV and ciphertext."""
    iv, data = _encrypt_cbc(plain, key[:32])
    mac = hmac.digest(key[32:64], iv + data, "sha256")
    return "2." + "|".join(base64.b64encode(part).decode("ascii") for part in (iv, data, mac))


def encrypt_text(text: str | None, key: bytes) -> str | None:
    """A type 2 EncString of UTF-8 text; None stays None."""
    return None if text is None else encrypt(text.encode(), key)


def encrypt_without_mac(plain: bytes, key: bytes) -> str:
    """A type 0 EncString (AES-256-CBC under a 32-byte key), as the user key of very old accounts."""
    iv, data = _encrypt_cbc(plain, key)
    return "0." + "|".join(base64.b64encode(part).decode("ascii") for part in (iv, data))


def encrypt_file(plain: bytes, key: bytes) -> bytes:
    """The binary form of type 2, used for attachments: 0x02, IV, MAC, ciphertext."""
    iv, data = _encrypt_cbc(plain, key[:32])
    return b"\x02" + iv + hmac.digest(key[32:64], iv + data, "sha256") + data


def spoil_mac(enc_string: str) -> str:
    """The same EncString with the last bit of its MAC (or last part) flipped."""
    head, separator, last = enc_string.rpartition("|")
    raw = bytearray(base64.b64decode(last))
    raw[-1] ^= 1
    return head + separator + base64.b64encode(bytes(raw)).decode("ascii")


@functools.cache
def account_rsa_key() -> RSA.RsaKey:
    """One RSA-2048 pair for all accounts of this process: making one takes up to a second."""
    return RSA.generate(RSA_BITS)


@functools.cache
def private_key_der() -> bytes:
    """The private key as PKCS#8 DER."""
    return bytes(account_rsa_key().export_key("DER", pkcs=8))


@functools.cache
def public_key_base64() -> str:
    """The public key as base64 of SubjectPublicKeyInfo DER."""
    return base64.b64encode(account_rsa_key().public_key().export_key("DER")).decode("ascii")


def wrap_for_account(key: bytes) -> str:
    """A type 4 EncString: RSA-2048-OAEP-SHA1, as organization keys are."""
    wrapped = PKCS1_OAEP.new(account_rsa_key()).encrypt(key)
    return "4." + base64.b64encode(wrapped).decode("ascii")


def random_base64(size: int) -> str:
    """`size` random bytes in base64."""
    return base64.b64encode(os.urandom(size)).decode("ascii")
