"""
The login with a personal API key: the form that is sent, and what the reply means.

Facts: protocol notes 1.3, 1.4, 1.8 and 5; names as on the wire stand at the
line that reads them.
"""

from __future__ import annotations

import base64
import binascii
import json
from uuid import UUID, uuid5

from bwrun.base.errors import AuthenticationError, BwrunError, ServerError
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.credentials.finding import KEY_HINT, ApiKey, Credentials
from bwrun.crypto.parameters import Argon2id, Kdf, KeyConnectorData, Pbkdf2, UnlockData, WrappedAccountKeys
from bwrun.login.wire import Wire
from bwrun.network.answer import HTTP_OK, Answer
from bwrun.network.client import DEVICE_TYPE
from bwrun.settings.servers import EU, US, Server

# Of bwrun alone: with it and the client id, the same account is the same device on every machine, and nobody
# gets a "new device" mail for each run of a container.
DEVICE_NAMESPACE = UUID("6d7cb1a2-5a0f-4d3b-9d6e-2a6f6f1c8b57")
DEFAULT_LIFETIME = 3600  # seconds, the official server's
DEFAULT_ITERATIONS = 600_000  # of PBKDF2, for accounts that are made today
HTTP_NOT_FOUND = 404
_KDF_PBKDF2, _KDF_ARGON2ID = 0, 1
_BAD_KEY = ("invalid_client", "client_id", "client_secret", "clientid", "clientsecret")


class Login(Struct):
    """What a login gives: an access token, and what the vault is unlocked with."""

    access_token: Sensitive
    lifetime: int  # seconds that the access token lives
    user_id: str | None
    email: str | None
    unlock: UnlockData | KeyConnectorData
    account_keys: WrappedAccountKeys  # under the user key
    force_password_reset: bool


def device_id(client_id: str, chosen: str | None) -> str:
    """Return the identifier of this device: the chosen one, or one that follows from the client id."""
    return chosen or str(uuid5(DEVICE_NAMESPACE, client_id.lower()))


def login_form(api_key: ApiKey, device: str) -> dict[str, str]:
    """
    Return the fields of `POST {identity}/connect/token`.

    (bitwarden/clients:libs/common/src/auth/models/request/identity-token/user-api-token.request.ts)
    """
    return {
        "grant_type": "client_credentials",
        "scope": "api",
        "client_id": api_key.client_id,
        "client_secret": api_key.client_secret.reveal().decode("utf-8", "replace"),
        "deviceType": DEVICE_TYPE,
        "deviceIdentifier": device,
        "deviceName": "linux",
    }


def read_login(answer: Answer, credentials: Credentials, server: Server) -> Login:
    """
    Return what the server's answer to the login gives.

    Raises AuthenticationError: the key is not accepted, or the account has neither a master password nor a Key
    Connector; ServerError: the answer is not usable.
    """
    if answer.status != HTTP_OK:
        raise _refusal(answer, credentials, server)
    reply = Wire(answer.data, "the server's reply to the login")
    token = _access_token(reply)
    connected = _is_connected(reply)
    claims = _claims(token)
    email = _plain(claims.get("email"))
    user_id = _plain(claims.get("sub"))
    return Login(
        access_token=Sensitive(token.encode()),
        lifetime=reply.number("expires_in") or DEFAULT_LIFETIME,
        user_id=user_id,
        email=email,
        unlock=_key_connector_data(reply) if connected else _unlock_data(reply, email),
        account_keys=_account_keys(reply),
        force_password_reset=reply.flag("ForcePasswordReset") or False,
    )


def access_token_of(answer: Answer) -> tuple[Sensitive, int]:
    """
    Return the access token of a later login, and its life in seconds.

    Raises AuthenticationError, ServerError.
    """
    if answer.status != HTTP_OK:
        raise AuthenticationError("refused", f"the server refused the login ({answer.status} {answer.message})")
    reply = Wire(answer.data, "the server's reply to the login")
    return Sensitive(_access_token(reply).encode()), reply.number("expires_in") or DEFAULT_LIFETIME


def _access_token(reply: Wire) -> str:
    token = reply.need_text("access_token")
    if not all("!" <= char <= "~" for char in token):  # what a header can hold
        raise ServerError("unexpected-reply", "the server's reply to the login contains an invalid access token")
    return token


def _is_connected(reply: Wire) -> bool:
    """
    Return whether a Key Connector keeps the account's master key (protocol notes 5).

    Raises AuthenticationError: nothing does, and there is no master password.
    """
    options = reply.child("UserDecryptionOptions")
    has_master_password = None if options is None else options.flag("HasMasterPassword")
    if reply.flag("ApiUseKeyConnector") and not has_master_password:
        return True
    if has_master_password is False:
        raise AuthenticationError(
            "no-master-password", "this account has no master password, and an API key alone cannot unlock its vault",
            "set a master password in the web vault, or use another account",
        )  # fmt: skip
    return False


