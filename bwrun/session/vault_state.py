"""
The states of data.json that hold the vault.

Encrypted texts stay as the server sent them.  The facts come from the sources
of @bitwarden/cli 2026.9.0: libs/common/src/vault/models/data/*.data.ts and
libs/common/src/admin-console/models/data/*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bwrun.base.errors import ServerError
from bwrun.crypto.asymmetric import PrivateKey
from bwrun.session import readable
from bwrun.session.readable import Record, Removed
from bwrun.vault.sync import organizations_of, profile_of
from bwrun.vault.typed_fields import with_typed_fields

Note = Callable[[str], None]  # is told what the session lacks, in words; never a value


def vault_state(sync: Mapping[str, object], private_key: PrivateKey | None, note: Note, *, events: bool) -> Record:
    """
    Return the states of the vault in `sync`, by their names without `user_<id>_`.

    If an organization's key cannot be decrypted with `private_key`, its items and
    collections are left out, and its name stays.  `events` says whether the CLI may
    report to the server which items of an organization were read.

    Raises ServerError: a part of `sync` has the wrong type.
    """
    profile = profile_of(sync)
    organizations = _objects(organizations_of(sync), "organizations", note)
    keys = {
        str(one["id"]): {"type": "organization", "key": one["key"]}
        for one in organizations
        if readable.is_id(one.get("id")) and private_key is not None and private_key.opens(one.get("key"))
    }
    items = map(with_typed_fields, _objects(sync.get("ciphers"), "ciphers", note))
    collections = _objects(sync.get("collections"), "collections", note)
    policies = _objects(sync.get("policies"), "policies", note)
    newer_policies = _objects(sync.get("policiesNew"), "policiesNew", note) or policies
    return {
        "ciphers_ciphers": _of_known(_read("item", readable.cipher, items, note), keys, note),
        "folder_folders": _read("folder", readable.folder, _objects(sync.get("folders"), "folders", note), note),
        "collection_collections": _of_known(_read("collection", readable.collection, collections, note), keys, note),
        "organizations_organizations": _by_id(readable.organization(one, events=events) for one in organizations),
        "crypto_organizationKeys": keys,
        "crypto_providerKeys": {},
        "providers_providers": {},
        "policies_policies": _read("policy", readable.policy, policies, note),
        "policies_policiesNew": _read("policy", readable.policy, newer_policies, note),
        "encryptedSend_sendUserEncrypted": _by_id(_objects(sync.get("sends"), "sends", note)),
        "domainSettings_equivalentDomains": [],
        "billing_accountProfile": {
            "hasPremiumPersonally": bool(profile.get("premium")),
            "hasPremiumFromAnyOrganization": bool(profile.get("premiumFromOrganization")),
        },
        "keyConnector_usesKeyConnector": bool(profile.get("usesKeyConnector")),
    }


def _read(kind: str, read: Callable[[Record, Removed], Record | None], records: Iterable[Record], note: Note) -> Record:
    """Return records as the CLI can read them, by id."""
    found: Record = {}
    for record in records:
        removed: Removed = []
        kept = read(record, removed)
        if kept is not None and readable.is_id(kept.get("id")):
            found[str(kept["id"])] = kept
        if removed:
            identity = record.get("id")
            which = f"{kind} {identity}" if readable.is_id(identity) else f"a {kind} without a valid id"
            fields = ", ".join(f"`{name}`" for name in removed)
            what = which if kept is None else f"{fields} of {which}"
            note(f"the session lacks {what}: the official CLI cannot read {'its ' + fields if kept is None else 'it'}")
    return found


def _of_known(records: Record, keys: Mapping[str, object], note: Note) -> Record:
    """Return the records that are nobody's or of an organization whose key is there."""
    known = {identity.lower() for identity in keys}
    found: Record = {}
    lost: dict[str, int] = {}
    for identity, record in records.items():
        owner = record.get("organizationId")
        if owner is None or owner.lower() in known:
            found[identity] = record
        else:
            lost[owner] = lost.get(owner, 0) + 1
    for owner, count in lost.items():
        note(f"the session lacks {count} record(s) of organization {owner}: its key cannot be decrypted")
    return found


def _by_id(records: Iterable[Record]) -> Record:
    return {str(one["id"]): one for one in records if readable.is_id(one.get("id"))}


def _objects(value: object, name: str, note: Note) -> list[Record]:
    """Return the objects of a list. Raises ServerError: it is no list."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ServerError("unexpected-reply", f"`{name}` of the server's reply to the sync is not a list")
    found = [entry for entry in value if isinstance(entry, dict)]
    if len(found) < len(value):
        note(f"the session lacks {len(value) - len(found)} of `{name}`: they are not objects")
    return found
