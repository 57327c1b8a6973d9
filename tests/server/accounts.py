"""AccountSpec -> StoredAccount: keys are made and wrapped, the vault is encrypted."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import replace

from tests.server import cose, crypto
from tests.server.json_types import Json, JsonValue
from tests.server.keys import Key
from tests.server.specs import AccountSpec, ItemSpec, OrganizationSpec
from tests.server.state import SignedKeys, StoredAccount, StoredOrganization, make_id, timestamp
from tests.server.vault import TYPED_NAMES, add_collection, add_folder, encrypt_item


def make_account(spec: AccountSpec) -> StoredAccount:
    """The account a spec asks for, with new random keys."""
    user_id = spec.client_id.removeprefix("user.") if spec.client_id else make_id()
    salt = spec.email.strip().lower() if spec.salt is None else spec.salt
    key: Key = cose.Key(cose.XCHACHA20 if spec.xchacha20 else cose.XAES) if spec.v2 else crypto.make_symmetric_key()
    user_key = key if isinstance(key, bytes) else key.padded()
    key_connector_key = os.urandom(32) if spec.key_connector else None
    account = StoredAccount(
        spec=spec,
        user_id=user_id,
        client_id=spec.client_id or f"user.{user_id}",
        client_secret=spec.client_secret or secrets.token_urlsafe(22)[:30],
        salt=salt,
        user_key=user_key,
        wrapped_user_key=_wrap_user_key(spec, salt, user_key, key_connector_key),
        private_key=_wrap_private_key(key),
        public_key=crypto.public_key_base64(),
        key=key,
        signed=None if isinstance(key, bytes) else _sign_keys(key, user_id),
        key_connector_key=key_connector_key,
    )
    if spec.sdk is None:
        _add_vault(account)
    else:
        _take_over(account, spec.sdk)
    return account


def _wrap_user_key(spec: AccountSpec, salt: str, user_key: bytes, key_connector_key: bytes | None) -> str | None:
    if key_connector_key is not None:
        return crypto.encrypt(user_key, crypto.stretch_master_key(key_connector_key))
    if not spec.master_password_set:
        return None
    master_key = crypto.derive_master_key(spec.master_password, salt, spec.kdf)
    if spec.legacy_user_key:
        return crypto.encrypt_without_mac(user_key, master_key)
    return crypto.encrypt(user_key, crypto.stretch_master_key(master_key))


def change_master_password(account: StoredAccount, password: str) -> None:
    """Another master password, as a client sets it: the same user key, wrapped anew."""
    account.spec = replace(account.spec, master_password=password)
    account.wrapped_user_key = _wrap_user_key(account.spec, account.salt, account.user_key, account.key_connector_key)
    account.touch()


def rotate_keys(account: StoredAccount, **changes: JsonValue) -> StoredAccount:
    """The account with a new user key, under which all is encrypted anew; `changes` to its spec, such as `v2`."""
    spec = replace(account.spec, client_id=account.client_id, client_secret=account.client_secret, **changes)
    rotated = make_account(spec)
    rotated.revision = max(rotated.revision, account.revision + 1)
    return rotated


def master_password_hash(account: StoredAccount) -> str:
    """What a client proves with that it knows the master password: base64 of one round over the master key."""
    spec = account.spec
    master_key = crypto.derive_master_key(spec.master_password, account.salt, spec.kdf)
    hashed = hashlib.pbkdf2_hmac("sha256", master_key, spec.master_password.encode(), 1)
    return base64.b64encode(hashed).decode("ascii")


def _wrap_private_key(key: Key) -> str:
    der = crypto.private_key_der()
    return crypto.encrypt(der, key) if isinstance(key, bytes) else key.encrypt(der, cose.PKCS8)


def _sign_keys(key: cose.Key, user_id: str) -> SignedKeys:
    """Sign as the SDK of 2025 did: with Ed25519, and the user's id in the security state."""
    signer = cose.SigningKey()
    public = {"algorithm": 0, "contentFormat": 0, "publicKey": base64.b64decode(crypto.public_key_base64())}
    state = {"entityId": bytes.fromhex(user_id.replace("-", "")), "version": 2}
    return SignedKeys(
        signing_key=key.encrypt(signer.cose_key(), cose.COSE_KEY),
        verifying_key=crypto.random_base64(60),  # clients derive it from the signing key
        signed_public_key=base64.b64encode(signer.sign1(cose.cbor(public), 1)).decode("ascii"),
        security_state=base64.b64encode(signer.sign1(cose.cbor(state), 2)).decode("ascii"),
    )


