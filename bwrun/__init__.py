"""
bwrun: run a command with an unlocked Bitwarden session, and leave nothing behind.

A Python program imports `open_vault`, `open_session` and the errors from here; docs/library.md says how they are used.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.base.errors import (
        AmbiguousReferenceError,
        AuthenticationError,
        BwrunError,
        CommandError,
        ConfigError,
        CredentialError,
        CryptoError,
        FailedReferenceError,
        IntegrityError,
        InvalidReferenceError,
        InvalidTotpError,
        MalformedEncStringError,
        NetworkError,
        OutputError,
        ProtectedItemError,
        SecretError,
        SecretNotFoundError,
        ServerError,
        SessionError,
        UnavailableItemError,
        UnresolvedReferencesError,
        UnsupportedEncStringError,
        UsageError,
        WrongMasterPasswordError,
    )
    from bwrun.library.keywords import SessionOptions, VaultOptions
    from bwrun.library.sessions import Session, open_session
    from bwrun.library.vaults import Vault, open_vault
    from bwrun.vault.vault import ListedItem

__all__ = [
    "AmbiguousReferenceError",
    "AuthenticationError",
    "BwrunError",
    "CommandError",
    "ConfigError",
    "CredentialError",
    "CryptoError",
    "FailedReferenceError",
    "IntegrityError",
    "InvalidReferenceError",
    "InvalidTotpError",
    "ListedItem",
    "MalformedEncStringError",
    "NetworkError",
    "OutputError",
    "ProtectedItemError",
    "SecretError",
    "SecretNotFoundError",
    "ServerError",
    "Session",
    "SessionError",
    "SessionOptions",
    "UnavailableItemError",
    "UnresolvedReferencesError",
    "UnsupportedEncStringError",
    "UsageError",
    "Vault",
    "VaultOptions",
    "WrongMasterPasswordError",
    "__version__",
    "open_session",
    "open_vault",
]

# Launcher and supervisor import this package too, so nothing is imported before somebody asks for it.
_PLACES = {
    "ListedItem": "bwrun.vault.vault",
    "Session": "bwrun.library.sessions",
    "SessionOptions": "bwrun.library.keywords",
    "Vault": "bwrun.library.vaults",
    "VaultOptions": "bwrun.library.keywords",
    "open_session": "bwrun.library.sessions",
    "open_vault": "bwrun.library.vaults",
}

if not TYPE_CHECKING:  # to a type checker, it would make every name one of this module

    def __getattr__(name):  # noqa: ANN001, ANN202
        """Import a public name. Raises AttributeError: there is no such name."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415

        found = getattr(import_module(_PLACES.get(name, "bwrun.base.errors")), name)
        globals()[name] = found
        return found