def _account_keys(part: Wire) -> WrappedAccountKeys:
    """Return the keys under the user key that a reply to the login has, or the profile of a sync."""
    keys = part.child("AccountKeys") or Wire({}, "nothing")
    pair, signature, state = (
        keys.child(name) or Wire({}, "nothing")
        for name in ("publicKeyEncryptionKeyPair", "signatureKeyPair", "securityState")
    )
    return WrappedAccountKeys(
        private_key=pair.text("wrappedPrivateKey") or part.text("PrivateKey") or None,
        signing_key=signature.text("wrappedSigningKey") or None,
        signed_public_key=pair.text("signedPublicKey") or None,
        security_state=state.text("securityState") or None,
    )


def find_account_keys(login: Login, sync: object) -> tuple[WrappedAccountKeys, str | None]:
    """Return an account's other keys and whose they are; what the login's reply lacks, a sync's profile may have."""
    ours, found, user_id = login.account_keys, WrappedAccountKeys(), None
    try:
        profile = Wire(sync, "the server's reply to the sync").child("profile")
        if profile is not None:
            found, user_id = _account_keys(profile), profile.text("id")
    except ServerError:
        pass  # a profile of no use; the login's own reply may do
    wrapped = WrappedAccountKeys(
        private_key=ours.private_key or found.private_key,
        signing_key=ours.signing_key or found.signing_key,
        signed_public_key=ours.signed_public_key or found.signed_public_key,
        security_state=ours.security_state or found.security_state,
    )
    return wrapped, login.user_id or user_id


def _unlock_data(reply: Wire, email: str | None) -> UnlockData:
    """Prefer MasterPasswordUnlock, which belongs together; fall back to Key and Kdf* (Vaultwarden before 1.35.3)."""
    options = reply.child("UserDecryptionOptions")
    unlock = None if options is None else options.child("MasterPasswordUnlock")
    if unlock is None:
        salt = email
        if not salt:
            raise ServerError(
                "incomplete-reply", "the server's reply to the login names no e-mail address to derive with"
            )
        return UnlockData(_kdf(reply, "Kdf", "Kdf"), salt, reply.need_text("Key"))
    kdf = unlock.child("Kdf")
    if kdf is None:
        raise unlock.lacks("Kdf")
    wrapped = unlock.text("MasterKeyEncryptedUserKey") or unlock.text("MasterKeyWrappedUserKey") or reply.text("Key")
    salt = unlock.text("Salt") or email
    if not wrapped or not salt:
        raise unlock.lacks("Salt" if wrapped else "MasterKeyEncryptedUserKey")
    return UnlockData(_kdf(kdf, "KdfType", ""), salt, wrapped)


def _key_connector_data(reply: Wire) -> KeyConnectorData:
    kdf = _kdf(reply, "Kdf", "Kdf") if reply.has("Kdf") else Pbkdf2(DEFAULT_ITERATIONS)
    return KeyConnectorData(kdf, reply.need_text("Key"))


def _kdf(part: Wire, kind_name: str, prefix: str) -> Kdf:
    kind = part.need_number(kind_name)
    iterations = part.need_number(f"{prefix}Iterations")
    if kind == _KDF_PBKDF2:
        return Pbkdf2(iterations)
    if kind == _KDF_ARGON2ID:
        return Argon2id(iterations, part.need_number(f"{prefix}Memory"), part.need_number(f"{prefix}Parallelism"))
    raise AuthenticationError(
        "unsupported-account", f"this account uses a KDF of type {kind}, which bwrun does not support"
    )


def _claims(token: str) -> dict[str, object]:
    """Return what the token says of its user; not verified, so only for names and the old salt."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _plain(value: object) -> str | None:
    """Return a text that UTF-8 can hold, None for anything else."""
    return value if isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value) else None


def _refusal(answer: Answer, credentials: Credentials, server: Server) -> BwrunError:
    """Return what a refused login means: official servers say it in `error`, Vaultwarden in words (protocol 1.8)."""
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
    if credentials.client_id_place != credentials.client_secret_place and not _same_file(credentials):
        hints.append(
            f"check that both halves belong to one key: client_id is from {credentials.client_id_place},"
            f" client_secret from {credentials.client_secret_place}"
        )
    hints.append(f"copy the key again if it was rotated; {KEY_HINT}")
    if server in (US, EU):
        other, flag = ("bitwarden.eu", "eu") if server == US else ("bitwarden.com", "us")
        hints.append(
            f"if the account is at {other}, set `--server {flag}`; for a self-hosted server set `--server URL`"
        )
    return hints


def _same_file(credentials: Credentials) -> bool:
    places = (credentials.client_id_place, credentials.client_secret_place)
    files = {place.partition("` line ")[0] for place in places}
    return len(files) == 1 and all("` line " in place for place in places)
