"""
The authenticated ciphers of V2 accounts, by their numbers in COSE.

Facts: bitwarden/sdk-internal:crates/bitwarden-crypto/src/cose/mod.rs (numbers), src/hazmat/symmetric_encryption/;
draft-irtf-cfrg-xchacha-03 (XChaCha20-Poly1305); c2sp.org/XAES-256-GCM; RFC 9053 4.1 (A256GCM).
"""

from __future__ import annotations

import struct

from bwrun.base.errors import IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.crypto import primitives

A256GCM = 3
XCHACHA20_POLY1305 = -70000
XAES_256_GCM = -70010

NAMES = {A256GCM: "AES-256-GCM", XCHACHA20_POLY1305: "XChaCha20-Poly1305", XAES_256_GCM: "XAES-256-GCM"}
NONCE_SIZES = {A256GCM: 12, XCHACHA20_POLY1305: 24, XAES_256_GCM: 24}
TAG_SIZE = 16
CHACHA_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")
XAES_LABEL = b"X\0"  # the ASCII letter and a zero byte, in both halves of the derivation


def decrypt(algorithm: int, key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """
    Verify the tag (the last 16 bytes), then decrypt. `key` has 32 bytes.

    Raises UnsupportedEncStringError: no such algorithm; MalformedEncStringError: a nonce of another size;
    IntegrityError.
    """
    if algorithm not in NONCE_SIZES:
        raise UnsupportedEncStringError(f"COSE algorithm {algorithm} is not supported")
    if len(nonce) != NONCE_SIZES[algorithm]:
        raise MalformedEncStringError(f"a nonce of {NAMES[algorithm]} cannot have {len(nonce)} bytes")
    if len(ciphertext) < TAG_SIZE:
        raise IntegrityError("the authentication tag is missing")
    if algorithm == XCHACHA20_POLY1305:
        subkey = hchacha20(key, nonce[:16])
        return primitives.chacha20_poly1305_decrypt(subkey, bytes(4) + nonce[16:], ciphertext, associated)
    if algorithm == XAES_256_GCM:
        key, nonce = _xaes_key(key, nonce[:12]), nonce[12:]
    return primitives.aes_256_gcm_decrypt(key, nonce, ciphertext, associated)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """
    Derive a key of 32 bytes from a key and 16 bytes of a nonce (draft-irtf-cfrg-xchacha-03 2.2).

    HChaCha20 is the block function of ChaCha20 without its last step, which adds the initial state.  `cryptography` has
    only the whole block function, so this subtracts the initial state again.  The result consists of the words 0 to 3,
    where the initial state has the constants, and 12 to 15, where it has the nonce.
    """
    words = struct.unpack("<16I", primitives.chacha20_block(key, nonce))
    answer = zip(words[:4] + words[12:], CHACHA_CONSTANTS + struct.unpack("<4I", nonce), strict=True)
    return struct.pack("<8I", *((word - initial) & 0xFFFFFFFF for word, initial in answer))


def _xaes_key(key: bytes, nonce: bytes) -> bytes:
    """Derive the AES-GCM key from the first 12 bytes of the nonce (NIST SP 800-108 with CMAC, counters 1 and 2)."""
    return b"".join(primitives.aes_256_cmac(key, bytes((0, count)) + XAES_LABEL + nonce) for count in (1, 2))
