"""
One item of a vault, whose parts are decrypted when they are needed.

The server's data may be wrong in any place.  So each part is checked when it is read, and errors name the item and the
part.  Facts: protocol notes 2.4, 2.7, 2.8 and 3.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TypeVar

from bwrun.base.errors import (
    CryptoError,
    IntegrityError,
    MalformedEncStringError,
)
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.references import fields
from bwrun.vault.decryption import Key, Record, decrypt_file, decrypt_text, open_blob, unwrap_key
from bwrun.vault.typed_fields import has_blob

T = TypeVar("T")

ABSENT = (None, "")  # in place of an encrypted text: there is none
TAMPERED = "the vault data may have been tampered with; do not use it. Compare with the web vault"


class CustomField(Struct):
    """A custom field; its value stays encrypted until it is asked for."""

    name: str | None
    kind: int
    value: object
    linked_id: int | None


class Attachment(Struct):
    """What is needed to download a file (`item_id`, `id`, or the `url` of an old server) and to decrypt it."""

    item_id: str
    id: str
    file_name: str
    url: str | None
    size: int | None  # in bytes, as it is stored; None: the server does not say
    key: Key

    def decrypt(self, body: bytes) -> Sensitive:
        """
        Decrypt the downloaded body.

        Raises IntegrityError, CryptoError.
        """
        try:
            return Sensitive(decrypt_file(body, self.key))
        except CryptoError as error:
            raise in_place(error, f"the file `{self.file_name}` of item {self.item_id}") from None


class Item:
    """An item and the key that decrypts it."""

    def __init__(self, record: Record, base_key: Key, called: str) -> None:
        """
        Decrypt the item's own key, if it has one; `called` is the name of the item in messages.

        Raises CryptoError.
        """
        self.called = called
        self.record = record
        self.base_key = base_key
        wrapped = record.get("key") or None
        self.own_key = wrapped is not None
        self.key = base_key
        if self.own_key:
            self.key = self.opened(lambda: unwrap_key(need_text(wrapped), base_key), "the key")
        self._in_clear = has_blob(record)
        self._contents = self._open_blob() if self._in_clear else record

    @property
    def id(self) -> str:
        """Return the id."""
        return str(self.record.get("id"))

    @property
    def kind(self) -> int:
        """Return the number of the type, 0 if it is not a known one."""
        kind = self.record.get("type")
        return kind if type(kind) is int and kind in fields.MEMBERS else 0

    @property
    def kind_name(self) -> str:
        """Return the name of the type, for messages."""
        return fields.TYPE_NAMES.get(self.kind, "item of an unknown type")

    @property
    def hides_password(self) -> bool:
        """Return whether the organization hides the password from this user, which clients obey and servers do not."""
        return self.record.get("viewPassword") not in (True, None)

    def text(self, value: object, what: str) -> str | None:
        """
        Decrypt one of the item's texts, which messages call `what`; return None if there is none.

        An empty text in place of an encrypted one means that there is none.  A decrypted text may be empty.

        Raises CryptoError.
        """
        if value is None:
            return None
        if self._in_clear:
            return self.opened(lambda: need_text(value), what)
        if value == "":
            return None
        return self.opened(lambda: decrypt_text(need_text(value), self.key), what)

    def name(self) -> str:
        """Return the item's name, empty if it has none. Raises CryptoError."""
        return self.text(self._contents.get("name"), "the name") or ""

    def notes(self) -> str | None:
        """Return the notes. Raises CryptoError."""
        return self.text(self._contents.get("notes"), "the notes")

    def own_text(self, wire_name: str) -> str | None:
        """Return one of the texts that only items of this type have. Raises CryptoError."""
        return self.text(self.member().get(wire_name), f"`{wire_name}`")

    def member(self) -> Record:
        """Return the object that only items of this type have, empty if there is none. Raises CryptoError."""
        name = fields.MEMBERS.get(self.kind, "")
        value = self._contents.get(name)
        return {} if value is None else self._object(value, f"`{name}`")

    def uris(self) -> list[tuple[str, int | None]]:
        """
        Return the addresses of a login, each with the number of its match detection.

        As in the official clients, empty addresses are left out.  If the item has a key of its own, so are addresses
        whose checksum is missing or wrong, because the server may have changed them.  Raises CryptoError.
        """
        found = []
        for number, entry in enumerate(self.objects(self.member().get("uris"), "an address"), 1):
            uri = self.text(entry.get("uri"), f"`uri.{number}`")
            if uri and (not self.own_key or self._in_clear or self._checksum_fits(uri, entry)):
                match = entry.get("match")
                found.append((uri, match if type(match) is int and match in range(6) else None))
        return found

    def _checksum_fits(self, uri: str, entry: Record) -> bool:
        import hashlib  # noqa: PLC0415  (OpenSSL: 4 ms, and few references name an address)

        checksum = self.text(entry.get("uriChecksum"), "an address's checksum")
        return checksum == base64.b64encode(hashlib.sha256(uri.encode()).digest()).decode("ascii")

    def custom_fields(self) -> list[CustomField]:
        """Return the custom fields, whose names are decrypted. Raises CryptoError."""
        found = []
        for entry in self.objects(self._contents.get("fields"), "a custom field"):
            kind, linked = entry.get("type"), entry.get("linkedId")
            found.append(
                CustomField(
                    self.text(entry.get("name"), "a custom field's name"),
                    kind if type(kind) is int and kind in range(4) else fields.TEXT,
                    entry.get("value"),
                    linked if type(linked) is int and (linked in fields.LINKS or linked == fields.FULL_NAME) else None,
                )
            )
        return found

    def password_history(self) -> list[Record]:
        """Return the former passwords, still encrypted. Raises CryptoError: they are not a list."""
        entries = self.objects(self._contents.get("passwordHistory"), "a former password")
        return [entry for entry in entries if entry.get("password") not in ABSENT]

    def passkeys(self) -> list[Record]:
        """Return the passkeys that have all their parts, still encrypted. Raises CryptoError: they are not a list."""
        entries = self.objects(self.member().get("fido2Credentials"), "a passkey")
        return [entry for entry in entries if all(entry.get(name) not in ABSENT for name in fields.PASSKEY_NEEDS)]

    def attachments(self) -> list[Record]:
        """Return the attachments, still encrypted. Raises CryptoError: they are not a list."""
        return self.objects(self.record.get("attachments"), "an attachment")

    def file_name(self, attachment: Record) -> str | None:
        """Return an attachment's name, which is encrypted with the item's key in blob items too. Raises CryptoError."""
        value = attachment.get("fileName")
        if value in ABSENT:
            return None
        return self.opened(lambda: decrypt_text(need_text(value), self.key), "a file's name")

    def open_attachment(self, attachment: Record, file_name: str) -> Attachment:
        """Return what is needed to download and decrypt an attachment. Raises CryptoError."""
        what = f"the file `{file_name}`"
        wrapped, identity, url = attachment.get("key") or None, attachment.get("id"), attachment.get("url")
        if not isinstance(identity, str) or not identity:
            raise in_place(MalformedEncStringError("it has no id"), f"{what} of item {self.called}")
        # An old attachment has no key of its own. It is encrypted with the key of the account or of the organization.
        key = self.base_key if wrapped is None else self.opened(lambda: unwrap_key(need_text(wrapped), self.key), what)
        size = str(attachment.get("size"))
        return Attachment(
            self.id, identity, file_name, url if isinstance(url, str) else None,
            int(size) if size.isdecimal() and len(size) < 20 else None, key,
        )  # fmt: skip

    def objects(self, value: object, what: str) -> list[Record]:
        """
        Return a list of objects, empty if there is none. As in the official CLI, other entries are empty objects.

        Raises CryptoError: it is not a list.
        """
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(what)
        return [entry if isinstance(entry, dict) else {} for entry in value]

    def opened(self, open_it: Callable[[], T], what: str) -> T:
        """Return what `open_it()` returns. If it fails, the error names `what` and this item."""
        try:
            return open_it()
        except CryptoError as error:
            raise in_place(error, f"{what} of item {self.called}") from None

    def _object(self, value: object, what: str) -> Record:
        if not isinstance(value, dict):
            raise self._wrong(what)
        return value

    def _wrong(self, what: str) -> CryptoError:
        return in_place(MalformedEncStringError("the server sent something else"), f"{what} of item {self.called}")

    def _open_blob(self) -> Record:
        contents = self.opened(lambda: open_blob(self.record.get("data"), self.key), "the contents")
        member = dict(self._object(contents.get("typeData"), "the contents"))
        name = fields.MEMBERS.get(self.kind)
        if name is not None and member.get("type") != name:
            error = MalformedEncStringError("they belong to an item of another type")
            raise in_place(error, f"the contents of item {self.called}")
        if name == "sshKey":
            member["keyFingerprint"] = member.get("fingerprint")
        return contents | {name or "": member}


def name_of(record: Record, base_key: Key, called: str) -> str:
    """Return an item's name. For most items, this takes a third of the time of `Item.name()`. Raises CryptoError."""
    name, wrapped = record.get("name"), record.get("key") or None
    if isinstance(name, str) and not has_blob(record):
        try:
            return decrypt_text(name, base_key if wrapped is None else unwrap_key(need_text(wrapped), base_key))
        except CryptoError:
            pass  # Item makes the error message
    return Item(record, base_key, called).name()


def need_text(value: object) -> str:
    """
    Return `value` if it is a text.

    Raises MalformedEncStringError: it is something else.
    """
    if not isinstance(value, str):
        raise MalformedEncStringError("the server sent something other than text")
    return value


def in_place(error: CryptoError, place: str) -> CryptoError:
    """Return `error` with a message that names `place`."""
    if isinstance(error, IntegrityError):
        return IntegrityError(f"{place} fails its integrity check", TAMPERED)
    return CryptoError(error.code.partition(".")[2], f"cannot decrypt {place}: {error.message}", *error.hints)
