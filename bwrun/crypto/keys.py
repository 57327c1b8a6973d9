"""
From the master password to the master key and the stretched master key.

Facts: bitwarden/sdk-internal:crates/bitwarden-crypto/src/keys/{kdf,master_key,utils}.rs;
limits: bitwarden/server:src/Core/KeyManagement/Kdf/KdfConstants.cs and the SDK's own minima.
"""

from __future__ import annotations

from bwrun.base.errors import CryptoError
from bwrun.base.sensitive import Sensitive
from bwrun.crypto import primitives
from bwrun.crypto.encstring import SymmetricKey
from bwrun.crypto.parameters import Kdf, Pbkdf2

# Below these ranges, the master password would be easy to guess; a server must not be able to cause that (a downgrade).
# Above them, the algorithms do not work.
PBKDF2_ITERATIONS = range(5_000, 2**31)
ARGON2_ITERATIONS = range(1, 2**31)
ARGON2_MEMORY_MIB = range(15, 2**21)
ARGON2_PARALLELISM = range(1, 2**24)
# Above these limits, the KDF takes minutes on a slow machine, or more memory than it may have. A hostile server could
# ask for that, so the user must allow it. Official servers stay far below. Vaultwarden does not limit iterations.
MOST_PBKDF2_ITERATIONS = 50_000_000
MOST_ARGON2_MEMORY_MIB = 1024
MOST_ARGON2_PASSES = 10 * 1024  # iterations times MiB
MOST_ARGON2_PARALLELISM = 16


def check_kdf(kdf: Kdf, *, allow_costly: bool = False, testing_any_cost: bool = False) -> None:
    """
    Refuse parameters that are too weak, and, unless `allow_costly`, those that could stall this machine.

    Raises CryptoError.
    """
    if testing_any_cost:
        return
    if isinstance(kdf, Pbkdf2):
        _check_range("PBKDF2 iterations", kdf.iterations, PBKDF2_ITERATIONS)
        costs = [("PBKDF2 iterations", kdf.iterations, MOST_PBKDF2_ITERATIONS)]
    else:
        _check_range("Argon2id iterations", kdf.iterations, ARGON2_ITERATIONS)
        _check_range("Argon2id memory in MiB", kdf.memory_mib, ARGON2_MEMORY_MIB)
        _check_range("Argon2id parallelism", kdf.parallelism, ARGON2_PARALLELISM)
        costs = [
            ("Argon2id memory in MiB", kdf.memory_mib, MOST_ARGON2_MEMORY_MIB),
            ("Argon2id iterations times memory in MiB", kdf.iterations * kdf.memory_mib, MOST_ARGON2_PASSES),
            ("Argon2id parallelism", kdf.parallelism, MOST_ARGON2_PARALLELISM),
        ]
    for what, value, most in costs:
        if value > most and not allow_costly:
            raise CryptoError(
                "kdf-parameters", f"the server sets the {what} to {value}, above the limit of {most}",
                "a hostile server could stall this machine; if your account has this setting, use `--allow-costly-kdf`",
            )  # fmt: skip


def _check_range(what: str, value: int, allowed: range) -> None:
    if value not in allowed:
        raise CryptoError(
            "kdf-parameters", f"the server sets the {what} to {value}, outside of {allowed[0]} to {allowed[-1]}",
            "ask the server's administrator: a lower cost would make the master password easy to guess",
        )  # fmt: skip


def derive_master_key(master_password: Sensitive, salt: str, kdf: Kdf) -> bytes:
    """
    Return the 32-byte master key.

    The salt is stripped and converted to lower case. The bytes of the password are used as they are: there is no
    Unicode normalisation.
    """
    salt_bytes = salt.strip().lower().encode()
    if isinstance(kdf, Pbkdf2):
        return primitives.pbkdf2_sha256(master_password.reveal(), salt_bytes, kdf.iterations)
    from bwrun.crypto.argon import argon2id  # noqa: PLC0415  (20 ms, and most accounts have PBKDF2)

    return argon2id(
        master_password.reveal(), primitives.sha256(salt_bytes), kdf.iterations, kdf.memory_mib, kdf.parallelism
    )


def stretch_master_key(master_key: bytes) -> SymmetricKey:
    """Return the 64-byte key that encrypts the user key."""
    return SymmetricKey(
        primitives.hkdf_expand_sha256(master_key, b"enc"), primitives.hkdf_expand_sha256(master_key, b"mac")
    )
