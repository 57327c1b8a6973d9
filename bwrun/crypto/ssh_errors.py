"""The errors of a text that should be a private SSH key."""

from __future__ import annotations

from bwrun.base.errors import CryptoError


def no_ssh_key() -> CryptoError:
    """Return the error of a text that is no private key that SSH can use."""
    return CryptoError("ssh-key", "this is no private key that SSH can use", "Ed25519, RSA and ECDSA keys work")


def encrypted_ssh_key() -> CryptoError:
    """Return the error of a private key that is encrypted with a passphrase."""
    return CryptoError(
        "ssh-passphrase", "the private key is encrypted with a passphrase",
        "remove the passphrase (`ssh-keygen -p -f FILE`) and store the key again; the vault encrypts it",
    )  # fmt: skip
