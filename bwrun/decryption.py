"""
The one place where what an item holds is opened: texts, keys, files, and whole items.

A key is opaque to the callers: they get it from here and hand it back.
"""

from __future__ import annotations

from collections.abc import Sequence

from bwrun.crypto.many import EqualSizes, open_keys
from bwrun.crypto.vault_key import AesKey, VaultKey
from bwrun.errors import MalformedEncStringError

Record = dict[str, object]
Key = VaultKey


def decrypt_text(encrypted: str, key: Key) -> str:
    """
    Open an encrypted text.

    Raises CryptoError: it does not open, or is no text.
    """
    return key.decrypt_text(encrypted)


def search_texts(
    encrypted: Sequence[str], key: Key, wrapped: Sequence[object] | None
) -> tuple[Sequence[int], EqualSizes]:
    """
    Return which of equally long texts of type 2 can be searched, and the search of those.

    They are under `key`; with `wrapped`, each is under the key that stands there and is wrapped under `key`.  What is
    under a key of another kind, or one that does not open, is to be opened by itself.
    """
    if not isinstance(key, AesKey):
        return (), EqualSizes((), ())
    if wrapped is None:
        return range(len(encrypted)), EqualSizes((key.symmetric_key.enc_key,), encrypted)
    own = open_keys(key.symmetric_key, wrapped)
    return list(own), EqualSizes(list(own.values()), [encrypted[number] for number in own])


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
        raise MalformedEncStringError("an item's data is no blob")
    return dict(blob.open(key))
