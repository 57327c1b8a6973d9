"""
The text form of a user key, for BWRUN_USER_KEY: what --print-user-key prints, and how it is read again.

It is `bwrun_user_key_`, and then the encoded key in base64url without padding (RFC 4648, 5). Scanners for secrets find
it by the prefix, and a password in its place is noticed. An encoded key is 64 bytes (V1) or more (V2: a COSE_Key with
padding); protocol notes 2.3. What is in these bytes is not looked at here.
"""

from __future__ import annotations

import binascii

from bwrun.base.errors import CredentialError
from bwrun.base.sensitive import Sensitive
from bwrun.credentials.api_key import has_quotes, quotes_error
from bwrun.credentials.doubts import USER_KEY_PREFIX
from bwrun.credentials.found import Secret
from bwrun.settings.sources import USER_KEY

V1_SIZE = 64  # bytes
MAX_SIZE = 1024  # bytes; V2 keys have about 70
HINT = "print it again: `bwrun --print-user-key`"


def write_user_key(encoded: bytes) -> str:
    """Return the text form of an encoded key."""
    text = binascii.b2a_base64(encoded, newline=False).decode("ascii")
    return USER_KEY_PREFIX + text.rstrip("=").replace("+", "-").replace("/", "_")


def read_user_key(secret: Secret) -> Secret:
    """
    Return the encoded key in a text form, around which white space may stand.

    Raises CredentialError: it is empty, in quotes or malformed.
    """
    text = secret.value.reveal().decode("utf-8", "replace").strip()
    if not text:
        raise CredentialError("empty", f"the user key from {secret.place} is empty", HINT)
    if has_quotes(text):
        raise quotes_error(USER_KEY, secret.place)
    if not text.startswith(USER_KEY_PREFIX):
        raise CredentialError(
            "malformed-user-key", f"the user key from {secret.place} does not begin with `{USER_KEY_PREFIX}`",
            f"{USER_KEY} takes what `bwrun --print-user-key` prints, and neither a password nor a key in another form",
        )  # fmt: skip
    encoded = _decode(text.removeprefix(USER_KEY_PREFIX))
    if encoded is None or not V1_SIZE <= len(encoded) <= MAX_SIZE or write_user_key(encoded) != text:
        raise damaged(secret.place)
    return Secret(Sensitive(encoded), secret.place, (), secret.warnings)


def damaged(place: str) -> CredentialError:
    """Return the error for a user key whose form is wrong; `place` is where it came from."""
    return CredentialError("malformed-user-key", f"the user key from {place} is not whole, or was changed", HINT)


def _decode(text: str) -> bytes | None:
    padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
    try:
        return binascii.a2b_base64(padded, strict_mode=True)
    except (binascii.Error, ValueError):
        return None