def _take_over(account: StoredAccount, made: Mapping[str, JsonValue]) -> None:
    """Keep an account as the SDK made it."""
    account.user_key = base64.b64decode(made["clear"]["userKey"])
    account.wrapped_user_key = made["wrappedUserKey"]
    account.private_key = made["state"]["private_key"]
    account.public_key = made["publicKey"]
    account.signed = SignedKeys(
        made["state"]["signing_key"], made["verifyingKey"],
        made["state"]["signed_public_key"], made["state"]["security_state"],
    )  # fmt: skip
    if account.spec.key_connector:
        account.key_connector_key = base64.b64decode(made["keyConnectorKey"])
    for organization in account.spec.organizations:
        stored = StoredOrganization(organization.id or make_id(), organization.name, organization.enabled, b"", "")
        stored.wrapped_key = made["wrappedOrganizationKey"]
        account.organizations[stored.id] = stored
    for name, folder in zip(made["folderNames"], made["folders"], strict=True):
        identity = make_id()
        account.folders[identity] = {**folder, "id": identity, "object": "folder"}
        account.folder_ids[name] = identity
    names = [*made["itemNames"], *made["organizationItemNames"]]
    for name, cipher in zip(names, [*made["ciphers"], *made["organizationCiphers"]], strict=True):
        record = served(cipher)
        account.ciphers[record["id"]] = record
        account.item_ids[name] = record["id"]


def served(cipher: Json) -> Json:
    """A cipher as a server gives it, of one as a client sends it: nothing missing, and what servers add."""
    now = timestamp()
    empty = ("name", "notes", "data", "key", *TYPED_NAMES, "fields", "passwordHistory", "attachments", "folderId")
    record: Json = dict.fromkeys((*empty, "organizationId", "deletedDate", "archivedDate"))
    record |= {name: value for name, value in cipher.items() if value is not None}
    record |= {"id": cipher.get("id") or make_id(), "permissions": {"delete": True, "restore": True}}
    return record | {"creationDate": now, "revisionDate": now, "object": "cipherDetails"}


def _add_vault(account: StoredAccount) -> None:
    for organization in account.spec.organizations:
        _add_organization(account, organization)
    for name in account.spec.folders:
        account.folder_ids[name] = add_folder(account, name)
    add_items(account, account.spec.items)


def _add_organization(account: StoredAccount, spec: OrganizationSpec) -> None:
    key = crypto.make_symmetric_key()
    wrapped = crypto.wrap_for_account(key) if spec.key_usable else "4." + crypto.random_base64(256)
    organization = StoredOrganization(spec.id or make_id(), spec.name, spec.enabled, key, wrapped)
    account.organizations[organization.id] = organization
    for name in spec.collections:
        account.collection_ids[organization.name, name] = add_collection(account, organization, name)


def add_items(account: StoredAccount, items: tuple[ItemSpec, ...]) -> None:
    """Encrypt items into the account's vault and note their ids."""
    organizations = {o.name: o for o in account.organizations.values()}
    for item in items:
        if item.folder is not None and item.folder not in account.folder_ids:
            account.folder_ids[item.folder] = add_folder(account, item.folder)
        folder_id = None if item.folder is None else account.folder_ids[item.folder]
        organization = None if item.organization is None else organizations[item.organization]
        owner = "" if organization is None else organization.name
        wanted = [account.collection_ids[owner, name] for name in item.collections]
        cipher = encrypt_item(account, item, organization, folder_id, wanted)
        account.ciphers[cipher["id"]] = cipher
        account.item_ids[item.name] = cipher["id"]
