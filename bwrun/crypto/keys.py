"""
master password → master key → stretched master key.

Facts: bitwarden/sdk-internal:crates/bitwarden-crypto/src/keys/{kdf,master_key,utils}.rs;
limits: bitwarden/server:src/Core/KeyManagement/Kdf/KdfConstants.cs and the SDK's own minima.
"""

from __future__ import annotations

from bwrun.base.errors import CryptoError
from bwrun.base.sensitive import Sensitive
from bwrun.crypto import primitives
from bwrun.crypto.encstring import SymmetricKey
from bwrun.crypto.parameters import Kdf, Pbkdf2

# What is accepted: below it an attacker could have lowered the cost (downgrade), above it he could stop the machine.
PBKDF2_ITERATIONS = range(5_000, 10_000_001)
ARGON2_ITERATIONS = range(1, 11)
ARGON2_MEMORY_MIB = range(15, 1025)
ARGON2_PARALLELISM = range(1, 17)


def check_kdf(kdf: Kdf, *, testing_any_cost: bool = False) -> None:
    """
    Refuse costs outside of what accounts can have.

    Raises CryptoError.
    """
    if testing_any_cost:
        return
    if isinstance(kdf, Pbkdf2):
        _check("PBKDF2 iterations", kdf.iterations, PBKDF2_ITERATIONS)
        return
    _check("Argon2id iterations", kdf.iterations, ARGON2_ITERATIONS)
    _check("Argon2id memory in MiB", kdf.memory_mib, ARGON2_MEMORY_MIB)
    _check("Argon2id parallelism", kdf.parallelism, ARGON2_PARALLELISM)


def _check(what: str, value: int, allowed: range) -> None:
    if value not in allowed:
        raise CryptoError(
            "kdf-parameters", f"the server sets the {what} to {value}, outside of {allowed[0]} to {allowed[-1]}",
            "ask the server's administrator: low costs make the password easy to guess, high ones stall this machine",
        )  # fmt: skip


def derive_master_key(master_password: Sensitive, salt: str, kdf: Kdf) -> bytes:
    """
    Return the 32-byte master key.

    The salt is stripped and lower-cased; the password's bytes are taken as they are, without normalisation.
    """
    salt_bytes = salt.strip().lower().encode()
    if isinstance(kdf, Pbkdf2):
        return primitives.pbkdf2_sha256(master_password.reveal(), salt_bytes, kdf.iterations)
    from bwrun.crypto.argon import argon2id  # noqa: PLC0415  (20 ms, and most accounts have PBKDF2)

    return argon2id(
        master_password.reveal(), primitives.sha256(salt_bytes), kdf.iterations, kdf.memory_mib, kdf.parallelism
    )


def stretch_master_key(master_key: bytes) -> SymmetricKey:
    """Return the 64-byte key that wraps the user key."""
    return SymmetricKey(
        primitives.hkdf_expand_sha256(master_key, b"enc"), primitives.hkdf_expand_sha256(master_key, b"mac")
    )
