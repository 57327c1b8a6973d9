"""
The vault as the official CLI keeps it in data.json: /sync's reply, sorted into its state keys.

Made for the state version of @bitwarden/cli 2026.9.0.  What is encrypted stays
as the server sent it.  Facts from the sources in that package's source map:
libs/common/src/vault/models/data/*.data.ts, libs/common/src/admin-console/models/data/*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bwrun.errors import ServerError

Record = dict[str, object]

# vault/models/enums/cipher-type.ts: which member holds an item's own fields.
TYPE_MEMBERS = {
    1: "login", 2: "secureNote", 3: "card", 4: "identity", 5: "sshKey",
    6: "bankAccount", 7: "driversLicense", 8: "passport",
}  # fmt: skip
CIPHER_MEMBERS = (
    "id", "organizationId", "type", "name", "notes", "permissions", "revisionDate", "creationDate",
    "deletedDate", "archivedDate", "organizationUseTotp", "collectionIds", "fields", "attachments", "passwordHistory",
)  # fmt: skip
COLLECTION_MEMBERS = ("id", "organizationId", "name", "externalId", "defaultUserCollectionEmail")
CONFIRMED = 2  # admin-console/enums/organization-user-status-type.enum.ts


def camel_case(value: object) -> object:
    """Return `value` with every name in camelCase: old servers answer in PascalCase."""
    if isinstance(value, dict):
        return {_camel(str(name)): camel_case(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [camel_case(inner) for inner in value]
    return value


def _camel(name: str) -> str:
    return name.lower() if name.isupper() else name[:1].lower() + name[1:]


def vault_state(sync: Mapping[str, object]) -> Record:
    """
    Return the state keys (without `user_<id>_`) of everything that sync brings.

    Raises ServerError: a part is not what a sync holds.
    """
    profile = _object(sync.get("profile"), "profile")
    organizations = _objects(profile.get("organizations"), "organizations")
    return {
        "ciphers_ciphers": _by_id(_cipher(item) for item in _objects(sync.get("ciphers"), "ciphers")),
        "folder_folders": _by_id(
            {name: folder.get(name) for name in ("id", "name", "revisionDate")}
            for folder in _objects(sync.get("folders"), "folders")
        ),
        "collection_collections": _by_id(
            _collection(one)
            for one in _objects(sync.get("collections"), "collections")
            if one.get("name") and one.get("organizationId")
        ),
        "organizations_organizations": _by_id(_organization(one) for one in organizations),
        "crypto_organizationKeys": {
            str(one["id"]): {"type": "organization", "key": one["key"]}
            for one in organizations
            if one.get("key") and one.get("id")
        },
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


def _cipher(item: Mapping[str, object]) -> Record:
    kept = {name: item[name] for name in CIPHER_MEMBERS if item.get(name) is not None}
    kept |= {
        "folderId": item.get("folderId") or None,
        "favorite": bool(item.get("favorite")),
        "edit": bool(item.get("edit", True)),
        "viewPassword": item.get("viewPassword") is not False,
        "reprompt": item.get("reprompt") or 0,
        "key": item.get("key"),
        "notes": item.get("notes"),
        "organizationId": item.get("organizationId"),
        "deletedDate": item.get("deletedDate"),
        "collectionIds": item.get("collectionIds") or [],
    }
    kind = item.get("type")
    member = TYPE_MEMBERS.get(kind) if isinstance(kind, int) else None
    if member is not None:
        kept[member] = item.get(member) or {}
    blob = item.get("data")
    if isinstance(blob, str) and '"format_version"' in blob:
        kept["data"] = blob  # otherwise the server only repeats the item there
    return kept


def _collection(one: Mapping[str, object]) -> Record:
    return {
        **{name: one.get(name) for name in COLLECTION_MEMBERS},
        "readOnly": bool(one.get("readOnly")),
        "manage": bool(one.get("manage")),
        "hidePasswords": bool(one.get("hidePasswords")),
        "type": one.get("type") or 0,
    }


def _organization(one: Mapping[str, object]) -> Record:
    """Fill what the CLI's policy filter needs in each record: without it every command fails."""
    needed = {"status": CONFIRMED, "type": CONFIRMED, "enabled": True, "usePolicies": False}
    record = {name: value for name, value in one.items() if name not in ("key", "object", "privateKey")}
    record |= {name: default for name, default in needed.items() if one.get(name) is None}
    record["useAccessIntelligence"] = bool(one.get("useRiskInsights"))
    return record | {"isMember": True, "isProviderUser": False}


def _policies(policies: object) -> Record:
    return _by_id(
        {name: one.get(name) for name in ("id", "organizationId", "type", "data", "enabled", "revisionDate")}
        for one in _objects(policies, "policies")
        if None not in (one.get("organizationId"), one.get("type"), one.get("enabled"))
    )


def _by_id(records: Iterable[Record]) -> Record:
    return {record["id"]: record for record in records if isinstance(record.get("id"), str)}  # type: ignore[misc]


def _object(value: object, name: str) -> Record:
    if not isinstance(value, dict):
        raise ServerError(
            "incomplete-reply", f"the server's reply to the sync lacks `{name}`",
            "is this a Bitwarden server, and is it up to date?",
        )  # fmt: skip
    return value


def _objects(value: object, name: str) -> list[Record]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ServerError("unexpected-reply", f"`{name}` of the server's reply to the sync is not a list of objects")
    return value
