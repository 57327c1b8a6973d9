"""Checking the two halves of a personal API key for what can be wrong with them before they are sent."""

from __future__ import annotations

from bwrun.base.errors import CredentialError
from bwrun.base.sensitive import Sensitive
from bwrun.credentials.found import Secret
from bwrun.settings.presented import is_uuid

KEY_HINT = "find the personal API key in the web vault: Settings → Security → Keys → View API key"


def checked_client_id(secret: Secret) -> str:
    """Return a client id. Raises CredentialError: it is not that of a personal API key."""
    text = secret.value.reveal().decode("utf-8", "replace").strip()
    if _has_quotes(text):
        raise _quotes_error("BW_CLIENTID", secret.place)
    if text.startswith("organization."):
        raise CredentialError(
            "organization-key", f"the client id from {secret.place} belongs to an organization's API key",
            f"use a personal API key, whose client id begins with `user.`; {KEY_HINT}",
        )  # fmt: skip
    if not (text.startswith("user.") and is_uuid(text.removeprefix("user."))):
        raise CredentialError(
            "malformed-client-id", f"the client id from {secret.place} does not have the form `user.UUID`", KEY_HINT
        )
    return text


def checked_client_secret(secret: Secret) -> Secret:
    """Return a client secret without the spaces around it. Raises CredentialError: it is empty or has quotes."""
    value = secret.value.reveal().strip()
    if not value:
        raise CredentialError("empty", f"the client secret from {secret.place} is empty", KEY_HINT)
    if _has_quotes(value.decode("utf-8", "replace")):
        raise _quotes_error("BW_CLIENTSECRET", secret.place)
    return Secret(Sensitive(value), secret.place, secret.doubts, secret.warnings)


def _has_quotes(text: str) -> bool:
    return text[:1] in ("'", '"', "“", "‘") or (text[-1:] in ("'", '"', "”", "’") and len(text) > 0)


def _quotes_error(name: str, place: str) -> CredentialError:
    return CredentialError(
        "quoted", f"the value of {name} from {place} begins or ends with a quote",
        "remove the quotes: `docker run --env-file`, for example, passes them on as part of the value",
    )  # fmt: skip
