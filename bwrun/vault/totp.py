"""
The code of now of an authenticator key: RFC 6238, and Steam's own form.

Facts: bitwarden/sdk-internal:crates/bitwarden-vault/src/totp.rs (protocol notes 2.8).  As there, what is odd in a key
is skipped and not refused: characters outside base32, an algorithm or a number that is none.  A secret of which nothing
is left has codes too; an address without a secret has none.
"""

from __future__ import annotations

import hmac
import re
from urllib.parse import parse_qsl, urlsplit

from bwrun.base.errors import InvalidTotpError
from bwrun.base.structs import Struct

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
STEAM = "23456789BCDFGHJKMNPQRTVWXY"
STEAM_DIGITS = 5
ALGORITHMS = ("sha1", "sha256", "sha512")
DEFAULT_DIGITS, MAX_DIGITS = 6, 10
DEFAULT_PERIOD = 30  # seconds
MAX_NUMBER = 2**32 - 1
HINT = "correct the key: it is a base32 secret, `otpauth://totp/…?secret=…` or `steam://…`"

_NUMBER = re.compile(r"\+?0{0,20}[0-9]{1,10}")


class Totp(Struct):
    """An authenticator key, read."""

    secret: bytes
    algorithm: str = "sha1"
    digits: int = DEFAULT_DIGITS
    period: int = DEFAULT_PERIOD
    steam: bool = False

    @classmethod
    def parse(cls, key: str) -> Totp:
        """
        Read a base32 secret, an `otpauth://` or a `steam://` address.

        Raises InvalidTotpError.
        """
        lower = key.lower()
        if lower.startswith("otpauth://"):
            return cls._of_address(lower)
        if lower.startswith("steam://"):
            return cls(decode_base32(lower.removeprefix("steam://")), digits=STEAM_DIGITS, steam=True)
        return cls(decode_base32(lower))

    @classmethod
    def _of_address(cls, address: str) -> Totp:
        try:
            query = dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))
        except ValueError:
            raise InvalidTotpError("the authenticator key is not a valid URL", HINT) from None
        if "secret" not in query:
            raise InvalidTotpError("the authenticator key has no `secret`", HINT)
        algorithm = query.get("algorithm")
        return cls(
            decode_base32(query["secret"]),
            algorithm if algorithm in ALGORITHMS else "sha1",
            min(_number(query.get("digits"), DEFAULT_DIGITS), MAX_DIGITS),
            max(_number(query.get("period"), DEFAULT_PERIOD), 1),
        )

    def code(self, seconds: float) -> str:
        """Return the code at a moment, in seconds since the epoch."""
        counter = int(seconds) // self.period
        digest = hmac.digest(self.secret, counter.to_bytes(8, "big", signed=True), self.algorithm)
        offset = digest[-1] & 15
        number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
        if not self.steam:
            return str(number % 10**self.digits).zfill(self.digits)
        code = ""
        for _ in range(self.digits):
            number, index = divmod(number, len(STEAM))
            code += STEAM[index]
        return code


def decode_base32(text: str) -> bytes:
    """Decode leniently, as the SDK does: what is no base32 is dropped, and the bits that fill no byte."""
    bits = "".join(f"{BASE32.index(char):05b}" for char in text.upper() if char in BASE32)
    size = len(bits) // 8
    return int(bits[: size * 8], 2).to_bytes(size, "big") if size else b""


def _number(text: str | None, default: int) -> int:
    """Read a number of 32 bits; anything else counts as none."""
    if text is None or _NUMBER.fullmatch(text) is None:
        return default
    number = int(text)
    return number if number <= MAX_NUMBER else default
