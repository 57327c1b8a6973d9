"""Access tokens: three-part JWTs (HS256, RFC 7519) with the official server's claims.

`jti` is a serial number; `expire` makes all serials issued so far invalid, as a server restart or a changed security
stamp would.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from collections.abc import Mapping

from tests.server.json_types import Json
from tests.server.state import StoredAccount, World

SIGNING_KEY = os.urandom(32)
OFFICIAL_LIFETIME = 3600
VAULTWARDEN_LIFETIME = 7200


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _sign(text: str) -> str:
    return _encode(hmac.digest(SIGNING_KEY, text.encode(), "sha256"))


class Tokens:
    """Issues and checks the tokens of one server."""

    def __init__(self, world: World) -> None:
        """No token issued yet."""
        self.world = world
        self.serial = 0

    def lifetime(self, account: StoredAccount) -> int:
        """Seconds a token of this account is good for."""
        if account.spec.token_lifetime is not None:
            return account.spec.token_lifetime
        return VAULTWARDEN_LIFETIME if account.is_vaultwarden else OFFICIAL_LIFETIME

    def issue(self, account: StoredAccount, form: Mapping[str, str]) -> str:
        """A new token (claims: bitwarden/server src/Identity/IdentityServer; times in seconds)."""
        self.serial += 1
        now = int(time.time())
        claims: Json = {
            "nbf": now,
            "exp": now + self.lifetime(account),
            "iss": f"{self.world.url}/identity",
            "client_id": account.client_id,
            "sub": account.user_id,
            "email": account.spec.email,
            "email_verified": True,
            "name": account.spec.name,
            "premium": account.spec.premium,
            "sstamp": account.security_stamp,
            "device": form.get("deviceIdentifier", ""),
            "devicetype": form.get("deviceType", ""),
            "scope": ["api"],
            "amr": ["Application"],
            "jti": str(self.serial),
        }
        head = _encode(json.dumps({"alg": "HS256", "typ": "at+jwt"}).encode())
        account.device_serials[claims["device"]] = self.serial
        text = head + "." + _encode(json.dumps(claims).encode())
        return text + "." + _sign(text)

    def expire(self, account: StoredAccount) -> None:
        """From now on every token issued to the account so far is answered 401."""
        account.first_valid_serial = self.serial + 1

    def owner(self, authorization: str) -> StoredAccount | None:
        """The account whose token, good or no longer good, an Authorization header has."""
        claims = self._claims(authorization)
        return None if claims is None else self.world.accounts.get(claims["sub"])

    def check(self, authorization: str) -> StoredAccount | None:
        """The account of an Authorization header; None if the token is not good (any more)."""
        claims = self._claims(authorization)
        account = self.owner(authorization)
        if claims is None or account is None:
            return None
        if claims["exp"] <= time.time() and not account.spec.takes_expired_tokens:
            return None
        serial = int(claims["jti"])
        if account.spec.one_token_per_device and serial != account.device_serials[claims["device"]]:
            return None
        return account if serial >= account.first_valid_serial else None

    def _claims(self, authorization: str) -> Json | None:
        scheme, _, token = authorization.partition(" ")
        text, _, signature = token.rpartition(".")
        if scheme.lower() != "bearer" or not hmac.compare_digest(_sign(text).encode(), signature.encode()):
            return None
        payload = text.partition(".")[2]
        claims: Json = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims

    def sign_path(self, path: str) -> str:
        """A token for a download address, good for that path only."""
        return _sign("file:" + path)
