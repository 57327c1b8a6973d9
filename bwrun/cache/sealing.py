"""
Sealing what a cache file contains: AES-256-GCM under a key that needs the client secret and the master password.

    stretched = scrypt(master password, salt, N, r, p = 1)
    key       = HKDF-SHA256(salt, client secret and stretched, "bwrun cache")

So whoever reads the file without the client secret learns nothing. Who has the client secret can guess master passwords
against the file, at the cost of one scrypt each; docs/security-model.md has the figures.

A user key in place of the master password is not stretched, because nobody can guess it. An account with neither has a
Key Connector, and is sealed under the client secret alone.
"""

from __future__ import annotations

from bwrun.cache.secrets import PASSWORD, Secrets
from bwrun.crypto import primitives

SALT_SIZE = 16  # bytes
NONCE_SIZE = 12  # bytes
TAG_SIZE = 16  # bytes
OVERHEAD = NONCE_SIZE + TAG_SIZE  # bytes that sealing adds
# scrypt with N = 2 ** 13 and r = 8 takes 8 MiB, and 16 ms where PBKDF2 of a new account takes 134 ms.
LOG_COST = 13
BLOCK_SIZE = 8
MAX_LOG_COST = 16  # a file that asks for more is not bwrun's, and reading it must not take seconds or gigabytes
INFO = b"bwrun cache 1"


class Seal:
    """The key of one cache file. `bound` is what a sealed part must have been sealed with: it is not secret."""

    def __init__(self, key: bytes) -> None:
        """Take the key, 32 bytes."""
        self._key = key

    def close(self, plaintext: bytes, bound: bytes) -> bytes:
        """Return `plaintext` sealed: the nonce, the ciphertext, the tag."""
        nonce = primitives.random_bytes(NONCE_SIZE)
        return nonce + primitives.aes_256_gcm_encrypt(self._key, nonce, plaintext, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """Return what was sealed. Raises IntegrityError: by another key or with another `bound`, or it was changed."""
        return primitives.aes_256_gcm_decrypt(self._key, sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], bound)


def derive_seal(secrets: Secrets, salt: bytes, log_cost: int, block_size: int) -> Seal:
    """Derive the key of a cache file, which takes about 16 ms for the usual cost."""
    second = b"" if secrets.second is None else secrets.second.reveal()
    if secrets.kind == PASSWORD:
        second = primitives.scrypt(second, salt, 1 << log_cost, block_size)
    parts = (secrets.kind, secrets.client_secret.reveal(), second)
    material = b"".join(len(part).to_bytes(4) + part for part in parts)
    return Seal(primitives.hkdf_expand_sha256(primitives.hmac_sha256(salt, material), INFO))
