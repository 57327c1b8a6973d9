"""AccountSpec -> StoredAccount: keys are made and wrapped, the vault is encrypted."""

from __future__ import annotations

import os
import secrets

from tests.server import crypto
from tests.server.specs import AccountSpec, ItemSpec, OrganizationSpec
from tests.server.state import StoredAccount, StoredOrganization, make_id
from tests.server.vault import add_collection, add_folder, encrypt_item


def make_account(spec: AccountSpec) -> StoredAccount:
    """The account a spec asks for, with new random keys."""
    user_id = spec.client_id.removeprefix("user.") if spec.client_id else make_id()
    salt = spec.email.strip().lower() if spec.salt is None else spec.salt
    user_key = crypto.make_symmetric_key()
    key_connector_key = os.urandom(32) if spec.key_connector else None
    account = StoredAccount(
        spec=spec,
        user_id=user_id,
        client_id=spec.client_id or f"user.{user_id}",
        client_secret=spec.client_secret or secrets.token_urlsafe(22)[:30],
        salt=salt,
        user_key=user_key,
        wrapped_user_key=_wrap_user_key(spec, salt, user_key, key_connector_key),
        private_key=_wrap_private_key(spec, user_key),
        key_connector_key=key_connector_key,
    )
    _add_vault(account)
    return account


def _wrap_user_key(spec: AccountSpec, salt: str, user_key: bytes, key_connector_key: bytes | None) -> str | None:
    if key_connector_key is not None:
        return crypto.encrypt(user_key, crypto.stretch_master_key(key_connector_key))
    if not spec.master_password_set:
        return None
    master_key = crypto.derive_master_key(spec.master_password, salt, spec.kdf)
    if spec.legacy_user_key:
        return crypto.encrypt_without_mac(user_key, master_key)
    # V2: the plaintext is a padded COSE_Key, 69 bytes or so; here random bytes of that length.
    return crypto.encrypt(os.urandom(70) if spec.v2 else user_key, crypto.stretch_master_key(master_key))


def _wrap_private_key(spec: AccountSpec, user_key: bytes) -> str:
    if spec.v2:
        return "7." + crypto.random_base64(1300)
    return crypto.encrypt(crypto.private_key_der(), user_key)


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
