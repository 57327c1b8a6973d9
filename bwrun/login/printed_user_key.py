"""Printing the user key for BWRUN_USER_KEY, when a real unlock has given it (`--print-user-key`)."""

from __future__ import annotations

from bwrun.base.console import Console
from bwrun.base.errors import CryptoError
from bwrun.base.output import write_out
from bwrun.credentials.confirming import confirm_printing, exposed_output
from bwrun.credentials.user_key import write_user_key
from bwrun.login.account import account_of
from bwrun.login.given_user_key import check_fits
from bwrun.login.unlocked import UnlockedVault
from bwrun.settings.config import Config


def print_user_key(unlocked: UnlockedVault, config: Config, console: Console) -> int:
    """
    Ask on the terminal, and print the user key as one line on stdout; return bwrun's exit status.

    A key that bwrun would not accept again is not printed.

    Raises CredentialError: the answer is not yes; CryptoError: the account's private key is damaged, so that the key
    cannot be checked; OutputError: stdout cannot be written to.
    """
    try:
        check_fits(unlocked.keys.user_key, unlocked.wrapped_keys, unlocked.sync, "the unlock")
    except CryptoError as error:
        if error.code != "crypto.wrong-user-key":
            raise
        raise CryptoError(
            "private-key", "the account's private key is damaged, and a user key is checked against it",
            "use the master password for this account",
        ) from None  # fmt: skip
    console.print_warnings(exposed_output())
    who = account_of(unlocked, config.server.name)
    confirm_printing(who["email"] or who["id"] or "this account", config.sources)
    return write_out(f"{write_user_key(unlocked.keys.user_key.encode())}\n")
