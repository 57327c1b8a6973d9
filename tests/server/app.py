"""The application put together: identity, api and control below one host."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from tests.server.api import AccountApi, Gate
from tests.server.api_attachments import AttachmentApi
from tests.server.api_ciphers import CipherApi
from tests.server.api_folders import FolderApi
from tests.server.control_api import ControlApi
from tests.server.faults import FaultRules
from tests.server.identity import IdentityService
from tests.server.limits import Limits
from tests.server.middleware import DisturbedApp, Recorder
from tests.server.state import World
from tests.server.tokens import Tokens


def make_app(world: World, path_prefix: str, delay_ms: int, control_secret: str) -> ASGIApp:
    """Routes at `path_prefix` ("" or "/vault"), control always at the root."""
    tokens, recorder, faults, limits = Tokens(world), Recorder(), FaultRules(), Limits()
    gate = Gate(world, tokens)
    attachments = AttachmentApi(gate)
    api: list[BaseRoute] = [
        *AccountApi(gate).routes(),
        *attachments.routes(),
        *CipherApi(gate).routes(),
        *FolderApi(gate).routes(),
    ]
    routes: list[BaseRoute] = [
        *ControlApi(world, tokens, recorder, faults, limits, control_secret).routes(),
        Mount(path_prefix + "/identity", routes=IdentityService(world, tokens).routes()),
        Mount(path_prefix + "/api", routes=api),
        Mount(path_prefix, routes=attachments.file_routes()),
    ]
    return DisturbedApp(Starlette(routes=routes), recorder, faults, delay_ms, limits)
