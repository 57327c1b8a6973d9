"""
The folders, collections and organizations of a vault, and the keys of the organizations.

Names and keys are decrypted when they are needed for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bwrun.base.errors import BwrunError, CryptoError, SecretNotFoundError, UnavailableItemError
from bwrun.base.structs import Struct
from bwrun.crypto.account_keys import AccountKeys
from bwrun.references.grammar import SCHEME, Reference, is_id, near_names
from bwrun.vault.decryption import Key, Record, as_text, decrypt_text
from bwrun.vault.same_names import same_names
from bwrun.vault.sync import organizations_of


class Narrowing(Struct):
    """The places to which a reference limits the search: ids in lower case, or None for any place."""

    folders: frozenset[str] | None
    collections: frozenset[str] | None
    organizations: frozenset[str] | None
    words: str  # for messages: empty, or e.g. " in folder `Prod`"

    def has(self, item: Record) -> bool:
        """Return whether an item is in one of these places."""
        collections = map(lower_id, as_list(item.get("collectionIds")))
        return (
            (self.folders is None or lower_id(item.get("folderId")) in self.folders)
            and (self.organizations is None or lower_id(item.get("organizationId")) in self.organizations)
            and (self.collections is None or not self.collections.isdisjoint(collections))
        )


class Places:
    """The folders, collections and organizations of a sync."""

    def __init__(self, sync: Mapping[str, object], keys: AccountKeys) -> None:
        """Take the reply to a sync with names in camelCase. Entries of lists that are not objects are ignored."""
        self._account_keys = keys
        self._user_key = keys.user_key
        self._folders = records(sync.get("folders"))
        self._collections = records(sync.get("collections"))
        self._organizations = records(organizations_of(sync))
        self._keys: dict[str, Key | UnavailableItemError] = {}
        self._folder_names: dict[str, str] | None = None
        self._collection_names: dict[str, str] | None = None

    def key_of(self, item: Record) -> Key:
        """
        Return the key with which an item, or its own key, is encrypted.

        Raises UnavailableItemError: its organization's key is missing or does not open.
        """
        owner = item.get("organizationId")
        if owner is None or owner == "":
            return self._user_key
        identity = lower_id(owner)
        if identity not in self._keys:
            self._keys[identity] = self._open_organization(identity)
        key = self._keys[identity]
        if isinstance(key, UnavailableItemError):
            raise key
        return key

    def is_disabled(self, item: Record) -> bool:
        """Return whether the item's organization is disabled."""
        organization = self._organizations.get(lower_id(item.get("organizationId")))
        return organization is not None and organization.get("enabled") is False

    def organization_name(self, item: Record) -> str | None:
        """Return the name of an item's organization (its id if it has none), None if it is nobody's."""
        identity = lower_id(item.get("organizationId"))
        return as_text(self._organizations.get(identity, {}).get("name")) or identity or None

    def folder_name(self, item: Record) -> str | None:
        """Return the name of an item's folder (its id if the name does not open), None if it is in none."""
        identity = lower_id(item.get("folderId"))
        return self._names_of_folders().get(identity, identity) or None

    def collection_names(self, item: Record) -> list[str]:
        """Return the names of an item's collections, without those whose name does not open."""
        names = self._names_of_collections()
        return [names[identity] for identity in map(lower_id, as_list(item.get("collectionIds"))) if identity in names]

    def describe(self, item: Record) -> str:
        """Return in words where an item is, for messages: its organization and collections, or its folder."""
        parts = [f"organization {self.organization_name(item)}"] if self.organization_name(item) else []
        parts += [f"collection {name}" for name in self.collection_names(item)]
        folder = self.folder_name(item)
        return ", ".join([*parts, f"folder {folder}"] if folder else parts) or "no folder"

    def distinguishing(self, items: Sequence[Record]) -> list[str]:
        """
        Return for each item that has one a parameter, `?organization=Acme`, that it has alone among `items`.

        A place that an item shares with others is left out, because it would not choose one of them.
        """
        having: dict[str, list[int]] = {}
        for number, item in enumerate(items):
            places = [Reference("", organization=self.organization_name(item))]
            places += [Reference("", collection=name) for name in self.collection_names(item)]
            places += [Reference("", folder=self.folder_name(item))]
            for place in dict.fromkeys(str(one).removeprefix(SCHEME) for one in places):
                having.setdefault(place, []).append(number)
        chosen = {numbers[0]: place for place, numbers in reversed(having.items()) if place and len(numbers) == 1}
        return [chosen[number] for number in sorted(chosen)]

    def narrow(self, reference: Reference, *, with_subfolders: bool = False) -> Narrowing:
        """
        Return the places to which a reference limits the search.

        Raises SecretNotFoundError: there is no such folder, collection or organization.
        """
        words = "".join(
            f" in {kind} `{name}`"
            for kind, name in (
                ("folder", reference.folder),
                ("collection", reference.collection),
                ("organization", reference.organization),
            )
            if name is not None
        )
        below = self._subfolders(reference.folder) if with_subfolders and reference.folder is not None else frozenset()
        return Narrowing(
            below or _matching("folder", reference.folder, self._names_of_folders),
            _matching("collection", reference.collection, self._names_of_collections),
            _matching("organization", reference.organization, self._names_of_organizations),
            words,
        )

    def _subfolders(self, wanted: str) -> frozenset[str]:
        """
        Return the ids of a folder, which need not exist, and of those below it; empty if there are none below it.

        A folder is below another one if its name begins with the name of that one and a `/`.
        """
        names = self._names_of_folders()
        found = {wanted.lower()} if is_id(wanted) else set(same_names(wanted, set(names.values())))
        called = {names.get(one, one) for one in found} or {wanted}
        above = tuple(f"{name}/" for name in called)
        below = frozenset(identity for identity, name in names.items() if name.startswith(above))
        return below and below | {identity for identity, name in names.items() if name in called}

    def _open_organization(self, identity: str) -> Key | UnavailableItemError:
        organization = self._organizations.get(identity)
        wrapped = None if organization is None else organization.get("key")
        if not isinstance(wrapped, str):
            return _no_key(f"this account is not a member of organization {identity}, or has no key for it")
        if self._account_keys.private_key is None:
            return _no_key(
                "the account's private key, which decrypts organization keys, is missing or cannot be decrypted"
            )
        try:
            return self._account_keys.unwrap_organization_key(wrapped)
        except CryptoError as error:
            return _no_key(f"cannot decrypt the key of organization {identity}: {error.message}")

    def _names_of_folders(self) -> dict[str, str]:
        if self._folder_names is None:
            self._folder_names = _open_names(self._folders, lambda _: self._user_key)
        return self._folder_names

    def _names_of_organizations(self) -> dict[str, str]:
        return {identity: as_text(one.get("name")) or "" for identity, one in self._organizations.items()}

    def _names_of_collections(self) -> dict[str, str]:
        if self._collection_names is None:
            self._collection_names = _open_names(self._collections, self.key_of)
        return self._collection_names


