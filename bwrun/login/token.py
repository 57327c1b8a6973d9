"""
Logging in with a personal API key: the form that is sent, and reading the server's reply.

Facts: protocol notes 1.3, 1.4, 1.8 and 5. The protocol's own names (`KdfMemory`) stand where they are read.
"""

from __future__ import annotations

import base64
import binascii
import json
from uuid import UUID, uuid5

from bwrun.base.errors import AuthenticationError, ServerError
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.credentials.found import ApiKey, Credentials
from bwrun.crypto.parameters import Argon2id, Kdf, KeyConnectorData, Pbkdf2, UnlockData, WrappedAccountKeys
from bwrun.login.server_json import JsonObject
from bwrun.network.answer import HTTP_OK, Answer
from bwrun.network.client import DEVICE_TYPE
from bwrun.settings.servers import Server

# The device's identifier follows from this namespace and the client id. So an account has the same device on every
# machine, and the server does not send a "new device" mail for each run in a container.
DEVICE_NAMESPACE = UUID("6d7cb1a2-5a0f-4d3b-9d6e-2a6f6f1c8b57")
DEFAULT_LIFETIME = 3600  # seconds; that of the official server
MAX_LIFETIME = 10**9  # seconds; a higher number is a mistake
DEFAULT_ITERATIONS = 600_000  # of PBKDF2; that of new accounts
_KDF_PBKDF2, _KDF_ARGON2ID = 0, 1


class Login(Struct):
    """The server's reply to a login."""

    access_token: Sensitive
    lifetime: int  # seconds for which the access token is valid
    user_id: str | None
    email: str | None
    unlock: UnlockData | KeyConnectorData
    account_keys: WrappedAccountKeys  # encrypted with the user key
    force_password_reset: bool  # an administrator has reset the master password


def device_id(client_id: str, chosen: str | None) -> str:
    """Return the identifier of this device: `chosen` if it is set, else the one that follows from the client id."""
    return chosen or str(uuid5(DEVICE_NAMESPACE, client_id.lower()))


def login_form(api_key: ApiKey, device: str) -> dict[str, str]:
    """
    Return the form for `POST {identity}/connect/token`.

    Fields: bitwarden/clients:libs/common/src/auth/models/request/identity-token/user-api-token.request.ts
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
    Read the server's answer to a login.

    Raises AuthenticationError: the server does not accept the API key, or the account has neither a master password nor
    a Key Connector; ServerError: the answer has an unexpected form.
    """
    if answer.status != HTTP_OK:
        from bwrun.login.login_errors import login_error  # noqa: PLC0415  (only after a failure)

        raise login_error(answer, credentials, server)
    reply = JsonObject(answer.data, "the server's reply to the login")
    token = _access_token(reply)
    uses_key_connector = _uses_key_connector(reply)
    claims = _claims(token)
    email = _text(claims.get("email"))
    user_id = _text(claims.get("sub"))
    return Login(
        access_token=Sensitive(token.encode()),
        lifetime=_lifetime(reply),
        user_id=user_id,
        email=email,
        unlock=_key_connector_data(reply) if uses_key_connector else _unlock_data(reply, email),
        account_keys=_account_keys(reply),
        force_password_reset=reply.flag("ForcePasswordReset") or False,
    )


def access_token_of(answer: Answer) -> tuple[Sensitive, int]:
    """
    Return the access token in the answer to a later login, and the seconds for which it is valid.

    Raises AuthenticationError: the server refused the login; ServerError: the answer has an unexpected form.
    """
    if answer.status != HTTP_OK:
        raise AuthenticationError("refused", f"the server refused the login ({answer.status} {answer.message})")
    reply = JsonObject(answer.data, "the server's reply to the login")
    return Sensitive(_access_token(reply).encode()), _lifetime(reply)


def _access_token(reply: JsonObject) -> str:
    token = reply.required_text("access_token")
    if not all("!" <= char <= "~" for char in token):  # the characters that a header can hold
        raise ServerError("unexpected-reply", "the server's reply to the login contains an invalid access token")
    return token


def _lifetime(reply: JsonObject) -> int:
    """
    Return the seconds for which the access token is valid.

    The number may be written as a text. Any other value is ignored, as the official CLI does (IdentityTokenResponse).
    """
    value = reply.data.get("expires_in")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_LIFETIME)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= MAX_LIFETIME:
        return DEFAULT_LIFETIME
    return int(value)


