"""The bodies of successful replies: token, prelogin, profile, sync, config.

Sources: bitwarden/server src/Identity/IdentityServer/RequestValidators/*.cs and
src/Api/Vault/Models/Response/SyncResponseModel.cs; dani-garcia/vaultwarden src/api/identity.rs, src/api/core/*.rs.
"""

from __future__ import annotations

import json

from tests.server.json_types import Json, JsonValue
from tests.server.specs import Argon2id, Pbkdf2, ReplyStyle
from tests.server.state import StoredAccount, StoredOrganization, World
from tests.server.styles import camel_case, drop_fields, pascal_case
from tests.server.vault import LEASED, TYPED_NAMES

# Client versions below which a server leaves out a cipher type (bitwarden/server src/Core/Constants.cs).
SSH_KEYS_SINCE = (2024, 12, 0)
NEW_TYPES_SINCE = (2026, 2, 0)
# Names in the reply to a login that newer ones replace.
DEPRECATED = ("Key", "PrivateKey", "Kdf", "KdfIterations", "KdfMemory", "KdfParallelism")


def kdf_fields(kdf: Pbkdf2 | Argon2id) -> Json:
    """Kdf* of a reply; memory in MiB, null for PBKDF2."""
    if isinstance(kdf, Pbkdf2):
        return {"Kdf": 0, "KdfIterations": kdf.iterations, "KdfMemory": None, "KdfParallelism": None}
    return {
        "Kdf": 1,
        "KdfIterations": kdf.iterations,
        "KdfMemory": kdf.memory_mib,
        "KdfParallelism": kdf.parallelism,
    }


def kdf_object(kdf: Pbkdf2 | Argon2id) -> Json:
    """The newer form, one object."""
    flat = kdf_fields(kdf)
    return {
        "KdfType": flat["Kdf"],
        "Iterations": flat["KdfIterations"],
        "Memory": flat["KdfMemory"],
        "Parallelism": flat["KdfParallelism"],
    }


def account_keys(account: StoredAccount) -> Json:
    """AccountKeys; its own names are camelCase even where the rest is PascalCase."""
    pair: Json = {
        "wrappedPrivateKey": account.private_key,
        "publicKey": account.public_key,
        "signedPublicKey": None,
        "object": "publicKeyEncryptionKeyPair",
    }
    keys: Json = {"publicKeyEncryptionKeyPair": pair, "object": "privateKeys"}
    if account.signed is not None:
        pair["signedPublicKey"] = account.signed.signed_public_key
        keys["signatureKeyPair"] = {
            "wrappedSigningKey": account.signed.signing_key,
            "verifyingKey": account.signed.verifying_key,
            "object": "signatureKeyPair",
        }
        keys["securityState"] = {"securityState": account.signed.security_state, "securityVersion": 2}
    return keys


def master_password_unlock(account: StoredAccount) -> Json | None:
    """MasterPasswordUnlock, PascalCase; None for an account without a master password."""
    if account.wrapped_user_key is None or not _has_master_password(account):
        return None
    unlock: Json = {
        "Kdf": kdf_object(account.spec.kdf),
        "MasterKeyEncryptedUserKey": account.wrapped_user_key,
        "Salt": account.salt,
    }
    if account.is_vaultwarden:
        unlock["MasterKeyWrappedUserKey"] = account.wrapped_user_key
    return unlock


def _has_master_password(account: StoredAccount) -> bool:
    return account.spec.master_password_set and not account.spec.key_connector


def token_reply(account: StoredAccount, access_token: str, expires_in: int) -> Json:
    """The reply of POST connect/token; `expires_in` in seconds."""
    style = account.style
    reply: Json = {
        "access_token": access_token,
        "expires_in": expires_in,
        "token_type": "Bearer",
        "scope": "api",
        "PrivateKey": account.private_key,
        **kdf_fields(account.spec.kdf),
        "ForcePasswordReset": account.spec.force_password_reset,
    }
    if account.wrapped_user_key is not None:
        reply["Key"] = account.wrapped_user_key
    if account.is_vaultwarden:
        reply |= {"ResetMasterPassword": False}
    else:
        reply |= {"MasterPasswordPolicy": {"Object": "masterPasswordPolicy"}}
    if account.spec.key_connector:
        reply["ApiUseKeyConnector"] = True
    if style not in {"vaultwarden-1.35", "pascal"}:
        options: Json = {"HasMasterPassword": _has_master_password(account)}
        options |= {"MasterPasswordUnlock": master_password_unlock(account), "Object": "userDecryptionOptions"}
        reply |= {"AccountKeys": account_keys(account), "UserDecryptionOptions": options}
    reply = camel_case(reply) if style == "camel" else reply
    if style == "announced":
        reply = {name: value for name, value in reply.items() if name not in DEPRECATED}
        reply["UserDecryptionOptions"].pop("HasMasterPassword")
    dropped: Json = drop_fields(reply, account.spec.drop_fields)
    return dropped


def prelogin_reply(account: StoredAccount | None) -> Json:
    """The reply of POST accounts/prelogin: for an unknown address the default, so that none can be probed."""
    kdf = Pbkdf2() if account is None else account.spec.kdf
    salt = None if account is None else account.salt
    reply: Json = camel_case({**kdf_fields(kdf), "KdfSettings": kdf_object(kdf), "Salt": salt})
    return reply


