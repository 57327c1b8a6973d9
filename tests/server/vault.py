"""Items of a spec, encrypted: ItemSpec -> the cipher JSON of the API, and attachment bodies.

Key chain (bitwarden/sdk-internal crates/bitwarden-vault/src/cipher): base key = organization key or user key; a
cipher key, when there is one, is wrapped by it and encrypts every field of the item.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib

from tests.server import crypto
from tests.server.json_types import Json, JsonValue
from tests.server.keys import Key, encrypt_file, encrypt_text, seal, spoil, wrap
from tests.server.specs import (
    AttachmentSpec,
    BankAccount,
    Card,
    Content,
    DriversLicense,
    FieldSpec,
    Identity,
    ItemSpec,
    Login,
    Passport,
    SecureNote,
    SshKey,
    Uri,
)
from tests.server.state import StoredAccount, StoredOrganization, make_id, timestamp

CONTENT_NAMES: dict[type[Content], tuple[int, str]] = {
    Login: (1, "login"),
    SecureNote: (2, "secureNote"),
    Card: (3, "card"),
    Identity: (4, "identity"),
    SshKey: (5, "sshKey"),
    BankAccount: (6, "bankAccount"),
    DriversLicense: (7, "driversLicense"),
    Passport: (8, "passport"),
}
LEASED = "_leased"  # of a stored cipher; never sent
TYPED_NAMES = tuple(name for _, name in CONTENT_NAMES.values())


def camel(name: str) -> str:
    """snake_case as camelCase."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def add_folder(account: StoredAccount, name: str) -> str:
    """The id of a new folder of that name."""
    folder_id = make_id()
    account.folders[folder_id] = {
        "id": folder_id,
        "name": encrypt_text(name, account.key),
        "revisionDate": timestamp(),
        "object": "folder",
    }
    return folder_id


def add_collection(account: StoredAccount, organization: StoredOrganization, name: str) -> str:
    """The id of a new collection; its name is encrypted by the organization key."""
    collection_id = make_id()
    account.collections[collection_id] = {
        "id": collection_id,
        "organizationId": organization.id,
        "name": encrypt_text(name, organization.key),
        "externalId": None,
        "readOnly": False,
        "hidePasswords": False,
        "manage": True,
        "type": 0,
        "defaultUserCollectionEmail": None,
        "object": "collectionDetails",
    }
    return collection_id


def encrypt_item(
    account: StoredAccount,
    item: ItemSpec,
    organization: StoredOrganization | None,
    folder_id: str | None,
    collection_ids: list[str],
) -> Json:
    """The cipher of an item; attachment bodies go into `account.files`."""
    base_key = account.key if organization is None else organization.key
    own_key = item.own_key or item.blob
    key = crypto.make_symmetric_key() if own_key else base_key
    cipher_type, content_name = CONTENT_NAMES[type(item.content)]
    now = timestamp()
    cipher: Json = {
        "id": item.id or make_id(),
        "organizationId": None if organization is None else organization.id,
        "folderId": folder_id,
        "type": cipher_type,
        "name": encrypt_text(item.name, key),
        "notes": encrypt_text(item.notes, key),
        "data": None,
        "key": wrap(key, base_key) if own_key else None,
        **dict.fromkeys(TYPED_NAMES),
        "fields": [_field(field, key) for field in item.fields] or None,
        "passwordHistory": [
            {"password": encrypt_text(old.password, key), "lastUsedDate": old.last_used_date}
            for old in item.password_history
        ]
        or None,
        "attachments": [_attachment(account, file, key) for file in item.attachments] or None,
        "collectionIds": collection_ids,
        "favorite": item.favorite,
        "edit": item.edit,
        "viewPassword": item.view_password,
        "permissions": {"delete": item.edit, "restore": item.edit},
        "reprompt": int(item.reprompt),
        "organizationUseTotp": organization is not None,
        "creationDate": now,
        "revisionDate": now,
        "deletedDate": now if item.trashed else None,
        "archivedDate": now if item.archived else None,
        "object": "cipherDetails",
    }
    if item.blob:
        sealed = ("name", "notes", "fields", "passwordHistory")
        cipher |= dict.fromkeys(sealed) | {"data": seal(_blob_content(item), key)}
    else:
        cipher[content_name] = _content(item.content, key)
    for path in item.tamper:
        _tamper(cipher, path)
    return cipher if item.leased == "no" else {**cipher, LEASED: item.leased}


