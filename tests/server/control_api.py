"""The server's side of the control interface: JSON over POST /_control/NAME, guarded by a token.

The token is in the ready line; without it any local program (or web page) could have signals sent.
"""

from __future__ import annotations

import dataclasses
import hmac

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.server.accounts import add_items, change_master_password, make_account, rotate_keys
from tests.server.faults import Fault, FaultRules
from tests.server.json_types import Json, JsonValue
from tests.server.limits import Limit, Limits
from tests.server.middleware import Recorder
from tests.server.spec_json import from_json
from tests.server.specs import AccountSpec, ItemSpec
from tests.server.state import StoredAccount, World
from tests.server.tokens import Tokens


def account_json(account: StoredAccount) -> Json:
    """What a test is told about an account it made; keys in base64-free hex."""
    return {
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "user_id": account.user_id,
        "email": account.spec.email,
        "master_password": account.spec.master_password,
        "user_key_hex": account.user_key.hex(),
        "item_ids": account.item_ids,
        "folder_ids": account.folder_ids,
        "collection_ids": {name: key for (_, name), key in account.collection_ids.items()},
        "organization_ids": {o.name: o.id for o in account.organizations.values()},
    }


class ControlApi:
    """Everything a test can ask of the running server."""

    def __init__(  # noqa: PLR0913, PLR0917  (all that a test can reach into)
        self, world: World, tokens: Tokens, recorder: Recorder, faults: FaultRules, limits: Limits, secret: str
    ) -> None:
        """Control these parts for whoever knows `secret`."""
        self.world = world
        self.tokens = tokens
        self.recorder = recorder
        self.faults = faults
        self.limits = limits
        self.secret = secret

    def routes(self) -> list[Route]:
        """One path for all commands."""
        return [Route("/_control/{command}", self.handle, methods=["POST"])]

    async def handle(self, request: Request) -> Response:
        """Run one command; its failure is a status 400 with the reason."""
        given = request.headers.get("x-control-token", "")
        if not hmac.compare_digest(given.encode(), self.secret.encode()):
            return Response(status_code=403)
        command = getattr(self, "do_" + request.path_params["command"], None)
        if command is None:
            return Response("no such command", 404)
        try:
            return JSONResponse(command(await request.json()))
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            return Response(repr(error), 400)

    def do_add_account(self, arguments: Json) -> Json:
        """Make the account of an AccountSpec."""
        account = make_account(from_json(AccountSpec, arguments))
        self.world.add(account)
        return account_json(account)

    def do_add_items(self, arguments: Json) -> Json:
        """Add ItemSpecs to an account."""
        account = self.world.accounts[arguments["user_id"]]
        add_items(account, tuple(from_json(ItemSpec, item) for item in arguments["items"]))
        account.touch()
        return account_json(account)

    def do_rotate_api_key(self, arguments: Json) -> Json:
        """A new client_secret; tokens already issued stay good."""
        account = self.world.accounts[arguments["user_id"]]
        account.client_secret = arguments["client_secret"]
        return account_json(account)

    def do_change_master_password(self, arguments: Json) -> Json:
        """Another master password; the user key stays."""
        account = self.world.accounts[arguments["user_id"]]
        change_master_password(account, arguments["password"])
        return account_json(account)

    def do_rotate_keys(self, arguments: Json) -> Json:
        """A new user key, and all that is encrypted anew."""
        account = rotate_keys(self.world.accounts[arguments["user_id"]], **arguments["changes"])
        self.world.add(account)
        return account_json(account)

    def do_expire_tokens(self, arguments: Json) -> Json:
        """Every token issued to the account so far is answered 401."""
        self.tokens.expire(self.world.accounts[arguments["user_id"]])
        return {}

    def do_change_spec(self, arguments: Json) -> Json:
        """Change what replies depend on (reply_style, disabled, token_lifetime, drop_fields, ...), not the keys."""
        account = self.world.accounts[arguments["user_id"]]
        account.spec = dataclasses.replace(account.spec, **arguments["changes"])
        account.touch()
        return {}

    def do_set_fault(self, arguments: Json) -> Json:
        """Add a Fault."""
        self.faults.add(from_json(Fault, arguments))
        return {}

    def do_set_limit(self, arguments: Json) -> Json:
        """Add a Limit."""
        self.limits.add(from_json(Limit, arguments))
        return {}

    def do_clear_faults(self, _arguments: Json) -> Json:
        """No faults and no limits any more."""
        self.faults.clear()
        self.limits.clear()
        return {}

    def do_requests(self, _arguments: Json) -> list[dict[str, JsonValue]]:
        """All recorded requests."""
        return [dataclasses.asdict(record) for record in self.recorder.requests]

    def do_clear_requests(self, _arguments: Json) -> Json:
        """Forget the recorded requests."""
        self.recorder.requests.clear()
        return {}
