"""
The vault: it returns the values of references, and decrypts nothing else.

An item is found by its id or by its exact name, in a folder, collection or organization if the reference limits the
search.  If several items have the name, items that can be used are preferred to archived ones, and these to items in
the trash and items of a disabled organization, which lead to an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from bwrun.base.errors import (
    AmbiguousReferenceError,
    BwrunError,
    ProtectedItemError,
    SecretNotFoundError,
    UnavailableItemError,
)
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.crypto.account_keys import AccountKeys
from bwrun.references import fields
from bwrun.references.grammar import Reference, is_id
from bwrun.vault.decryption import Record
from bwrun.vault.field_values import (
    custom_value,
    field_value,
    find_attachment,
    is_blank,
    is_hidden,
    is_hidden_custom,
)
from bwrun.vault.items import Attachment, Item
from bwrun.vault.lookup import Lookup
from bwrun.vault.places import Places, records
from bwrun.vault.sync import camel_case
from bwrun.vault.typed_fields import is_leased, with_typed_fields

# With one of these in its name, an item is listed by its id: shells, env files, templates, make, cron or systemd give
# them a meaning, even in single quotes.
UNSAFE = frozenset("'\"\\`$%{}!")
PROTECTED_HINT = "add `--allow-protected` to use it anyway"
ASKS_AGAIN = "asks for the master password each time it is used (reprompt)"
HIDES = "hides its password from this account (viewPassword)"
UNPROTECTED = ("id", "name")


class Requests(Struct):
    """The requests that a vault may send for one item; None: it may not."""

    download: Callable[[Attachment], bytes] | None = None  # the body of an attachment
    fetch: Callable[[str], Record | None] | None = None  # one item alone, by its id; None: there is none


class ListedItem(Struct):
    """An item for a list. If its name cannot be decrypted, `name` is None, and `problem` is the reason."""

    id: str
    name: str | None
    type: str
    folder: str | None
    organization: str | None
    reference: str
    protected: bool
    problem: str | None = None


class Vault:
    """A synced vault and the keys that open it."""

    def __init__(  # noqa: PLR0913  (each has its name at the call)
        self,
        sync: Mapping[str, object],
        keys: AccountKeys,
        *,
        allow_protected: bool = False,
        requests: Requests | None = None,
        explain: Callable[[SecretNotFoundError], SecretNotFoundError] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Take the reply to a sync with names in camelCase. Any part of it may be wrong.

        `explain` returns the error to raise in place of that for an item or a place that is not there.
        `now` says the time for authenticator codes, in seconds since the epoch.
        """
        self._records = {identity: with_typed_fields(one) for identity, one in records(sync.get("ciphers")).items()}
        self._places = Places(sync, keys)
        self._allow_protected = allow_protected
        self._requests = Requests() if requests is None else requests
        self._explain = explain
        self._now = now
        self._items: dict[str, Item] = {}
        self._lookup = Lookup(self._records, self._places)

    def value(self, reference: Reference) -> Sensitive:
        """
        Return the value of a reference.

        Raises SecretError, CryptoError; what `requests` raise.
        """
        wanted = reference.field
        if wanted is not None and wanted.kind == "attachment":
            attachment = self.attachment(reference)
            if self._requests.download is None:
                raise UnavailableItemError(
                    "no-download", f"the file `{attachment.file_name}` cannot be downloaded here"
                )
            return attachment.decrypt(self._requests.download(attachment))
        free = wanted is not None and wanted.kind == "built-in" and wanted.name in UNPROTECTED
        item = self._open(reference, protected=not free)
        if item.hides_password and not self._allow_protected and is_hidden(item, wanted):
            raise ProtectedItemError(f"item {item.called} {HIDES}", PROTECTED_HINT)
        return Sensitive(field_value(item, wanted, self._now()).encode())

    def attachment(self, reference: Reference) -> Attachment:
        """
        Return what is needed to download and decrypt the file to which a reference refers.

        Raises SecretError, CryptoError.
        """
        if reference.field is None or reference.field.kind != "attachment":
            raise SecretNotFoundError(
                "no-field", f"{reference} does not name a file", "write `bw://ITEM/attachment/FILENAME`"
            )
        return find_attachment(self._open(reference), reference.field.name)

    def custom_fields(self, reference: Reference, failures: list[BwrunError]) -> dict[str, Sensitive | None]:
        """
        Return the values of all custom fields of an item, by name (which may be empty).

        None: the field is empty, or its error is in `failures`. So one field that fails does not hide another.

        Raises SecretError, CryptoError: the item or the names of its fields cannot be read.
        """
        item = self._open(reference)
        values: dict[str, Sensitive | None] = {}
        found: dict[str, BwrunError] = {}  # by message: each is told once
        for custom in item.custom_fields():
            name = custom.name or ""
            try:
                if name in values:
                    raise AmbiguousReferenceError(
                        f"two custom fields of item {item.called} are called `{name}`", "rename one of them"
                    )
                values[name] = None
                if item.hides_password and not self._allow_protected and is_hidden_custom(custom):
                    raise ProtectedItemError(f"item {item.called} {HIDES}", PROTECTED_HINT)
                value = custom_value(item, custom)
                values[name] = None if value is None or is_blank(value) else Sensitive(value.encode())
            except BwrunError as error:
                found.setdefault(error.message, error)
        failures += found.values()
        return values

    def identify(self, reference: Reference) -> tuple[str, str, str]:
        """
        Return the id and the name of an item, and the field of the reference or the default field.

        Raises SecretError, CryptoError.
        """
        item = self._open(reference, protected=False)
        return item.id, item.name(), str(reference.field or fields.DEFAULTS.get(item.kind, ""))

    def list_items(self) -> list[ListedItem]:
        """Return all items except those in the trash, sorted by name."""
        names = self._lookup.names.ids
        called = {identity: name for name, found in names.items() for identity in found}
        alive = [identity for identity in self._records if not self._lookup.is_trashed(identity)]
        listed = [self._list_one(identity, called.get(identity)) for identity in alive]
        return sorted(listed, key=lambda one: (one.name is None, (one.name or "").casefold(), one.id))

    def select(self, selector: Reference) -> list[str]:
        """
        Return the ids of the items that a selector means, in lower case: one item, or all in the places that it names.

        Of the items in a place, those that cannot be decrypted and protected ones are left out.

        Raises SecretError: there is no such item or place, or the item is in the trash, protected or unavailable;
        CryptoError.
        """
        if selector.item:
            return [self._open(selector).id.lower()]
        found = self._lookup.find_all(selector)
        usable = [one for one in found if self._is_usable(one)]
        if not usable:
            raise UnavailableItemError(
                "nothing-usable", f"none of the {len(found)} item(s) there can be used",
                "they are protected (`--allow-protected` allows them), or this account has no key for them",
            )  # fmt: skip
        return usable

    def names_of(self, ids: Collection[str]) -> dict[str, str]:
        """Return the names of items by their ids; of an item whose name cannot be decrypted, the id."""
        names = {identity: name for name, found in self._lookup.names.ids.items() for identity in found}
        return {identity: names.get(identity, identity) for identity in ids}

    def secrets_of(self, ids: Collection[str]) -> list[Sensitive]:
        """Return the secrets of items, by their ids: what must not show in a log. What cannot be read is left out."""
        from bwrun.vault.item_secrets import secrets_of  # noqa: PLC0415  (only for --mask)

        found: list[Sensitive] = []
        for identity in ids:
            try:
                found += secrets_of(self._make(identity, f"`{identity}`"))
            except (BwrunError, KeyError):
                continue
        return found

    def _is_usable(self, identity: str) -> bool:
        """Return whether there is a key for an item, and whether protected items are allowed if it is one."""
        record = self._records[identity]
        try:
            self._places.key_of(record)
        except UnavailableItemError:
            return False
        return self._allow_protected or not _asks_again(record)

    def _list_one(self, identity: str, name: str | None) -> ListedItem:
        record = self._records[identity]
        alone = bool(name) and len(self._lookup.names.ids.get(name or "", ())) == 1 and not is_id(name or "")
        by_name = str(Reference(name or ""))
        kind = record.get("type")
        problem = self._lookup.names.unreadable.get(identity)
        if self._places.is_disabled(record):
            problem = "its organization is disabled"
        elif problem is None and is_leased(record):
            problem = "it can only be read with a lease"
        return ListedItem(
            id=identity,
            name=name,
            type=fields.TYPE_NAMES.get(kind, "unknown") if isinstance(kind, int) else "unknown",
            folder=self._places.folder_name(record),
            organization=self._places.organization_name(record),
            reference=by_name if alone and not UNSAFE.intersection(by_name) else str(Reference(identity)),
            protected=_asks_again(record) or (kind == fields.LOGIN and record.get("viewPassword") not in (True, None)),
            problem=problem,
        )

    def _open(self, reference: Reference, *, protected: bool = True) -> Item:
        """Return the item of a reference; if `protected`, check that its secrets may be used, and fetch leased ones."""
        identity = self._find(reference)
        record = self._records[identity]
        called = f"`{reference.item}`"
        if record.get("deletedDate") is not None:
            raise UnavailableItemError("in-trash", f"item {called} is in the trash", "restore it, or use another one")
        if self._places.is_disabled(record):
            raise UnavailableItemError(
                "organization-disabled",
                f"item {called} belongs to organization `{self._places.organization_name(record)}`, which is disabled",
                "ask the organization's owner",
            )
        if protected and not self._allow_protected and _asks_again(record):
            raise ProtectedItemError(f"item {called} {ASKS_AGAIN}", PROTECTED_HINT)
        if protected and is_leased(record):
            self._lease(identity, called)
        if identity not in self._items:
            self._items[identity] = self._make(identity, called)
        return self._items[identity]

    def _find(self, reference: Reference) -> str:
        try:
            return self._lookup.find(reference)
        except SecretNotFoundError as error:
            if self._explain is None:
                raise
            raise self._explain(error) from None

    def _lease(self, identity: str, called: str) -> None:
        """Fetch a leased item alone: a sync does not contain its secrets, even if the user has a lease."""
        fetched = None if self._requests.fetch is None else self._requests.fetch(identity)
        record = None if fetched is None else records([camel_case(fetched)]).get(identity)
        if record is None or is_leased(record):
            raise UnavailableItemError(
                "leased", f"item {called} can only be read with a lease, and this account has none for it",
                "request access to the item in the web vault, then run the command again",
            )  # fmt: skip
        self._records[identity] = with_typed_fields(record)
        self._items.pop(identity, None)

    def _make(self, identity: str, called: str) -> Item:
        record = self._records[identity]
        try:
            return Item(record, self._places.key_of(record), called)
        except UnavailableItemError as error:
            reason = error.code.partition(".")[2]
            raise UnavailableItemError(reason, f"item {called}: {error.message}", *error.hints) from None


def _asks_again(record: Record) -> bool:
    """Return whether an item asks for the master password again, which clients obey and servers do not."""
    return record.get("reprompt") not in (0, None, False)
