"""
master password → master key → stretched master key → user key.

Facts: bitwarden/sdk-internal:crates/bitwarden-crypto/src/keys/{kdf,master_key,utils}.rs;
limits: bitwarden/server:src/Core/KeyManagement/Kdf/KdfConstants.cs and the SDK's own minima.
"""

from __future__ import annotations

from dataclasses import dataclass

from bwrun.crypto import primitives
from bwrun.crypto.encstring import AES_256_CBC, EncString, SymmetricKey
from bwrun.errors import CryptoError, IntegrityError, WrongMasterPasswordError
from bwrun.sensitive import Sensitive

# What is accepted: below it an attacker could have lowered the cost (downgrade), above it he could stop the machine.
PBKDF2_ITERATIONS = range(5_000, 10_000_001)
ARGON2_ITERATIONS = range(1, 11)
ARGON2_MEMORY_MIB = range(15, 1025)
ARGON2_PARALLELISM = range(1, 17)


@dataclass(frozen=True)
class Pbkdf2:
    """PBKDF2-HMAC-SHA256."""

    iterations: int


@dataclass(frozen=True)
class Argon2id:
    """Argon2id; `memory_mib` in MiB."""

    iterations: int
    memory_mib: int
    parallelism: int


Kdf = Pbkdf2 | Argon2id


@dataclass(frozen=True)
class UnlockData:
    """What the server keeps for unlocking: how the master key is derived, and what it wraps."""

    kdf: Kdf
    salt: str  # "typically the user's e-mail address"
    master_key_wrapped_user_key: str


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
            "kdf-parameters", f"the server says {what}: {value}, and accounts have {allowed[0]} to {allowed[-1]}",
            "too low makes the master password easy to guess, too high stops this machine: ask who runs the server",
        )  # fmt: skip


def derive_master_key(master_password: Sensitive, salt: str, kdf: Kdf) -> bytes:
    """
    Return the 32-byte master key.

    The salt is stripped and lower-cased; the password's bytes are taken as they are, without normalisation.
    """
    salt_bytes = salt.strip().lower().encode()
    if isinstance(kdf, Pbkdf2):
        return primitives.pbkdf2_sha256(master_password.reveal(), salt_bytes, kdf.iterations)
    return primitives.argon2id(
        master_password.reveal(), primitives.sha256(salt_bytes), kdf.iterations, kdf.memory_mib, kdf.parallelism
    )


def stretch_master_key(master_key: bytes) -> SymmetricKey:
    """Return the 64-byte key that wraps the user key."""
    return SymmetricKey(
        primitives.hkdf_expand_sha256(master_key, b"enc"), primitives.hkdf_expand_sha256(master_key, b"mac")
    )


def unwrap_user_key(unlock: UnlockData, master_password: Sensitive, *, testing_any_cost: bool = False) -> SymmetricKey:
    """
    Derive the master key and open the user key with it.

    Raises WrongMasterPasswordError; CryptoError: parameters out of range, or a form that is not supported.
    """
    check_kdf(unlock.kdf, testing_any_cost=testing_any_cost)
    wrapped = EncString.parse(unlock.master_key_wrapped_user_key)
    master_key = derive_master_key(master_password, unlock.salt, unlock.kdf)
    try:
        if wrapped.kind == AES_256_CBC:
            # The one legacy form without a MAC: accounts that never changed their password since 2017.
            key = primitives.aes_256_cbc_decrypt(master_key, wrapped.iv, wrapped.data)
        else:
            key = wrapped.decrypt(stretch_master_key(master_key))
    except IntegrityError:
        raise WrongMasterPasswordError from None
    if wrapped.kind == AES_256_CBC and len(key) not in (SymmetricKey.SIZE, primitives.KEY_SIZE):
        raise WrongMasterPasswordError  # padding that fits by chance: 1 in 256
    return SymmetricKey.from_bytes(key)