def _blob_content(item: ItemSpec) -> Json:
    """What a blob holds, in clear (bitwarden/sdk-internal crates/bitwarden-vault/src/cipher/blob/v1.rs)."""
    content: Json = {
        camel(f.name): getattr(item.content, f.name) for f in dataclasses.fields(item.content) if f.name != "uris"
    }
    if isinstance(item.content, Login):
        content["uris"] = [{"uri": uri.uri, "match": uri.match} for uri in item.content.uris]
    if isinstance(item.content, SecureNote):
        content["secureNoteType"] = 0
    if isinstance(item.content, SshKey):
        content["fingerprint"] = content.pop("keyFingerprint")
    return {
        "name": item.name,
        "notes": item.notes,
        "typeData": {"type": CONTENT_NAMES[type(item.content)][1], **content},
        "fields": [dataclasses.asdict(f) | {"linkedId": f.linked_id} for f in item.fields],
        "passwordHistory": [
            {"password": old.password, "lastUsedDate": old.last_used_date} for old in item.password_history
        ],
    }


def _field(field: FieldSpec, key: Key) -> Json:
    return {
        "type": field.type,
        "name": encrypt_text(field.name, key),
        "value": encrypt_text(field.value, key),
        "linkedId": field.linked_id,
    }


def _content(content: Content, key: Key) -> Json:
    if isinstance(content, SecureNote):
        return {"type": 0}
    values: Json = {
        camel(name): encrypt_text(text, key)
        for name, text in ((f.name, getattr(content, f.name)) for f in dataclasses.fields(content))
        if name != "uris"
    }
    if isinstance(content, Login):
        uris = [_uri(uri, key) for uri in content.uris] or None
        values |= {"uris": uris, "uri": uris[0]["uri"] if uris else None}
        values |= {"passwordRevisionDate": None, "autofillOnPageLoad": None, "fido2Credentials": None}
    return values


def _uri(uri: Uri, key: Key) -> Json:
    hashed = uri.uri if uri.checksum == "good" else uri.uri + "#wrong"
    checksum = base64.b64encode(hashlib.sha256(hashed.encode()).digest()).decode("ascii")
    return {
        "uri": encrypt_text(uri.uri, key),
        "uriChecksum": None if uri.checksum == "none" else encrypt_text(checksum, key),
        "match": uri.match,
    }


def _attachment(account: StoredAccount, file: AttachmentSpec, key: Key) -> Json:
    attachment_id = make_id().replace("-", "")
    content_key = crypto.make_symmetric_key() if file.own_key else key
    body = encrypt_file(file.content, content_key)
    account.files[attachment_id] = body
    return attachment_json(
        attachment_id,
        encrypt_text(file.file_name, key) or "",
        wrap(content_key, key) if file.own_key else None,
        len(body),
    )


def attachment_json(attachment_id: str, file_name: str, key: str | None, size: int) -> Json:
    """An attachment as ciphers have it; `size` in bytes of the encrypted file, a string on the wire."""
    return {
        "id": attachment_id,
        "url": None,
        "fileName": file_name,
        "key": key,
        "size": str(size),
        "sizeName": f"{size} Bytes" if size < 1024 else f"{size / 1024:.2f} KB",
        "object": "attachment",
    }


def _tamper(cipher: Json, path: str) -> None:
    *parents, last = path.split(".")
    place: JsonValue = cipher
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = spoil(place[last])
