"""
The one place where what an item holds is opened: texts, keys, files, and whole items.

A key is opaque to the callers: they get it from here and hand it back.
"""

from __future__ import annotations

from bwrun.base.errors import MalformedEncStringError
from bwrun.crypto.vault_key import VaultKey

Record = dict[str, object]
Key = VaultKey


def decrypt_text(encrypted: str, key: Key) -> str:
    """
    Open an encrypted text.

    Raises CryptoError: it does not open, or is no text.
    """
    return key.decrypt_text(encrypted)


def as_text(value: object) -> str | None:
    """Return `value` if it is a text, None if it is something else: JSON can write half a character, UTF-8 cannot."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value) else None


def unwrap_key(wrapped: str, key: Key) -> Key:
    """
    Open the key of an item or an attachment.

    Raises CryptoError.
    """
    return key.unwrap_key(wrapped)


def decrypt_file(body: bytes, key: Key) -> bytes:
    """
    Open an attachment's body (protocol notes 2.2, binary form).

    Raises CryptoError.
    """
    return key.decrypt_buffer(body)


def open_blob(data: object, key: Key) -> Record:
    """
    Open an item whose contents are one sealed blob (protocol notes 2.7): its `content`, in clear.

    Raises CryptoError.
    """
    from bwrun.crypto.blob import find_blob  # noqa: PLC0415  (COSE: for the accounts that have blobs)

    blob = find_blob(data)
    if blob is None:
        raise MalformedEncStringError("the item's data is not a blob")
    return dict(blob.open(key))
