"""
data.json, as the official CLI expects it when it starts inside the command.

An internal format of that program, found by experiment and in the sources
inside its npm package; this module and `vault_state` are the only ones that
know it, and a test runs the pinned CLI on what they write.

Not in it: the master password, a refresh token (a server that refuses one
makes the CLI wipe the vault), and, unless asked for, the API key.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from bwrun.base.errors import ServerError
from bwrun.base.jsontext import write_json
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.crypto.account_keys import AccountKeys
from bwrun.crypto.asymmetric import PrivateKey
from bwrun.crypto.encstring import SymmetricKey, encrypt_to_buffer
from bwrun.crypto.parameters import Argon2id, Kdf, KeyConnectorData, UnlockData, WrappedAccountKeys
from bwrun.session.readable import Record
from bwrun.session.vault_state import vault_state
from bwrun.settings.servers import Server
from bwrun.vault.sync import profile_of, sync_of

# libs/state/src/state-migrations: CURRENT_VERSION of @bitwarden/cli 2026.9.0. A later one migrates from here.
STATE_VERSION = 85
# The CLI fetches the server's config when its copy is over an hour old, which needs a valid access token. A date
# this far off keeps reads working in jobs of hours (its libs/common/src/platform/services/config).
NEVER_STALE = "9999-12-31T23:59:59.000Z"


class SessionData(Struct):
    """What a session is written from."""

    server: Server
    device: str
    user_id: str | None
    email: str | None
    access_token: Sensitive
    api_key: tuple[str, Sensitive] | None  # only for --session-api-key
    unlock: UnlockData | KeyConnectorData
    keys: AccountKeys
    wrapped_keys: WrappedAccountKeys
    key_connector_url: str | None
    sync: dict[str, object]
    sync_date: str | None
    server_config: object


def write_data(data: SessionData, session_key: SymmetricKey) -> bytes:
    """
    Return data.json's bytes; only `session_key` opens the user key in it.

    Raises ServerError: the server's replies lack what a session needs.
    """
    try:
        return _write_data(data, session_key)
    except RecursionError:
        raise ServerError("unexpected-reply", "the server's reply to the sync is nested too deeply") from None


def _write_data(data: SessionData, session_key: SymmetricKey) -> bytes:
    sync = sync_of(data.sync)
    profile = profile_of(sync)
    # Without a base URL the CLI would report accesses, with the access token, to bitwarden.com.
    vault = vault_state(sync, data.keys.private_key, events=data.server.base is not None)
    user_id = data.user_id or _text(profile, "id")
    email = data.email or _text(profile, "email")
    user = vault | _account_state(data) | _environment_state(data.server)
    config = _server_config(data.server_config)
    state: Record = {
        "stateVersion": STATE_VERSION,
        "global_account_accounts": {
            user_id: {"email": email, "emailVerified": True, "name": profile.get("name"), "creationDate": _now()}
        },
        "global_account_activeAccountId": user_id,
        "global_applicationId_appId": data.device,
        "global_config_byServer": {data.server.api: config},
        **{f"global_{name}": value for name, value in _environment_state(data.server).items()},
        f"__PROTECTED__{user_id}_user_auto": _base64(encrypt_to_buffer(data.keys.user_key.encode(), session_key)),
        f"user_{user_id}_config_serverConfig": config,
    }
    state |= {f"user_{user_id}_{name}": value for name, value in user.items()}
    return write_json(state)


def _account_state(data: SessionData) -> Record:
    state: Record = {
        "token_accessToken": data.access_token.reveal().decode("ascii"),
        "kdfConfig_kdfConfig": _kdf(data.unlock.kdf),
        "crypto_accountCryptographicState": _cryptographic_state(data),
        "vaultTimeoutSettings_vaultTimeout": "never",
        "vaultTimeoutSettings_vaultTimeoutAction": "lock",
        # For `bw unlock` inside the session: without it the CLI asks for what not all servers have, and crashes.
        "encryptedMigration_userKeyIdBackfillCooldown": _now(),
        "sync_lastSync": _last_sync(data.sync_date),
    }
    state |= _unlock_state(data.unlock, data.key_connector_url)
    if data.api_key is not None:
        client_id, client_secret = data.api_key
        state["token_apiKeyClientId"] = client_id
        state["token_apiKeyClientSecret"] = client_secret.reveal().decode("utf-8", "replace")
    return state


def _cryptographic_state(data: SessionData) -> Record:
    wrapped = data.wrapped_keys
    if wrapped.is_v2:
        parts = {
            "private_key": wrapped.private_key,
            "signed_public_key": wrapped.signed_public_key,
            "signing_key": wrapped.signing_key,
            "security_state": wrapped.security_state,
        }
        return {"V2": {name: text for name, text in parts.items() if text is not None}}
    private_key = wrapped.private_key
    if private_key is None or data.keys.private_key is None:
        # The CLI takes a session without a key pair for a broken one and closes it. This pair opens nothing.
        private_key = PrivateKey.make().wrap(SymmetricKey.from_bytes(data.keys.user_key.encode()))
    return {"V1": {"private_key": private_key}}


def _unlock_state(unlock: UnlockData | KeyConnectorData, url: str | None) -> Record:
    """Return what `bw unlock` and `bw lock` go by; with a Key Connector the CLI knows no unlocking, only the login."""
    if isinstance(unlock, KeyConnectorData):
        options: Record = {"hasMasterPassword": False, "keyConnectorOption": {"keyConnectorUrl": url}}
        return {"userDecryptionOptions_decryptionOptions": options, "keyConnector_usesKeyConnector": True}
    return {
        "userDecryptionOptions_decryptionOptions": {"hasMasterPassword": True},
        "masterPasswordUnlock_masterPasswordUnlockKey": {
            "salt": unlock.salt,
            "kdf": _kdf(unlock.kdf),
            "masterKeyWrappedUserKey": unlock.master_key_wrapped_user_key,
        },
    }


def _environment_state(server: Server) -> Record:
    """
    Return which server is meant.

    It must stand in the user's state too: without that the CLI sends the access
    token to api.bitwarden.com, whatever the global state says.  So it does for a
    region that it does not know and that has no URLs: older ones do not know Gov.
    """
    urls = None
    if server.region not in ("US", "EU"):
        urls = {"base": server.base}
        if server.base is None or (server.identity, server.api) != (f"{server.base}/identity", f"{server.base}/api"):
            urls |= {"identity": server.identity, "api": server.api}
    return {"environment_environment": {"region": server.region, "urls": urls}}


def _server_config(reply: object) -> Record:
    found = camel_case_outer(reply) if isinstance(reply, dict) else {}
    states = found.get("featureStates")
    settings = found.get("settings")
    return {
        "version": found.get("version"),
        "gitHash": found.get("gitHash"),
        "server": found.get("server"),
        "utcDate": NEVER_STALE,
        "environment": found.get("environment"),
        "featureStates": states if isinstance(states, dict) else {},
        "push": found.get("push") or {"pushTechnology": 0},
        "settings": settings
        if isinstance(settings, dict)
        else {"disableUserRegistration": False, "suppressOnboardingInterstitials": False},
    }


def camel_case_outer(reply: dict[str, object]) -> Record:
    """Return `reply` with the outermost names in camelCase: feature flags are names of their own."""
    return {name[:1].lower() + name[1:]: value for name, value in reply.items()}


def _kdf(kdf: Kdf) -> Record:
    if isinstance(kdf, Argon2id):
        return {"kdfType": 1, "iterations": kdf.iterations, "memory": kdf.memory_mib, "parallelism": kdf.parallelism}
    return {"kdfType": 0, "iterations": kdf.iterations}


def _last_sync(date: str | None) -> str:
    """
    Return the time of the sync by the server's clock, a second later.

    By this machine's clock, if it is slow, `bw sync` would believe that there
    is news and fetch, for which it wants the API key; the header has no fractions.
    """
    moment = datetime.now(UTC)
    if date is not None:
        try:
            moment = max(moment, parsedate_to_datetime(date).astimezone(UTC) + timedelta(seconds=1))
        except (ValueError, TypeError, IndexError, OverflowError):
            pass
    return _iso(moment)


def _now() -> str:
    return _iso(datetime.now(UTC))


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def _text(profile: Mapping[str, object], name: str) -> str:
    value = profile.get(name)
    if not isinstance(value, str) or not value:
        raise ServerError("incomplete-reply", f"`profile` of the server's reply to the sync lacks `{name}`")
    return value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
