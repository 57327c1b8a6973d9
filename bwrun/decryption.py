"""
The one place where what an item holds is opened: texts, keys, files, and whole items.

A key is opaque to the callers: they get it from here and hand it back.
"""

from __future__ import annotations

from bwrun.crypto.encstring import AES_256_CBC_HMAC_SHA256, IV_SIZE, MAC_SIZE, EncString, SymmetricKey
from bwrun.crypto.primitives import BLOCK
from bwrun.errors import MalformedEncStringError, UnsupportedEncStringError

Record = dict[str, object]
Key = SymmetricKey

MAX_TEXT = 8 * 1024 * 1024  # characters; the clients write notes of 10,000 at most


def decrypt_text(encrypted: str, key: Key) -> str:
    """
    Open an encrypted text.

    Raises CryptoError: it does not open, or is no text.
    """
    if len(encrypted) > MAX_TEXT:
        raise MalformedEncStringError(f"an encrypted text of {len(encrypted)} characters is larger than any client's")
    try:
        return EncString.parse(encrypted).decrypt(key).decode()
    except UnicodeDecodeError:
        raise MalformedEncStringError("a decrypted text is not UTF-8") from None


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
    if len(wrapped) > MAX_TEXT:
        raise MalformedEncStringError("a wrapped key is too large to be one")
    return SymmetricKey.from_bytes(EncString.parse(wrapped).decrypt(key))


def decrypt_file(body: bytes, key: Key) -> bytes:
    """
    Open an attachment's body: the type's byte, IV, MAC, data (protocol notes 2.2, binary form).

    Raises CryptoError.
    """
    kind, start = body[:1], 1 + IV_SIZE + MAC_SIZE
    if kind != bytes((AES_256_CBC_HMAC_SHA256,)):
        named = f"encryption type {kind[0]}" if kind else "an empty file"
        raise UnsupportedEncStringError(f"{named} is not one of an attachment")
    if len(body) <= start or (len(body) - start) % BLOCK:
        raise MalformedEncStringError("an encrypted file is cut off: it is not made of whole blocks")
    iv, mac = body[1 : 1 + IV_SIZE], body[1 + IV_SIZE : start]
    return EncString(AES_256_CBC_HMAC_SHA256, iv, body[start:], mac).decrypt(key)


def open_blob(blob: str, key: Key) -> Record:  # noqa: ARG001  (the seam for V2 items)
    """
    Open an item whose contents are one sealed blob (protocol notes 2.7): its `content`, in clear.

    Raises CryptoError.
    """
    raise UnsupportedEncStringError("its format is too new for this version of bwrun")
