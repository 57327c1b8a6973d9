"""
The keyring of the desktop: Secret Service, KWallet, macOS Keychain. This is the only module that imports `keyring`.

`keyring` is there with the extra `bwrun[keyring]`. Its import and its choice of a backend take 120 ms, so only a run
that lacks what the keyring holds pays for them. A backend may wait for somebody to unlock the keyring, on a screen that
nobody watches, so all calls have a time limit.
"""

from __future__ import annotations

import os

from bwrun.base.errors import CredentialError
from bwrun.base.tasks import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from keyring.backend import KeyringBackend

    from bwrun.base.deadline import Deadline

    T = TypeVar("T")

SERVICE = "bwrun"  # the name of the service under which the entry of each profile is
INSTALL = "install it together with bwrun, in a checkout: `pipx install '.[keyring]'`"
NO_KEYRING = ("keyring.backends.fail", "keyring.backends.null")  # the backends that keep nothing
RECOMMENDED = 1  # the least priority of a keyring that `keyring` recommends; of the others, one is a plain file
NONE = "services, cron jobs and SSH sessions usually have none: keep the credentials in a file, or set them elsewhere"
LOCKED = "unlock the keyring, or set the credentials elsewhere"


class SystemKeyring:
    """A keyring that can be asked."""

    def __init__(self, backend: KeyringBackend, deadline: Deadline) -> None:
        """All calls together may take until the `deadline`."""
        self._backend = backend
        self._deadline = deadline
        self.name: str = backend.name

    def read(self, profile: str) -> str | None:
        """Return what is kept for a profile, None if there is nothing. Raises CredentialError: the keyring fails."""
        return _within(self._deadline, self.name, lambda: self._backend.get_password(SERVICE, profile))

    def write(self, profile: str, text: str) -> None:
        """Keep `text` for a profile, in place of what was kept. Raises CredentialError: the keyring fails."""
        _within(self._deadline, self.name, lambda: self._backend.set_password(SERVICE, profile, text))

    def remove(self, profile: str) -> bool:
        """Remove what is kept for a profile; return whether there was any. Raises CredentialError."""
        if self.read(profile) is None:
            return False
        _within(self._deadline, self.name, lambda: self._backend.delete_password(SERVICE, profile))
        return True


def open_keyring(deadline: Deadline) -> SystemKeyring:
    """
    Return the keyring of this user, which has to answer before the `deadline`.

    Raises CredentialError: there is none, or it does not answer.
    """
    try:
        import keyring  # noqa: PLC0415  (100 ms, and most runs need none)
    except ImportError:
        raise CredentialError(
            "keyring", "there is no keyring: the package `keyring` is not installed", INSTALL
        ) from None

    def choose() -> tuple[KeyringBackend, bool]:
        found = keyring.get_keyring()
        # Of several keyrings, `keyring` makes a chain. bwrun uses the first one alone, which is the best protected.
        found = next(iter(getattr(found, "backends", ())), found)
        return found, found.priority >= RECOMMENDED

    backend, is_recommended = _within(deadline, "", choose)
    if type(backend).__module__ in NO_KEYRING:
        raise CredentialError("keyring", "there is no keyring on this system that bwrun can use", NONE)
    if not is_recommended and not os.environ.get("PYTHON_KEYRING_BACKEND"):
        raise CredentialError(
            "keyring", f"the only keyring on this system ({backend.name}) is not one that `keyring` recommends", NONE
        )
    return SystemKeyring(backend, deadline)


def _within(deadline: Deadline, name: str, call: Callable[[], T]) -> T:
    """Return what `call` returns. Raises CredentialError: it fails, or does not end before the `deadline`."""
    called = f"the keyring ({name})" if name else "the keyring"
    try:
        return Task(call).result(max(0.0, deadline.left()))
    except TimeoutError:
        raise CredentialError("keyring", f"{called} did not answer in time ({deadline.seconds:g} s)", LOCKED) from None
    except Exception as error:  # noqa: BLE001  (a backend raises what it likes, and its text may quote a secret)
        raise CredentialError("keyring", f"{called} cannot be used: {type(error).__name__}", LOCKED) from None
