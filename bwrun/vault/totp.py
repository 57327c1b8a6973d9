"""
One-time codes from authenticator keys: RFC 6238, and the form that Steam uses.

Facts: bitwarden/sdk-internal:crates/bitwarden-vault/src/totp.rs (protocol notes 2.8).  Like the SDK, this ignores
characters that are not base32, an unknown algorithm, and parameters that are not numbers.  If nothing is left of a
secret, it still leads to codes.  Only a URL without a secret is an error.
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
    """An authenticator key: its secret, and how codes are made from it."""

    secret: bytes
    algorithm: str = "sha1"
    digits: int = DEFAULT_DIGITS
    period: int = DEFAULT_PERIOD
    steam: bool = False

    @classmethod
    def parse(cls, key: str) -> Totp:
        """
        Read a base32 secret, or an `otpauth://` or `steam://` URL.

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
        """Return the code for a time in seconds since the epoch."""
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
    """Decode base32 as the SDK does: other characters are ignored, and so are the bits after the last whole byte."""
    bits = "".join(f"{BASE32.index(char):05b}" for char in text.upper() if char in BASE32)
    size = len(bits) // 8
    return int(bits[: size * 8], 2).to_bytes(size, "big") if size else b""


def _number(text: str | None, default: int) -> int:
    """Return a number of at most 32 bits; `default` if `text` is something else."""
    if text is None or _NUMBER.fullmatch(text) is None:
        return default
    number = int(text)
    return number if number <= MAX_NUMBER else default
