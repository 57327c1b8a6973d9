"""
Everything bwrun can fail with.

A message says what happened and to which thing; hints say what to do next.
Neither ever holds a secret: whoever raises passes names, places and sizes.

    BwrunError                       125
    ├─ UsageError                    usage.*        the words on bwrun's command line
    ├─ ConfigError                   config.*       a setting or an env file
    ├─ CredentialError               credentials.*  missing, malformed, unreadable
    ├─ NetworkError                  network.*      no answer: DNS, TLS, time out
    ├─ ServerError                   server.*       an answer that cannot be used
    │  └─ AuthenticationError        auth.*         the server said no, or the account cannot do it
    ├─ CryptoError                   crypto.*
    │  ├─ MalformedEncStringError
    │  ├─ UnsupportedEncStringError
    │  ├─ IntegrityError
    │  └─ WrongMasterPasswordError   only crypto.keys may say this
    ├─ SecretError                   reference.*    a `bw://` reference, or what it names
    │  ├─ InvalidReferenceError
    │  ├─ SecretNotFoundError        what an optional reference may be
    │  ├─ AmbiguousReferenceError
    │  ├─ UnavailableItemError       in the trash, leased, its organization disabled or without a key
    │  ├─ ProtectedItemError
    │  ├─ InvalidTotpError
    │  ├─ FailedReferenceError       any of the above and more, with the variable's name
    │  └─ UnresolvedReferencesError  all that failed in a run
    ├─ SessionError                  session.*      the session's directory and files
    └─ CommandError                  command.*
       ├─ CommandNotExecutableError  126
       └─ CommandNotFoundError       127

This module knows nothing else of bwrun.
"""

from __future__ import annotations

STATUS_FAILED = 125  # bwrun itself failed: GNU coreutils' EXIT_CANCELED, as `env` and `timeout` use it
STATUS_NOT_EXECUTABLE = 126
STATUS_NOT_FOUND = 127


class BwrunError(Exception):
    """A failure that bwrun explains itself. Never raised as such, only as one of its subclasses."""

    family = "internal"
    status = STATUS_FAILED

    def __init__(self, reason: str, message: str, *hints: str) -> None:
        """`reason` completes the code in brackets, e.g. `missing` in `[credentials.missing]`."""
        super().__init__(message)
        self.code = f"{self.family}.{reason}"
        self.message = message
        self.hints = hints


class UsageError(BwrunError):
    """The words on bwrun's command line do not make a call."""

    family = "usage"


class ConfigError(BwrunError):
    """A setting or an env file cannot be used."""

    family = "config"


class CredentialError(BwrunError):
    """A credential is missing, malformed or unreadable."""

    family = "credentials"


class NetworkError(BwrunError):
    """The server gave no answer."""

    family = "network"


class ServerError(BwrunError):
    """The server gave an answer that cannot be used."""

    family = "server"


class AuthenticationError(ServerError):
    """The server said no, or the account cannot be opened with a master password."""

    family = "auth"


class CryptoError(BwrunError):
    """Something encrypted cannot be opened."""

    family = "crypto"


class MalformedEncStringError(CryptoError):
    """A text is no EncString."""

    def __init__(self, message: str) -> None:
        """`message` says what is wrong with the form, never the text itself."""
        super().__init__("malformed", message)


class UnsupportedEncStringError(CryptoError):
    """An EncString's type is unknown, or may not be used in this place."""

    def __init__(self, message: str) -> None:
        """`message` names the type."""
        super().__init__("unsupported", message)


class IntegrityError(CryptoError):
    """A MAC or a padding does not match: wrong key, or changed data."""

    def __init__(self, message: str, *hints: str) -> None:
        """`message` says what does not match; hints come from whoever knows what it belongs to."""
        super().__init__("integrity", message, *hints)


class WrongMasterPasswordError(CryptoError):
    """The user key does not open with the key derived from the master password."""

    def __init__(self, *hints: str) -> None:
        """Hints come from whoever knows where the master password was read."""
        super().__init__("wrong-master-password", "wrong master password", *hints)


class SecretError(BwrunError):
    """A reference is malformed, or what it names cannot be had."""

    family = "reference"


class InvalidReferenceError(SecretError):
    """A text is no reference."""

    def __init__(self, message: str, *hints: str) -> None:
        """`message` says what is wrong with the form; hints what to write instead."""
        super().__init__("invalid", message, *hints)


class SecretNotFoundError(SecretError):
    """There is no such item or field: what an optional reference may be."""


class AmbiguousReferenceError(SecretError):
    """A name means more than one thing."""

    def __init__(self, message: str, *hints: str) -> None:
        """Hints name each of them so that it can be told from the others."""
        super().__init__("ambiguous", message, *hints)


class UnavailableItemError(SecretError):
    """The item is there and cannot be used: in the trash, leased, its organization disabled or without a key."""


class ProtectedItemError(SecretError):
    """The item asks for the master password again, or hides its password from this user."""

    def __init__(self, message: str, *hints: str) -> None:
        """`message` says which of the two."""
        super().__init__("protected", message, *hints)


class InvalidTotpError(SecretError):
    """An authenticator key is none."""

    def __init__(self, message: str, *hints: str) -> None:
        """`message` says what is wrong with the form, never the key itself."""
        super().__init__("totp", message, *hints)


class FailedReferenceError(SecretError):
    """What one variable's reference failed with, under that failure's own code."""

    def __init__(self, name: str, failure: BwrunError) -> None:
        """`name` is the variable's."""
        super().__init__("failed", f"{name}: {failure.message}", *failure.hints)
        self.name = name
        self.code = failure.code


class UnresolvedReferencesError(SecretError):
    """Some references cannot be resolved: `failures` has each of them, for who prints line by line."""

    def __init__(self, failures: list[FailedReferenceError]) -> None:
        """`failures`: at least one."""
        one = len(failures) == 1
        head = "" if one else f"{len(failures)} references cannot be resolved: "
        hints = [hint if one else f"{failure.name}: {hint}" for failure in failures for hint in failure.hints]
        super().__init__("unresolved", head + "; ".join(failure.message for failure in failures), *hints)
        if one:
            self.code = failures[0].code
        self.failures = tuple(failures)


class SessionError(BwrunError):
    """The session's directory or files cannot be made."""

    family = "session"


class CommandError(BwrunError):
    """The command cannot be run."""

    family = "command"


class CommandNotExecutableError(CommandError):
    """The command is there and cannot be executed."""

    status = STATUS_NOT_EXECUTABLE


class CommandNotFoundError(CommandError):
    """The command, or the interpreter it names, is not there."""

    status = STATUS_NOT_FOUND
