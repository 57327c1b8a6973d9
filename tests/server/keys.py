"""Keys of both kinds, V1 (64 bytes) and V2 (a COSE key), and what is encrypted under one in its own form."""

from __future__ import annotations

import base64
import json

from tests.server import cose, crypto
from tests.server.json_types import JsonValue

Key = bytes | cose.Key
OCTETS = 42  # the content type of a file


def encrypt_text(text: str | None, key: Key) -> str | None:
    """An EncString of text; None stays None."""
    if text is None or isinstance(key, bytes):
        return crypto.encrypt_text(text, key if isinstance(key, bytes) else b"")
    return key.encrypt_text(text)


def wrap(inner: Key, key: Key) -> str:
    """An EncString of a key; COSE says in its header how the key is written."""
    if isinstance(key, bytes):
        return crypto.encrypt(inner if isinstance(inner, bytes) else inner.padded(), key)
    if isinstance(inner, bytes):
        return key.encrypt(inner, cose.LEGACY_KEY)
    return key.encrypt(inner.cose_key(), cose.COSE_KEY)


def encrypt_file(plain: bytes, key: Key) -> bytes:
    """The binary form: the type's byte, and what belongs to it."""
    return crypto.encrypt_file(plain, key) if isinstance(key, bytes) else b"\x07" + key.encrypt0(plain, OCTETS)


def seal(content: JsonValue, cipher_key: Key) -> str:
    """An item's content as `data` has it: in an envelope with a key of its own, as the SDK makes them."""
    key = cose.Key(cose.A256GCM)
    return cose.blob_data(wrap(key, cipher_key), key.blob(content))


def spoil(encrypted: str) -> str:
    """The same with the last bit flipped: an EncString of either kind, or a blob's envelope."""
    if encrypted.startswith("{"):
        blob = json.loads(encrypted)
        return json.dumps(blob | {"envelope": _flip(blob["envelope"])})
    if encrypted.startswith("7."):
        return "7." + _flip(encrypted[2:])
    return crypto.spoil_mac(encrypted)


def _flip(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[-1] ^= 1
    return base64.b64encode(bytes(raw)).decode("ascii")
