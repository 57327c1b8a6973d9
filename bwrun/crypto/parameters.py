"""
What the server keeps of an account's keys: how the master key is derived, and what is wrapped. Nothing is opened here.

Apart from `keys`, which imports `cryptography`: a login's reply is read while that is imported.
"""

from __future__ import annotations

from bwrun.base.structs import Struct


class Pbkdf2(Struct):
    """PBKDF2-HMAC-SHA256."""

    iterations: int


class Argon2id(Struct):
    """Argon2id; `memory_mib` in MiB."""

    iterations: int
    memory_mib: int
    parallelism: int


Kdf = Pbkdf2 | Argon2id


class UnlockData(Struct):
    """What the server keeps for unlocking: how the master key is derived, and what it wraps."""

    kdf: Kdf
    salt: str  # "typically the user's e-mail address"
    master_key_wrapped_user_key: str


class KeyConnectorData(Struct):
    """The same for an account whose master key a Key Connector keeps: nothing is derived."""

    kdf: Kdf  # of the master password that it once had, or the default; the official CLI wants one
    wrapped_user_key: str | None  # None: the sync's profile alone has it


class WrappedAccountKeys(Struct):
    """What the server keeps of an account's keys, beside the user key; a V1 account has the first alone."""

    private_key: str | None = None  # EncString
    signing_key: str | None = None  # EncString
    signed_public_key: str | None = None  # base64 of COSE_Sign1
    security_state: str | None = None  # base64 of COSE_Sign1

    @property
    def is_v2(self) -> bool:
        """Whether any part is one that V2 accounts alone have."""
        has_type_7 = self.private_key is not None and self.private_key.startswith("7.")
        return has_type_7 or any((self.signing_key, self.signed_public_key, self.security_state))

    @property
    def is_partial(self) -> bool:
        """Whether a part is missing that every account of this kind has, but V1 accounts of long ago."""
        return self.private_key is None or (self.is_v2 and None in (self.signing_key, self.security_state))