def _uses_key_connector(reply: JsonObject) -> bool:
    """
    Return whether a Key Connector keeps the master key of the account (protocol notes 5).

    Newer servers leave out HasMasterPassword: MasterPasswordUnlock is there if the account has a master password.

    Raises AuthenticationError: there is neither a Key Connector nor a master password.
    """
    options = reply.child("UserDecryptionOptions")
    has_master_password = None
    if options is not None:
        has_master_password = options.flag("HasMasterPassword")
        if has_master_password is None:
            has_master_password = options.has("MasterPasswordUnlock") or reply.has("Key")
    if reply.flag("ApiUseKeyConnector") and not has_master_password:
        return True
    if has_master_password is False:
        raise AuthenticationError(
            "no-master-password", "this account has no master password, and an API key alone cannot unlock its vault",
            "set a master password in the web vault, or use another account",
        )  # fmt: skip
    return False


def _account_keys(part: JsonObject) -> WrappedAccountKeys:
    """Return the encrypted keys in the reply to a login or in the profile of a sync."""
    keys = part.child("AccountKeys") or JsonObject({}, "nothing")
    pair, signature, state = (
        keys.child(name) or JsonObject({}, "nothing")
        for name in ("publicKeyEncryptionKeyPair", "signatureKeyPair", "securityState")
    )
    return WrappedAccountKeys(
        private_key=pair.text("wrappedPrivateKey") or part.text("PrivateKey") or None,
        signing_key=signature.text("wrappedSigningKey") or None,
        signed_public_key=pair.text("signedPublicKey") or None,
        security_state=state.text("securityState") or None,
    )


def find_user_key(sync: object) -> str:
    """Return the wrapped user key in a sync's profile. Raises ServerError: there is none."""
    what = "the server's reply to the sync"
    return (JsonObject(sync, what).child("profile") or JsonObject({}, f"`profile` of {what}")).required_text("Key")


def find_account_keys(login: Login, sync: object) -> tuple[WrappedAccountKeys, str | None]:
    """Return the encrypted keys and the user id of an account: from the login, or else from the profile of the sync."""
    ours, found, user_id = login.account_keys, WrappedAccountKeys(), None
    try:
        profile = JsonObject(sync, "the server's reply to the sync").child("profile")
        if profile is not None:
            found, user_id = _account_keys(profile), profile.text("id")
    except ServerError:
        pass  # the profile has an unexpected form, but the reply to the login may be enough
    wrapped = WrappedAccountKeys(
        private_key=ours.private_key or found.private_key,
        signing_key=ours.signing_key or found.signing_key,
        signed_public_key=ours.signed_public_key or found.signed_public_key,
        security_state=ours.security_state or found.security_state,
    )
    return wrapped, login.user_id or user_id


def _unlock_data(reply: JsonObject, email: str | None) -> UnlockData:
    """Return what unlocks the vault: MasterPasswordUnlock, or Key and Kdf* (Vaultwarden before 1.35.3)."""
    options = reply.child("UserDecryptionOptions")
    unlock = None if options is None else options.child("MasterPasswordUnlock")
    if unlock is None:
        salt = email
        if not salt:
            raise ServerError(
                "incomplete-reply",
                "the server's reply to the login has no e-mail address, which the key derivation needs",
            )
        return UnlockData(_kdf(reply, "Kdf", "Kdf"), salt, reply.required_text("Key"))
    kdf = unlock.child("Kdf")
    if kdf is None:
        raise unlock.lacks("Kdf")
    wrapped = unlock.text("MasterKeyEncryptedUserKey") or unlock.text("MasterKeyWrappedUserKey") or reply.text("Key")
    salt = unlock.text("Salt") or email
    if not wrapped or not salt:
        raise unlock.lacks("Salt" if wrapped else "MasterKeyEncryptedUserKey")
    return UnlockData(_kdf(kdf, "KdfType", ""), salt, wrapped)


def _key_connector_data(reply: JsonObject) -> KeyConnectorData:
    kdf = _kdf(reply, "Kdf", "Kdf") if reply.has("Kdf") else Pbkdf2(DEFAULT_ITERATIONS)
    return KeyConnectorData(kdf, reply.text("Key") or None)


def _kdf(part: JsonObject, kind_name: str, prefix: str) -> Kdf:
    kind = part.required_number(kind_name)
    iterations = part.required_number(f"{prefix}Iterations")
    if kind == _KDF_PBKDF2:
        return Pbkdf2(iterations)
    if kind == _KDF_ARGON2ID:
        return Argon2id(
            iterations, part.required_number(f"{prefix}Memory"), part.required_number(f"{prefix}Parallelism")
        )
    raise AuthenticationError(
        "unsupported-account", f"this account uses a KDF of type {kind}, which bwrun does not support"
    )


def _claims(token: str) -> dict[str, object]:
    """Return the claims in an access token. They are not verified: only the e-mail address and the user id are used."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _text(value: object) -> str | None:
    """Return `value` if it is a text that UTF-8 can hold; else None."""
    return value if isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value) else None
