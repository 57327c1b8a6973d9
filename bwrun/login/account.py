"""Whose account it is, for `-v` and `--check`."""

from __future__ import annotations

from bwrun.base.console import Console
from bwrun.login.unlocked import UnlockedVault
from bwrun.vault.sync import sync_of


def account_of(unlocked: UnlockedVault, server: str) -> dict[str, str | None]:
    """
    Return the `email` and the `id` of the account, None where the server does not say it, and the `server`.

    The reply to the login says it, or else the profile in the reply to the sync.
    """
    profile = sync_of(unlocked.sync).get("profile")
    found = profile if isinstance(profile, dict) else {}
    email, identity = (value if isinstance(value, str) else None for value in map(found.get, ("email", "id")))
    return {"email": unlocked.login.email or email, "id": unlocked.login.user_id or identity, "server": server}


def tell_account(unlocked: UnlockedVault, console: Console) -> None:
    """Say with `-v` whose account it is, if the reply to the login has not said it."""
    email = account_of(unlocked, "")["email"]
    if email:
        console.step(f"the account is that of {email}")