def records(value: object) -> dict[str, Record]:
    """Return the objects in a list by their ids in lower case. Entries that are no objects with an id are ignored."""
    found: dict[str, Record] = {}
    for one in as_list(value):
        if not isinstance(one, dict):
            continue
        identity = one.get("id")
        if isinstance(identity, str) and is_id(identity):
            found[identity.lower()] = one
    return found


def _open_names(places: Mapping[str, Record], key_of: Callable[[Record], Key]) -> dict[str, str]:
    """Return the names by id. A name that cannot be decrypted is left out, because nobody can refer to it."""
    names = {}
    for identity, place in places.items():
        name = place.get("name")
        try:
            if isinstance(name, str):
                names[identity] = decrypt_text(name, key_of(place))
        except BwrunError:
            continue
    return names


def _matching(kind: str, wanted: str | None, names_of: Callable[[], dict[str, str]]) -> frozenset[str] | None:
    if wanted is None:
        return None
    if is_id(wanted):
        return frozenset((wanted.lower(),))
    names = names_of()
    same = same_names(wanted, set(names.values()))
    found = frozenset(identity for identity, name in names.items() if name in same)
    if not found:
        inner = [name for name in names.values() if name.endswith(f"/{wanted}")]
        near = inner or near_names(wanted, set(names.values()))
        raise SecretNotFoundError(
            "not-found", f"no {kind} is called `{wanted}`", *(f"did you mean `{name}`?" for name in near[:1])
        )
    return found


def _no_key(message: str) -> UnavailableItemError:
    return UnavailableItemError(
        "organization-key", message, "ask an administrator of the organization to confirm the account again"
    )


def lower_id(value: object) -> str:
    """Return an id in lower case, as ids are compared; empty if `value` is no text."""
    return (as_text(value) or "").lower()


def as_list(value: object) -> list[object]:
    """Return `value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
