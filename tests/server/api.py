"""The API's frame: authentication of each request, and the routes about the account as a whole.

Sources: bitwarden/server src/Api/Vault/Controllers/SyncController.cs, src/Api/Auth/Controllers/AccountsController.cs,
src/Api/Controllers/ConfigController.cs.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.server.accounts import master_password_hash
from tests.server.errors import api_error, unauthorized
from tests.server.json_types import JsonValue
from tests.server.replies import config_reply, organization_reply, profile_reply, restyle, sync_reply
from tests.server.state import StoredAccount, World
from tests.server.tokens import Tokens

Handler = Callable[[StoredAccount, Request], Awaitable[Response]]
PIECE = 256 * 1024  # bytes


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """Give a body piece by piece."""
    for start in range(0, max(1, len(body)), PIECE):
        yield body[start : start + PIECE]


class Gate:
    """Lets a request through to its handler only with a good access token."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        """Check against the tokens issued."""
        self.world = world
        self.tokens = tokens

    def route(self, path: str, methods: str, handler: Handler) -> Route:
        """A route whose handler gets the authenticated account; `methods` separated by spaces."""

        async def endpoint(request: Request) -> Response:
            authorization = request.headers.get("authorization", "")
            account = self.tokens.check(authorization)
            if account is None:
                owner = self.tokens.owner(authorization)
                return unauthorized(owner.style if owner else self.world.default_style, request)
            return await handler(account, request)

        return Route(path, endpoint, methods=methods.split())


def reply(account: StoredAccount, body: JsonValue) -> Response:
    """A JSON reply in the account's style."""
    return JSONResponse(restyle(account, body))


def listed(account: StoredAccount, items: list[JsonValue]) -> Response:
    """A list reply (ListResponseModel)."""
    return reply(account, {"data": items, "object": "list", "continuationToken": None})


def not_found(account: StoredAccount) -> Response:
    """404 in the account's style."""
    return api_error(account.style, "Resource not found.", 404)


class AccountApi:
    """Sync, profile, revision date, organizations and collections, config."""

    def __init__(self, gate: Gate) -> None:
        """Answer behind `gate`; only config is open."""
        self.gate = gate

    def routes(self) -> list[Route]:
        """Paths relative to the API URL."""
        guard = self.gate.route
        return [
            Route("/config", self.config, methods=["GET"]),
            guard("/sync", "GET", self.sync),
            guard("/accounts/profile", "GET", self.profile),
            guard("/accounts/revision-date", "GET", self.revision_date),
            guard("/accounts/verify-password", "POST", self.verify_password),
            guard("/accounts/key-management/user-key-id", "POST", self.user_key_id),
            guard("/collections", "GET", self.collections),
            guard("/organizations/{id}", "GET", self.organization),
            guard("/organizations/{id}/collections", "GET", self.organization_collections),
            guard("/organizations/{id}/collections/details", "GET", self.organization_collections),
            guard("/settings/domains", "GET", self.domains),
        ]

    async def config(self, request: Request) -> Response:
        """No token needed."""
        world = self.gate.world
        account = self.gate.tokens.check(request.headers.get("authorization", ""))
        return JSONResponse(config_reply(world, world.default_style if account is None else account.style))

    async def sync(self, account: StoredAccount, request: Request) -> Response:
        """The whole vault; kept as bytes until it changes, so that a large one costs its encoding once."""
        header = request.headers.get("bitwarden-client-version", "")
        parts = header.split("-")[0].split(".")
        version = tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()
        if version not in account.sync_cache:
            text = json.dumps(
                restyle(account, sync_reply(account, self.gate.world.url, version)), separators=(",", ":")
            )
            account.sync_cache[version] = text.encode()
        body = account.sync_cache[version]
        # In one piece, asyncio would move the rest of a large body with each part that it sends.
        headers = {"content-length": str(len(body))}
        return StreamingResponse(pieces(body), headers=headers, media_type="application/json")

    async def profile(self, account: StoredAccount, _request: Request) -> Response:
        """The profile alone."""
        return reply(account, profile_reply(account, self.gate.world.url))

    async def revision_date(self, account: StoredAccount, _request: Request) -> Response:
        """A bare number: milliseconds since the epoch."""
        return JSONResponse(account.revision)

    async def verify_password(self, account: StoredAccount, request: Request) -> Response:
        """Says whether a hash is the master password's, as `bw unlock` asked before 2026."""
        if (await request.json()).get("masterPasswordHash") != master_password_hash(account):
            return api_error(account.style, "Invalid password.")
        return reply(account, {"object": "masterPasswordPolicy"})

    async def user_key_id(self, account: StoredAccount, request: Request) -> Response:
        """Takes the id of the user key, as `bw unlock` 2026.9 sends it; Vaultwarden knows no such path."""
        if not account.spec.user_key_id_endpoint:
            return not_found(account)
        account.user_key_id = (await request.json()).get("userKeyId")
        return Response(status_code=200)

    async def collections(self, account: StoredAccount, _request: Request) -> Response:
        """The account's collections in all organizations."""
        return listed(account, list(account.collections.values()))

    async def organization(self, account: StoredAccount, request: Request) -> Response:
        """One organization."""
        organization = account.organizations.get(request.path_params["id"])
        if organization is None:
            return not_found(account)
        return reply(account, organization_reply(account, organization, self.gate.world.url))

    async def organization_collections(self, account: StoredAccount, request: Request) -> Response:
        """The collections of one organization."""
        owner = request.path_params["id"]
        return listed(account, [c for c in account.collections.values() if c["organizationId"] == owner])

    async def domains(self, account: StoredAccount, _request: Request) -> Response:
        """No equivalent domains."""
        return reply(account, {"equivalentDomains": [], "globalEquivalentDomains": [], "object": "domains"})
