"""
Decrypting the parts of items: texts, keys, files, and whole blobs.

Callers get keys from here and pass them back; they do not use what is in them.
"""

from __future__ import annotations

from bwrun.base.errors import MalformedEncStringError
from bwrun.crypto.vault_key import VaultKey

Record = dict[str, object]
Key = VaultKey


def decrypt_text(encrypted: str, key: Key) -> str:
    """
    Decrypt a text.

    Raises CryptoError: it cannot be decrypted, or is not text.
    """
    return key.decrypt_text(encrypted)


def as_text(value: object) -> str | None:
    """Return `value` if it is a text that UTF-8 can encode, else None: JSON can contain half a character."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value) else None


def unwrap_key(wrapped: str, key: Key) -> Key:
    """
    Decrypt the key of an item or an attachment.

    Raises CryptoError.
    """
    return key.unwrap_key(wrapped)


def decrypt_file(body: bytes, key: Key) -> bytes:
    """
    Decrypt an attachment's body (protocol notes 2.2, binary form).

    Raises CryptoError.
    """
    return key.decrypt_buffer(body)


def open_blob(data: object, key: Key) -> Record:
    """
    Decrypt a blob item (protocol notes 2.7), and return its `content`.

    Raises CryptoError.
    """
    from bwrun.crypto.blob import find_blob  # noqa: PLC0415  (COSE: for the accounts that have blobs)

    blob = find_blob(data)
    if blob is None:
        raise MalformedEncStringError("the item's data is not a blob")
    return dict(blob.open(key))
