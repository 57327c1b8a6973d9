"""
Writing data.json, the file in which the official CLI keeps its state.

It is an internal format of that program.  The facts here come from experiments
and from the sources in the source map of its npm package; paths such as
libs/state name files in there.  The file is written so that CLIs from 2024.12
to 2026.9 accept it, and tests run one of each half year on it.  Beside this
module, `vault_state`, `readable` and `rewriting` know the format.

The file never contains the master password or a refresh token.  (With a refresh
token that the server refuses, the CLI logs out and deletes the vault.)  It
contains the API key only with --session-api-key.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from bwrun.base.errors import ServerError
from bwrun.base.jsontext import write_json
from bwrun.crypto.asymmetric import PrivateKey
from bwrun.crypto.encstring import SymmetricKey, encrypt_to_buffer
from bwrun.crypto.parameters import Argon2id, Kdf, KeyConnectorData, UnlockData
from bwrun.crypto.primitives import random_bytes
from bwrun.session.contents import EncodedSession, NoUnlockData, SessionData
from bwrun.session.readable import Record
from bwrun.session.rewriting import DATA_FILE
from bwrun.session.vault_state import vault_state
from bwrun.settings.servers import Server
from bwrun.vault.sync import profile_of, sync_of

# CURRENT_VERSION of 2026.9.0 (libs/state/src/state-migrations/migrate.ts). A newer CLI migrates the file from this
# version on. An older CLI leaves it as it is: each migration runs from one version only, and all are lower.
STATE_VERSION = 85
# The CLI fetches the server's configuration again when its copy is more than an hour old, and needs a valid access
# token for that (libs/common/src/platform/services/config). With this date it never does, so reading goes on working
# after the token has expired.
NEVER_STALE = "9999-12-31T23:59:59.000Z"
# The CLI before 2026.3 reads each wrapped key from a state of its own: these are their names (libs/common/src/platform/
# services/key-state and libs/common/src/key-management/security-state of 2025.12.1).
KEY_STATES = {
    "private_key": "privateKey",
    "signing_key": "userSigningKey",
    "signed_public_key": "userSignedPublicKey",
    "security_state": "accountSecurityState",
}


def encode_session(data: SessionData) -> EncodedSession:
    """
    Return data.json, its user key encrypted with a new session key.

    Raises ServerError: the server's replies lack something that the session needs.
    """
    session_key = SymmetricKey.from_bytes(random_bytes(SymmetricKey.SIZE))
    return EncodedSession(_base64(session_key.to_bytes()), {DATA_FILE: write_data(data, session_key)})


def write_data(data: SessionData, session_key: SymmetricKey) -> list[bytes | memoryview]:
    """
    Return the content of data.json in parts, its user key encrypted with `session_key`.

    It is not one text, because a large vault would then be in memory twice.

    Raises ServerError: the server's replies lack something that the session needs.
    """
    if data.encoded_vault is None:
        head, encoded = _encode(data)
        members = memoryview(encoded)
    else:
        end = data.encoded_vault.index(b"\n")
        head, members = data.encoded_vault[:end], memoryview(data.encoded_vault)[end + 1 :]
    found = json.loads(head)
    for text in found["notes"]:
        data.note(text)
    rest = write_json(_state(data, session_key, found["user_id"]))
    return [members[:-1], b",", memoryview(rest)[1:]]


def encode_vault(data: SessionData) -> bytes:
    """
    Return the states that depend on the vault and the account alone.

    The first line is JSON: the user's id, and in words what the session lacks.  After it come these states, as one JSON
    object.

    Raises ServerError: the server's replies lack something that the session needs.
    """
    return b"\n".join(_encode(data))


def _encode(data: SessionData) -> tuple[bytes, bytes]:
    """Return the two parts of what `encode_vault()` returns."""
    try:
        return _encode_vault(data)
    except RecursionError:
        raise ServerError("unexpected-reply", "the server's reply to the sync is nested too deeply") from None


def _encode_vault(data: SessionData) -> tuple[bytes, bytes]:
    sync = sync_of(data.sync)
    profile = profile_of(sync)
    notes: list[str] = []
    # The CLI reports which items were read to the server's base URL. Without one, it would send that, with the access
    # token, to bitwarden.com.
    user = vault_state(sync, data.keys.private_key, notes.append, events=data.server.base is not None)
    if isinstance(data.unlock, KeyConnectorData):
        user["keyConnector_usesKeyConnector"] = True
    user |= _key_state(data)
    user_id = data.user_id or _text(profile, "id")
    email = data.email or _text(profile, "email")
    members: Record = {
        "global_account_accounts": {
            user_id: {"email": email, "emailVerified": True, "name": profile.get("name"), "creationDate": _now()}
        },
        **{f"user_{user_id}_{name}": value for name, value in user.items()},
    }
    return json.dumps({"user_id": user_id, "notes": notes}).encode(), write_json(members)


def _state(data: SessionData, session_key: SymmetricKey, user_id: str) -> Record:
    """Return the other states: of the login, of the server, and the user key under the session key."""
    user = _account_state(data) | _environment_state(data.server)
    config = _server_config(data.server_config)
    state: Record = {
        "stateVersion": STATE_VERSION,
        "global_account_activeAccountId": user_id,
        "global_applicationId_appId": data.device,
        "global_config_byServer": {data.server.api: config},
        **{f"global_{name}": value for name, value in _environment_state(data.server).items()},
        # For CLIs up to 2025.8, which say "You are not logged in." without it (libs/common/src/platform/services/
        # state.service.ts, `getIsAuthenticated`).
        user_id: {"profile": {"userId": user_id}},
        f"__PROTECTED__{user_id}_user_auto": _base64(encrypt_to_buffer(data.keys.user_key.encode(), session_key)),
        f"user_{user_id}_config_serverConfig": config,
    }
    return state | {f"user_{user_id}_{name}": value for name, value in user.items()}


def _account_state(data: SessionData) -> Record:
    """Return the states of the account itself: tokens, keys, and what the CLI needs to unlock and to sync."""
    state: Record = {
        "token_accessToken": data.access_token.reveal().decode("ascii"),
        "kdfConfig_kdfConfig": _kdf(data.unlock.kdf),
        "vaultTimeoutSettings_vaultTimeout": "never",
        "vaultTimeoutSettings_vaultTimeoutAction": "lock",
        # Without this date, `bw unlock` sends a request that not all servers support, and crashes if it fails.
        "encryptedMigration_userKeyIdBackfillCooldown": _now(),
        "sync_lastSync": _last_sync(data.sync_date, data.sync_current),
    }
    state |= _unlock_state(data.unlock, data.key_connector_url)
    if data.api_key is not None:
        client_id, client_secret = data.api_key
        state["token_apiKeyClientId"] = client_id
        state["token_apiKeyClientSecret"] = client_secret.reveal().decode("utf-8", "replace")
    return state


def _key_state(data: SessionData) -> Record:
    """
    Return the account's wrapped keys twice: in one state for CLIs from 2026.3 on, in one state each for older ones.

    An older CLI checks the user key by decrypting `crypto_privateKey` with it.
    Without that state it says "Invalid key, throwing away stored keys"
    (libs/key-management/src/key.service.ts, `validateUserKey`).
    """
    wrapped = data.wrapped_keys
    if wrapped.is_v2:
        version, parts = "V2", {name: getattr(wrapped, name) for name in KEY_STATES}
    else:
        version, parts = "V1", {"private_key": _private_key(data)}
    found = {name: text for name, text in parts.items() if text is not None}
    older = {f"crypto_{KEY_STATES[name]}": text for name, text in found.items()}
    return {"crypto_accountCryptographicState": {version: found}, **older}


def _private_key(data: SessionData) -> str:
    """Return the wrapped private key of a V1 account, or a new one if the account's cannot be decrypted."""
    wrapped = data.wrapped_keys.private_key
    if wrapped is None or data.keys.private_key is None:
        # The CLI locks a session that has no private key. Nothing is encrypted for this new one.
        wrapped = PrivateKey.make().wrap(SymmetricKey.from_bytes(data.keys.user_key.encode()))
    return wrapped


