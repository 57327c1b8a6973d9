"""
The vault as the official CLI keeps it in data.json: /sync's reply, sorted into its state keys.

Made for the state version of @bitwarden/cli 2026.9.0.  What is encrypted stays
as the server sent it.  Facts from the sources in that package's source map:
libs/common/src/vault/models/data/*.data.ts, libs/common/src/admin-console/models/data/*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bwrun.base.errors import ServerError
from bwrun.crypto.asymmetric import PrivateKey
from bwrun.session import readable
from bwrun.session.readable import Record
from bwrun.vault.sync import organizations_of, profile_of
from bwrun.vault.typed_fields import with_typed_fields


def vault_state(sync: Mapping[str, object], private_key: PrivateKey | None, *, events: bool) -> Record:
    """
    Return the state keys (without `user_<id>_`) of everything that sync brings.

    An organization whose key `private_key` does not open is kept by name, its
    items and collections are left out.  `events`: whether the CLI may report
    accesses to items of organizations that want that.

    Raises ServerError: a part is not what a sync holds.
    """
    profile = profile_of(sync)
    organizations = _objects(organizations_of(sync), "organizations")
    keys = {
        str(one["id"]): {"type": "organization", "key": one["key"]}
        for one in organizations
        if readable.is_id(one.get("id")) and private_key is not None and private_key.opens(one.get("key"))
    }
    collections = _by_id(readable.collection(one) for one in _objects(sync.get("collections"), "collections"))
    return {
        "ciphers_ciphers": _ciphers(sync.get("ciphers"), keys),
        "folder_folders": _by_id(readable.folder(one) for one in _objects(sync.get("folders"), "folders")),
        "collection_collections": _of_known(collections, keys),
        "organizations_organizations": _by_id(readable.organization(one, events=events) for one in organizations),
        "crypto_organizationKeys": keys,
        "crypto_providerKeys": {},
        "providers_providers": {},
        "policies_policies": _policies(sync.get("policies")),
        "policies_policiesNew": _policies(sync.get("policiesNew") or sync.get("policies")),
        "encryptedSend_sendUserEncrypted": _by_id(_objects(sync.get("sends"), "sends")),
        "domainSettings_equivalentDomains": [],
        "billing_accountProfile": {
            "hasPremiumPersonally": bool(profile.get("premium")),
            "hasPremiumFromAnyOrganization": bool(profile.get("premiumFromOrganization")),
        },
        "keyConnector_usesKeyConnector": bool(profile.get("usesKeyConnector")),
    }


def _ciphers(items: object, keys: Mapping[str, object]) -> object:
    return _of_known(_by_id(readable.cipher(with_typed_fields(one)) for one in _objects(items, "ciphers")), keys)


def _of_known(records: Record, keys: Mapping[str, object]) -> Record:
    """Return the records that are nobody's or of an organization whose key is there."""

    def known(record: object) -> bool:
        owner = record.get("organizationId") if isinstance(record, dict) else None
        return owner is None or owner in keys

    return {name: record for name, record in records.items() if known(record)}


def _policies(policies: object) -> Record:
    return _by_id(readable.policy(one) for one in _objects(policies, "policies"))


def _by_id(records: Iterable[Record | None]) -> Record:
    return {str(one["id"]): one for one in records if one is not None and readable.is_id(one.get("id"))}


def _objects(value: object, name: str) -> list[Record]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ServerError("unexpected-reply", f"`{name}` of the server's reply to the sync is not a list of objects")
    return value
