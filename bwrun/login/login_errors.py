"""Why the server refused a login, and what to do about it."""

from __future__ import annotations

from bwrun.base.errors import AuthenticationError, BwrunError, ServerError
from bwrun.credentials.api_key import KEY_HINT
from bwrun.credentials.found import Credentials
from bwrun.network.answer import Answer
from bwrun.settings.servers import CLOUDS, Server

HTTP_NOT_FOUND = 404
_BAD_KEY = ("invalid_client", "client_id", "client_secret", "clientid", "clientsecret")


def login_error(answer: Answer, credentials: Credentials, server: Server) -> BwrunError:
    """Return the error for a refused login. Official servers use `error`, Vaultwarden a text (protocol notes 1.8)."""
    kind, message = answer.error, answer.message
    said = f"{answer.status} {kind}".strip()
    if message and message != kind:
        said += f": {message}"
    if answer.status == HTTP_NOT_FOUND:
        return ServerError(
            "not-found", f"cannot log in: {answer.url} does not exist (404)",
            "check `--server`, including the path of its URL",
        )  # fmt: skip
    if kind in ("version_header_missing", "invalid_client_version"):
        return ServerError(
            "client-version", f"the server does not accept bwrun's client version ({said})",
            "set BWRUN_CLIENT_VERSION to the version of a current official client, e.g. 2026.9.0",
        )  # fmt: skip
    if "disabled" in message.lower():
        return AuthenticationError(
            "disabled", f"the server has disabled this account ({said})", "ask the server's administrator"
        )
    if kind == "invalid_client" or any(word in message.lower() for word in _BAD_KEY):
        return AuthenticationError(
            "invalid-api-key", f"{server.name} does not accept this API key ({said})", *_key_hints(credentials, server)
        )
    return AuthenticationError("refused", f"{server.name} refused the login ({said})")


def _key_hints(credentials: Credentials, server: Server) -> list[str]:
    hints = []
    places = f"client_id is from {credentials.client_id_place}, client_secret from {credentials.client_secret_place}"
    if credentials.client_id_place == credentials.client_secret_place:
        hints.append(f"both halves of the key are from {credentials.client_id_place}")
    else:
        hints.append(places if _same_file(credentials) else f"check that both halves belong to one key: {places}")
    hints += [
        f"{name}: {doubt}" for name in ("BW_CLIENTID", "BW_CLIENTSECRET") for doubt in credentials.doubts.get(name, ())
    ]
    hints.append(f"copy the key again if it was rotated; {KEY_HINT}")
    if server.is_cloud:
        others = [
            f"if the account is at {domain}, set `--server {word}`"
            for word, domain in CLOUDS.items()
            if server.region.lower() != word
        ]
        hints.append("; ".join([*others, "for a self-hosted server set `--server URL`"]))
    return hints


def _same_file(credentials: Credentials) -> bool:
    """Return whether client id and client secret came from the same env file."""
    places = (credentials.client_id_place, credentials.client_secret_place)
    files = {place.partition("` line ")[0] for place in places}
    return len(files) == 1 and all("` line " in place for place in places)