def _unlock_state(unlock: UnlockData | KeyConnectorData | NoUnlockData, url: str | None) -> Record:
    """Return the states for `bw unlock` and `bw lock`. With a Key Connector, the CLI can log in but not unlock."""
    if isinstance(unlock, NoUnlockData):
        return {"userDecryptionOptions_decryptionOptions": {"hasMasterPassword": True}}
    if isinstance(unlock, KeyConnectorData):
        options: Record = {"hasMasterPassword": False, "keyConnectorOption": {"keyConnectorUrl": url}}
        return {"userDecryptionOptions_decryptionOptions": options}
    return {
        "userDecryptionOptions_decryptionOptions": {"hasMasterPassword": True},
        "masterPassword_masterKeyEncryptedUserKey": unlock.master_key_wrapped_user_key,  # for CLIs up to 2025
        "masterPasswordUnlock_masterPasswordUnlockKey": {
            "salt": unlock.salt,
            "kdf": _kdf(unlock.kdf),
            "masterKeyWrappedUserKey": unlock.master_key_wrapped_user_key,
        },
    }


def _environment_state(server: Server) -> Record:
    """
    Return the state that names the server. It must be written twice, as a global state and as one of the user.

    Without the one of the user, the CLI sends the access token to
    api.bitwarden.com, whatever the global one says.  It does the same for a region
    that it does not know and that has no URLs; older CLIs do not know Gov.
    """
    urls = None
    if server.region not in ("US", "EU"):
        urls = {"base": server.base}
        if server.base is None or (server.identity, server.api) != (f"{server.base}/identity", f"{server.base}/api"):
            urls |= {"identity": server.identity, "api": server.api}
    return {"environment_environment": {"region": server.region, "urls": urls}}


def _server_config(reply: object) -> Record:
    """Return the server's configuration as the CLI stores it; `reply` is that of GET /config, or None."""
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
    """Return `reply` with its outermost names in camelCase. The names of feature flags, which are inside, must stay."""
    return {name[:1].lower() + name[1:]: value for name, value in reply.items()}


def _kdf(kdf: Kdf) -> Record:
    if isinstance(kdf, Argon2id):
        return {"kdfType": 1, "iterations": kdf.iterations, "memory": kdf.memory_mib, "parallelism": kdf.parallelism}
    return {"kdfType": 0, "iterations": kdf.iterations}


def _last_sync(date: float | None, current: float | None) -> str:
    """
    Return the time of the sync, by the server's clock if that is ahead of this machine's.

    `bw sync` downloads the vault again if the server's last change is later than
    this time, and needs the API key for that.  `date` is in whole seconds, so one
    second is added.
    """
    moments = [time.time() if current is None else current]
    if date is not None:
        moments.append(date + 1)
    return _iso(datetime.fromtimestamp(max(moments), UTC))


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
