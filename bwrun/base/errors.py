"""
All errors that bwrun explains to the user, and the exit statuses they lead to.

A message says what happened and to which thing; hints say what to do next. Neither contains a secret: whoever raises
an error passes names, places and sizes.

    BwrunError                       exit status 125, unless noted
    ├─ UsageError                    usage.*        wrong command line
    ├─ ConfigError                   config.*       wrong setting or env file
    │  └─ WrongConfigFileError        several of these, in one file
    ├─ CredentialError               credentials.*  a credential is missing, malformed or unreadable
    ├─ NetworkError                  network.*      no answer: DNS, TLS, timeout
    ├─ ServerError                   server.*       an answer that bwrun cannot use
    │  └─ AuthenticationError        auth.*         a refused login, or an account that bwrun cannot unlock
    ├─ CryptoError                   crypto.*       encrypted data that cannot be decrypted
    │  ├─ MalformedEncStringError
    │  ├─ UnsupportedEncStringError
    │  ├─ IntegrityError
    │  └─ WrongMasterPasswordError   raised by crypto.account_keys; login.user_key adds hints
    ├─ SecretError                   reference.*    a `bw://` reference, or the item or field it names
    │  ├─ InvalidReferenceError
    │  ├─ SecretNotFoundError        not an error for a variable of `--optional`
    │  ├─ AmbiguousReferenceError
    │  ├─ UnavailableItemError       in the trash, leased, or of an organization that is disabled or has no key
    │  ├─ ProtectedItemError
    │  ├─ InvalidTotpError
    │  ├─ FailedReferenceError       one of the above (or another error), with the name of the variable
    │  └─ UnresolvedReferencesError  all FailedReferenceErrors of a run
    ├─ SessionError                  session.*      the session's directory or files cannot be written
    ├─ OutputError                   output.*       stdout cannot be written to, or does not take the value
    └─ CommandError                  command.*      the command cannot be run
       ├─ CommandNotExecutableError  exit status 126
       └─ CommandNotFoundError       exit status 127
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

STATUS_FAILED = 125  # bwrun itself failed; `env` and `timeout` use it too (EXIT_CANCELED of GNU coreutils)
STATUS_NOT_EXECUTABLE = 126
STATUS_NOT_FOUND = 127


class BwrunError(Exception):
    """The base of all errors below. Only its subclasses are raised."""

    family = "internal"
    status = STATUS_FAILED

    def __init__(self, reason: str, message: str, *hints: str) -> None:
        """`reason` is the second part of the code, e.g. `missing` in `[credentials.missing]`."""
        super().__init__(message)
        self.code = f"{self.family}.{reason}"
        self.message = message
        self.hints = hints


class UsageError(BwrunError):
    """bwrun's command line is wrong."""

    family = "usage"


class ConfigError(BwrunError):
    """A setting or an env file is wrong or unreadable."""

    family = "config"


class WrongConfigFileError(ConfigError):
    """Several settings of one file are wrong; `failures` has the error of each."""

    def __init__(self, failures: Sequence[ConfigError]) -> None:
        """Make one error of `failures`."""
        hints = [hint for failure in failures for hint in failure.hints]
        super().__init__("several", "; ".join(failure.message for failure in failures), *hints)
        self.failures = tuple(failures)


class CredentialError(BwrunError):
    """A credential is missing, malformed or unreadable."""

    family = "credentials"


class NetworkError(BwrunError):
    """The server gave no answer."""

    family = "network"


class ServerError(BwrunError):
    """The server gave an answer that bwrun cannot use."""

    family = "server"


class AuthenticationError(ServerError):
    """The server refused a login or a token, or bwrun cannot unlock this kind of account."""

    family = "auth"


class CryptoError(BwrunError):
    """Encrypted data cannot be decrypted."""

    family = "crypto"


class MalformedEncStringError(CryptoError):
    """A text is not an EncString, or other encrypted data has the wrong form."""

    def __init__(self, message: str) -> None:
        """`message` says what is wrong with the form, without quoting the text."""
        super().__init__("malformed", message)


class UnsupportedEncStringError(CryptoError):
    """An EncString has a type that is unknown, or not allowed where it is."""

    def __init__(self, message: str) -> None:
        """`message` names the type and says why it is refused."""
        super().__init__("unsupported", message)


class IntegrityError(CryptoError):
    """A MAC, a signature or a padding does not match: the key is wrong, or the data was changed."""

    def __init__(self, message: str, *hints: str) -> None:
        """`message` says what does not match."""
        super().__init__("integrity", message, *hints)


class WrongMasterPasswordError(CryptoError):
    """The key that was derived from the master password does not decrypt the user key."""

    def __init__(self, *hints: str) -> None:
        """`hints` say where the master password was read from."""
        super().__init__("wrong-master-password", "wrong master password", *hints)


class SecretError(BwrunError):
    """A reference is malformed, or bwrun cannot get the value that it names."""

    family = "reference"


class InvalidReferenceError(SecretError):
    """A text is not a valid reference."""

    def __init__(self, message: str, *hints: str) -> None:
        """`message` says what is wrong, `hints` say what to write instead."""
        super().__init__("invalid", message, *hints)


class SecretNotFoundError(SecretError):
    """There is no such item or field. For a variable of `--optional` this is not an error."""


class AmbiguousReferenceError(SecretError):
    """More than one item, field or file has the name."""

    def __init__(self, message: str, *hints: str) -> None:
        """`hints` say how to name one of them."""
        super().__init__("ambiguous", message, *hints)


class UnavailableItemError(SecretError):
    """The item is in the trash or leased, or its organization is disabled or has no key that can be decrypted."""


class ProtectedItemError(SecretError):
    """The item asks for the master password again, or hides its password from this user."""

    def __init__(self, message: str, *hints: str) -> None:
        """`message` says which of the two it is."""
        super().__init__("protected", message, *hints)


class InvalidTotpError(SecretError):
    """An authenticator key (TOTP) is malformed."""

    def __init__(self, message: str, *hints: str) -> None:
        """`message` says what is wrong with the form, without quoting the key."""
        super().__init__("totp", message, *hints)


class FailedReferenceError(SecretError):
    """The error of one variable's reference, with the variable's name and the code of the original error."""

    def __init__(self, name: str, failure: BwrunError) -> None:
        """`name` is the variable, or the option or the place in a template that holds the reference."""
        super().__init__("failed", f"{name}: {failure.message}", *failure.hints)
        self.name = name
        self.code = failure.code


class UnresolvedReferencesError(SecretError):
    """One or more references cannot be resolved; `failures` has the error of each."""

    def __init__(self, failures: list[FailedReferenceError]) -> None:
        """Make one error of `failures`, of which there must be at least one."""
        one = len(failures) == 1
        head = "" if one else f"cannot resolve {len(failures)} references: "
        hints = [hint if one else f"{failure.name}: {hint}" for failure in failures for hint in failure.hints]
        super().__init__("unresolved", head + "; ".join(failure.message for failure in failures), *hints)
        if one:
            self.code = failures[0].code
        self.failures = tuple(failures)


class SessionError(BwrunError):
    """The session's directory or files cannot be made, written or read."""

    family = "session"


class OutputError(BwrunError):
    """What an option asks for cannot be written to stdout, or not in this form."""

    family = "output"


class CommandError(BwrunError):
    """The command cannot be run."""

    family = "command"


class CommandNotExecutableError(CommandError):
    """The command's file exists, but cannot be executed."""

    status = STATUS_NOT_EXECUTABLE


class CommandNotFoundError(CommandError):
    """The command, or the interpreter that its first line names, does not exist."""

    status = STATUS_NOT_FOUND
