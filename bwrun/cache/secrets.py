"""What a cache file is sealed with."""

from __future__ import annotations

from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct

PASSWORD, USER_KEY, NOTHING = b"password", b"user key", b"nothing"  # the kinds of the second secret


class Secrets(Struct):
    """The credentials from which the key of a cache file is derived."""

    client_secret: Sensitive
    second: Sensitive | None  # the master password or the user key
    kind: bytes  # PASSWORD, USER_KEY or NOTHING
