"""
Asking a Key Connector, an organization's own server, for the master key of an account.

bwrun sends it the access token. So its address must be set (`--key-connector-url`), or be the only one that the
account's server names in the sync, and must use https or be a loopback address. Facts: protocol notes 5;
bitwarden/key-connector:src/KeyConnector/Controllers/UserKeysController.cs.
"""

from __future__ import annotations

from bwrun.base.errors import AuthenticationError, ConfigError
from bwrun.base.sensitive import Sensitive
from bwrun.login.server_json import JsonObject
from bwrun.network.answer import HTTP_OK
from bwrun.network.client import Client
from bwrun.settings.servers import find_key_connector
from bwrun.vault.sync import organizations_of, sync_of

HTTP_NOT_FOUND = 404
SETTING_HINT = "set `--key-connector-url` to the address of your organization's Key Connector"


def find_url(sync: dict[str, object]) -> str:
    """
    Return the address of the Key Connector that the organizations in the profile of a sync name.

    Raises AuthenticationError: they name none, more than one, or one that must not get the token; ServerError: the
    profile has an unexpected form.
    """
    found = {"organizations": organizations_of(sync_of(sync))}
    organizations = JsonObject(found, "`profile` of the server's reply to the sync").children("organizations")
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


def fetch_key(client: Client, url: str, token: Sensitive) -> str:
    """
    Return the key, in base64, that the Key Connector at `url` keeps for the account of the access token.

    Raises AuthenticationError: it has no key, or does not accept the token; NetworkError: there is no answer;
    ServerError: the answer is not usable.
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
    return JsonObject(answer.data, "the Key Connector's reply").required_text("Key")
