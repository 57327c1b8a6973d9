"""Error replies in the words and shapes of the official server and of Vaultwarden.

Sources: bitwarden/server src/Identity/IdentityServer/RequestValidators, src/Core/Models/Api/Response/
ErrorResponseModel.cs; dani-garcia/vaultwarden src/error.rs, src/api/identity.rs.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from tests.server.json_types import Json
from tests.server.specs import ReplyStyle

# What Vaultwarden says where the official server has an OAuth error code.
UNAUTHORIZED_HTML = "<!DOCTYPE html><html><head><title>401 Unauthorized</title></head></html>"


def vaultwarden_error(message: str, status: int = 400) -> Response:
    """Vaultwarden's one shape: `error` is the empty string, `errorModel` is camelCase."""
    body: Json = {
        "message": message,
        "validationErrors": {"": [message]},
        "errorModel": {"message": message, "object": "error"},
        "error": "",
        "error_description": "",
        "exceptionMessage": None,
        "exceptionStackTrace": None,
        "innerExceptionMessage": None,
        "object": "error",
    }
    return JSONResponse(body, status)


def oauth_error(style: ReplyStyle, code: str, message: str | None, vaultwarden_message: str) -> Response:
    """An error of connect/token, always status 400; without a message the official body is only the code."""
    if style.startswith("vaultwarden"):
        return vaultwarden_error(vaultwarden_message)
    body: Json = {"error": code}
    if message is not None:
        body["error_description"] = message
        body["ErrorModel"] = {"Message": message, "Object": "error"}
    return JSONResponse(body, 400)


def api_error(style: ReplyStyle, message: str, status: int = 400) -> Response:
    """An error of the API (ErrorResponseModel)."""
    if style.startswith("vaultwarden"):
        return vaultwarden_error(message, status)
    return JSONResponse({"message": message, "validationErrors": None, "object": "error"}, status)


def unauthorized(style: ReplyStyle, request: Request) -> Response:
    """401: empty on the official server, Rocket's page or JSON on Vaultwarden."""
    if not style.startswith("vaultwarden"):
        return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if "application/json" in request.headers.get("accept", ""):
        description = "The request requires user authentication."
        return JSONResponse({"error": {"code": 401, "reason": "Unauthorized", "description": description}}, 401)
    return HTMLResponse(UNAUTHORIZED_HTML, 401)