def profile_reply(account: StoredAccount, url: str) -> Json:
    """The account's profile, camelCase; `url` is the server's base."""
    spec = account.spec
    return {
        "id": account.user_id,
        "name": spec.name,
        "email": spec.email,
        "emailVerified": True,
        "premium": spec.premium,
        "premiumFromOrganization": False,
        "culture": "en-US",
        "twoFactorEnabled": False,
        "key": account.wrapped_user_key,
        "privateKey": account.private_key,
        **({} if account.style in {"vaultwarden-1.35", "pascal"} else {"accountKeys": account_keys(account)}),
        "securityStamp": account.security_stamp,
        "forcePasswordReset": spec.force_password_reset,
        "usesKeyConnector": spec.key_connector,
        "avatarColor": None,
        "creationDate": account.created,
        "verifyDevices": True,
        "organizationsNew" if account.style == "announced" else "organizations": [
            organization_reply(account, o, url) for o in account.organizations.values()
        ],
        "providers": [],
        "providerOrganizations": [],
        "object": "profile",
    }


def organization_reply(account: StoredAccount, organization: StoredOrganization, url: str) -> Json:
    """A confirmed (status 2) membership as an owner (type 0), as the profile has it."""
    abilities = ("usePolicies", "useGroups", "useEvents", "useTotp", "use2fa", "useApi", "useResetPassword")
    return {
        "id": organization.id,
        "name": organization.name,
        "key": organization.wrapped_key,
        "enabled": organization.enabled,
        "status": 2,
        "type": 0,
        "userId": account.user_id,
        "organizationUserId": account.user_id,
        **dict.fromkeys(abilities, True),
        "usePasswordManager": True,
        "useSso": False,
        "useKeyConnector": account.spec.key_connector,
        "keyConnectorEnabled": account.spec.key_connector,
        "keyConnectorUrl": f"{url}/key-connector" if account.spec.key_connector else None,
        "usersGetPremium": True,
        "selfHost": True,
        "hasPublicAndPrivateKeys": True,
        "permissions": {"manageUsers": False, "editAnyCollection": False},
        "productTierType": 3,
        "limitItemDeletion": False,
        "object": "profileOrganization",
    }


def cipher_reply(account: StoredAccount, cipher: Json, *, alone: bool = False) -> Json:
    """
    A stored cipher as the API gives it, `alone` or in a list.

    The official server repeats the typed fields as a string in `data`.
    """
    if LEASED in cipher:
        leased = cipher[LEASED] != "granted" or not alone
        cipher = {name: value for name, value in cipher.items() if name != LEASED}
        if leased:
            return _without_secrets(cipher)
    if account.style not in {"official", "announced"} or cipher["data"] is not None:
        return cipher
    typed: Json = next((cipher[name] for name in TYPED_NAMES if cipher[name] is not None), {})
    names = ("name", "notes", "fields", "passwordHistory")
    whole = {**cipher, "data": json.dumps(pascal_case({**typed, **{name: cipher[name] for name in names}}))}
    return whole if account.style == "official" else {**whole, **dict.fromkeys((*TYPED_NAMES, *names))}


def _without_secrets(cipher: Json) -> Json:
    """A leased cipher; its `partialData` is in camelCase (src/Core/Vault/Models/Data/PartialCipherData.cs)."""
    kept = {"name": cipher["name"], "uris": (cipher["login"] or {}).get("uris")}
    partial = json.dumps({name: value for name, value in kept.items() if value is not None})
    withheld = ("name", "notes", "fields", "passwordHistory", "data", *TYPED_NAMES)
    return {**cipher, **dict.fromkeys(withheld), "partialData": partial}


def is_shown(cipher: Json, version: tuple[int, ...]) -> bool:
    """Whether a client of that version (empty: none given) gets the cipher in a sync."""
    since = {5: SSH_KEYS_SINCE, 6: NEW_TYPES_SINCE, 7: NEW_TYPES_SINCE, 8: NEW_TYPES_SINCE}
    return version >= since.get(cipher["type"], ())


def sync_reply(account: StoredAccount, url: str, version: tuple[int, ...]) -> Json:
    """The whole vault for a client of that version."""
    unlock = master_password_unlock(account)
    enabled = {o.id for o in account.organizations.values() if o.enabled}
    reply: Json = {
        "object": "sync",
        "profile": profile_reply(account, url),
        "folders": list(account.folders.values()),
        "collections": [c for c in account.collections.values() if c["organizationId"] in enabled],
        "ciphers": [cipher_reply(account, c) for c in account.ciphers.values() if is_shown(c, version)],
        "domains": None,
        "policies": [],
        "sends": [],
        "userDecryption": {"masterPasswordUnlock": camel_case(unlock) if unlock else None},
    }
    if account.style in {"vaultwarden-1.35", "pascal"}:
        del reply["userDecryption"]
    return reply


def config_reply(world: World, style: ReplyStyle) -> Json:
    """GET config: what the server is and where its parts are."""
    vaultwarden = style.startswith("vaultwarden")
    return {
        "version": world.version,
        "gitHash": "0123abcd",
        "server": {"name": "Vaultwarden", "url": "https://github.com/dani-garcia/vaultwarden"} if vaultwarden else None,
        "settings": {"disableUserRegistration": False},
        "environment": {
            "cloudRegion": None if vaultwarden else "Self-hosted",
            "vault": world.url,
            "api": f"{world.url}/api",
            "identity": f"{world.url}/identity",
            "notifications": f"{world.url}/notifications",
            "sso": "" if vaultwarden else f"{world.url}/sso",
        },
        "push": {"pushTechnology": 0, "vapidPublicKey": None},
        "featureStates": {"cipher-key-encryption": True, "pm-32009-new-item-types": True},
        "communication": None,
        "object": "config",
    }


def restyle(account: StoredAccount, reply: JsonValue) -> JsonValue:
    """An API reply in the account's letter case, without the fields to be dropped."""
    dropped = drop_fields(reply, account.spec.drop_fields)
    return pascal_case(dropped) if account.style == "pascal" else dropped
