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
    if has_quotes(text):
        raise quotes_error("BW_CLIENTID", secret.place)
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
    if has_quotes(value.decode("utf-8", "replace")):
        raise quotes_error("BW_CLIENTSECRET", secret.place)
    return Secret(Sensitive(value), secret.place, secret.doubts, secret.warnings)


def has_quotes(text: str) -> bool:
    """Return whether a text begins or ends with a quote, which no credential of a fixed form does."""
    return text[:1] in ("'", '"', "“", "‘") or (text[-1:] in ("'", '"', "”", "’") and len(text) > 0)


def quotes_error(name: str, place: str) -> CredentialError:
    """Return the error for a credential in quotes; `name` is its variable."""
    return CredentialError(
        "quoted", f"the value of {name} from {place} begins or ends with a quote",
        "remove the quotes: `docker run --env-file`, for example, passes them on as part of the value",
    )  # fmt: skip
