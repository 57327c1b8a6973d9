"""
Key Connector: the organization's own server that keeps its members' master keys, and where it is.

The access token goes there, so the address is one that was set (`--key-connector-url`), or else the one that the
account's own server names in the sync: https, or this machine's loopback, and one alone.  Facts: bitwarden/
key-connector:src/KeyConnector/Controllers/UserKeysController.cs; protocol notes 5.
"""

from __future__ import annotations

from bwrun.base.errors import AuthenticationError, ConfigError
from bwrun.base.sensitive import Sensitive
from bwrun.login.wire import Wire
from bwrun.network.answer import HTTP_OK
from bwrun.network.client import Client
from bwrun.settings.servers import find_key_connector

HTTP_NOT_FOUND = 404
SETTING_HINT = "set `--key-connector-url` to the address of your organization's Key Connector"


def url_in(sync: dict[str, object]) -> str:
    """
    Return the address that the organizations of a sync's profile name.

    Raises AuthenticationError: none, more than one, or one that is not to be trusted with the token; ServerError.
    """
    profile = Wire(sync, "the server's reply to the sync").child("profile")
    organizations = [] if profile is None else profile.children("organizations")
    named = [one.text("keyConnectorUrl") for one in organizations if one.flag("keyConnectorEnabled")]
    try:
        urls = sorted({url for text in named if (url := find_key_connector(text, "its address"))})
    except ConfigError as error:
        raise AuthenticationError(
            "key-connector", f"cannot use the Key Connector that the server names: {error.message}", SETTING_HINT
        ) from None
    if len(urls) != 1:
        said = f"names more than one: {', '.join(urls)}" if urls else "does not say at which address"
        raise AuthenticationError("key-connector", f"a Key Connector unlocks this account, but the server {said}",
                                  SETTING_HINT)  # fmt: skip
    return urls[0]


def ask(client: Client, url: str, token: Sensitive) -> str:
    """
    Return the key that a Key Connector keeps for the account whose access token this is, in base64.

    Raises AuthenticationError: it has none, or does not accept the token; NetworkError, ServerError.
    """
    answer = client.get("user-keys", token, base=url)
    if answer.status == HTTP_NOT_FOUND:
        raise AuthenticationError(
            "key-connector", f"the Key Connector at {url} has no key for this account (404)",
            "check the address; if it is right, log in once with an official client, which stores the key there",
        )  # fmt: skip
    if answer.status != HTTP_OK:
        said = f"{answer.status} {answer.message}".strip()
        raise AuthenticationError(
            "key-connector", f"the Key Connector at {url} did not return the key ({said})",
            "check that it is the Key Connector of this account's organization",
        )  # fmt: skip
    return Wire(answer.data, "the Key Connector's reply").need_text("Key")
