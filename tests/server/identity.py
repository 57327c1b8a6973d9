"""The identity service: POST connect/token (personal API key) and prelogin.

Checks and their order: bitwarden/server src/Identity/IdentityServer/RequestValidators/{ClientVersionValidator,
DeviceValidator}.cs, src/Identity/IdentityServer/ClientProviders/UserClientProvider.cs; dani-garcia/vaultwarden
src/api/identity.rs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.server.errors import oauth_error
from tests.server.replies import prelogin_reply, token_reply
from tests.server.state import StoredAccount, World
from tests.server.tokens import Tokens

DEVICE_FIELDS = ("deviceIdentifier", "deviceName", "deviceType")
# .NET System.Version: two to four numbers.
CLIENT_VERSION = re.compile(r"\d+(\.\d+){1,3}")
NO_STORE = {"Cache-Control": "no-store, no-cache, max-age=0", "Pragma": "no-cache"}


class IdentityService:
    """Routes below /identity."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        """Answer for the accounts of `world`."""
        self.world = world
        self.tokens = tokens

    def routes(self) -> list[Route]:
        """Paths relative to the identity URL."""
        return [
            Route("/connect/token", self.token, methods=["POST"]),
            Route("/accounts/prelogin", self.prelogin, methods=["POST"]),
            Route("/accounts/prelogin/password", self.prelogin, methods=["POST"]),
        ]

    async def token(self, request: Request) -> Response:
        """A personal API key login."""
        form = {key: str(value) for key, value in (await request.form()).items()}
        account = self.world.find(lambda a: a.client_id == form.get("client_id"))
        refusal = self._refusal(account, form, request)
        if refusal is not None or account is None:
            return refusal or oauth_error(self.world.default_style, "invalid_client", None, "Invalid client_id")
        access_token = self.tokens.issue(account, form)
        return JSONResponse(token_reply(account, access_token, self.tokens.lifetime(account)), headers=NO_STORE)

    def _refusal(self, account: StoredAccount | None, form: Mapping[str, str], request: Request) -> Response | None:
        style = self.world.default_style if account is None else account.style
        if form.get("grant_type") != "client_credentials":
            return oauth_error(style, "unsupported_grant_type", None, "Invalid type")
        if form.get("scope") != "api":
            return oauth_error(style, "invalid_scope", None, "Scope not supported")
        if account is None or form.get("client_secret") != account.client_secret:
            wrong = "Invalid client_id" if account is None else "Incorrect client_secret"
            return oauth_error(style, "invalid_client", None, wrong)
        for name in DEVICE_FIELDS:
            if not form.get(name, "").strip():
                blank = re.sub("([A-Z])", r"_\1", name).lower() + " cannot be blank"
                return oauth_error(style, "device_error", "No device information provided", blank)
        if account.spec.disabled and account.is_vaultwarden:
            disabled = "This user has been disabled (API key login)"
            return oauth_error(style, "invalid_grant", disabled, disabled)
        return None if account.is_vaultwarden else _version_refusal(style, request)

    async def prelogin(self, request: Request) -> Response:
        """KDF parameters and salt of an e-mail address."""
        email = str((await request.json()).get("email", "")).strip().lower()
        return JSONResponse(prelogin_reply(self.world.find(lambda a: a.spec.email.strip().lower() == email)))


def _version_refusal(style: str, request: Request) -> Response | None:
    version = request.headers.get("bitwarden-client-version")
    if style != "official" or (version is not None and CLIENT_VERSION.fullmatch(version)):
        return None
    return oauth_error("official", "version_header_missing", "No client version header provided", "")
