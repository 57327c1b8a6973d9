"""The text of an account's user key, made of what the test server knows of the account."""

from __future__ import annotations

import base64

from tests.server.control import Account

PREFIX = "bwrun_user_key_"


def text_of(account: Account) -> str:
    """Return what BWRUN_USER_KEY must be for the account."""
    return text_of_bytes(bytes.fromhex(account.user_key_hex))


def text_of_bytes(encoded: bytes) -> str:
    """Return the same for an encoded key."""
    return PREFIX + base64.urlsafe_b64encode(encoded).decode("ascii").rstrip("=")


def with_user_key(account: Account) -> dict[str, str | None]:
    """Return the changes to an environment with a password, so that it has the user key instead."""
    return {"BW_PASSWORD": None, "BWRUN_USER_KEY": text_of(account)}
