"""
What a server keeps of an account's keys: the parameters of the KDF, and the encrypted keys.

This is a module of its own because the reply to a login is read before `cryptography` is imported, which `keys` needs.
"""

from __future__ import annotations

from bwrun.base.structs import Struct


class Pbkdf2(Struct):
    """PBKDF2-HMAC-SHA256."""

    iterations: int


class Argon2id(Struct):
    """Argon2id, with `memory_mib` MiB of memory."""

    iterations: int
    memory_mib: int
    parallelism: int


Kdf = Pbkdf2 | Argon2id


class UnlockData(Struct):
    """How the master key of an account is derived, and the user key that it encrypts."""

    kdf: Kdf
    salt: str  # usually the e-mail address
    master_key_wrapped_user_key: str


class KeyConnectorData(Struct):
    """The same for an account whose master key is kept by a Key Connector, so that it is not derived."""

    kdf: Kdf  # of the former master password, or the default; not used, but the session of the official CLI needs one
    wrapped_user_key: str | None  # None: only the profile in the sync has it


class WrappedAccountKeys(Struct):
    """The other keys of an account, encrypted with the user key; a V1 account has only the private key."""

    private_key: str | None = None  # EncString
    signing_key: str | None = None  # EncString
    signed_public_key: str | None = None  # base64 of COSE_Sign1
    security_state: str | None = None  # base64 of COSE_Sign1

    @property
    def is_v2(self) -> bool:
        """Whether there is a part that only V2 accounts have."""
        has_type_7 = self.private_key is not None and self.private_key.startswith("7.")
        return has_type_7 or any((self.signing_key, self.signed_public_key, self.security_state))

    @property
    def is_partial(self) -> bool:
        """Whether a part is missing that accounts have, except for very old V1 accounts."""
        return self.private_key is None or (self.is_v2 and None in (self.signing_key, self.security_state))
