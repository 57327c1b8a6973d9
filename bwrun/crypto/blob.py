"""
Blob items, whose content is one encrypted envelope, instead of one EncString for each field.

Facts: bitwarden/sdk-internal:crates/bitwarden-vault/src/cipher/blob/{mod,sealed,v1}.rs,
crates/bitwarden-crypto/src/safe/{data_envelope,data_envelope_namespace}.rs; protocol notes 2.7.
"""

from __future__ import annotations

import json

from bwrun.base.errors import IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.base.structs import Struct
from bwrun.crypto import cbor, cose
from bwrun.crypto.cose import Encrypt0
from bwrun.crypto.encstring import PADDED_CBOR, from_base64
from bwrun.crypto.vault_key import MAX_TEXT, AeadKey, VaultKey

FORMAT_VERSION = 1
CONTENT_VERSION = "1"
DATA_ENVELOPE = 2  # the kind of object
VAULT_ITEM = 1  # what it is an envelope of


class Blob(Struct):
    """What `data` of a blob item contains: the envelope, and the key that encrypts this envelope."""

    wrapped_key: str
    envelope: str

    def open(self, cipher_key: VaultKey) -> dict[str, cbor.Value]:
        """
        Decrypt the item's content: `name`, `notes`, `typeData`, `fields` and `passwordHistory`.

        Raises MalformedEncStringError, IntegrityError; UnsupportedEncStringError: its format is newer than this
        program.
        """
        key = cipher_key.unwrap_key(self.wrapped_key)
        if not isinstance(key, AeadKey):
            raise UnsupportedEncStringError(
                "the item's content is encrypted with an older kind of key, which is refused as a downgrade"
            )
        message = Encrypt0.parse(from_base64(self.envelope))
        if message.content_type != PADDED_CBOR:
            raise UnsupportedEncStringError("an encrypted value has an unexpected content type")
        for label, namespace in (cose.SAFE_OBJECT_NAMESPACE, DATA_ENVELOPE), (cose.SAFE_CONTENT_NAMESPACE, VAULT_ITEM):
            found = message.header.get(label)
            if found != namespace or isinstance(found, bool):
                raise IntegrityError("it was not encrypted as an item")
        return _content(cbor.decode_map(cose.unpad(message.open(key.cose_key))))


def find_blob(data: object) -> Blob | None:
    """
    Return the blob in `data` of an item, None if there is none: in other items, `data` contains the fields as JSON.

    Raises MalformedEncStringError: the blob lacks a part; UnsupportedEncStringError: its format is newer than this
    program.
    """
    if not isinstance(data, str) or "format_version" not in data:
        return None
    if len(data) > MAX_TEXT:
        raise MalformedEncStringError(f"the item's data is too large ({len(data)} characters)")
    try:
        parts = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parts, dict) or "format_version" not in parts:
        return None
    version, wrapped_key, envelope = (parts.get(name) for name in ("format_version", "wrapped_cek", "envelope"))
    if isinstance(version, bool) or version != FORMAT_VERSION:
        raise UnsupportedEncStringError("the item has a newer format than this version of bwrun can read")
    if not isinstance(wrapped_key, str) or not isinstance(envelope, str):
        raise MalformedEncStringError("the item's data lacks its key or its envelope")
    return Blob(wrapped_key, envelope)


def _content(envelope: dict[int | str, cbor.Value]) -> dict[str, cbor.Value]:
    if envelope.get("version") != CONTENT_VERSION:
        raise UnsupportedEncStringError("the item's content has a newer format than this version of bwrun can read")
    content = envelope.get("content")
    if not isinstance(content, dict):
        raise MalformedEncStringError("the item's content is not a map")
    return {name: value for name, value in content.items() if isinstance(name, str)}
