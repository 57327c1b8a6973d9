"""V2 accounts' cryptography, written a second time: pycryptodome, and a CBOR writer of its own.

Nothing of the product is imported here.  Formats: bitwarden/sdk-internal crates/bitwarden-crypto/src/{cose,signing},
crates/bitwarden-vault/src/cipher/blob; RFC 8949, RFC 9052, draft-irtf-cfrg-xchacha-03, c2sp.org/XAES-256-GCM.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from typing import Any

from Crypto.Cipher import AES, ChaCha20_Poly1305
from Crypto.Hash import CMAC
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

A256GCM, XCHACHA20, XAES = 3, -70000, -70010
UTF8, PADDED_CBOR = "application/x.bitwarden.utf8-padded", "application/x.bitwarden.cbor-padded"
LEGACY_KEY, COSE_KEY, PKCS8 = "application/x.bitwarden.legacy-key", 101, 284
SIZES = ((24, 0), (1 << 8, 1), (1 << 16, 2), (1 << 32, 4), (1 << 64, 8))


def _head(major: int, number: int) -> bytes:
    size = next((size for limit, size in SIZES if number < limit), None)
    if size is None:
        raise OverflowError("CBOR has no integer of more than 64 bits")
    if size == 0:
        return bytes([major * 32 + number])
    return bytes([major * 32 + 24 + (1, 2, 4, 8).index(size)]) + number.to_bytes(size, "big")


def cbor(value: Any) -> bytes:  # noqa: ANN401
    """CBOR of integers, strings, lists, maps, booleans and None."""
    match value:
        case None | True | False:
            return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
        case int():
            return _head(0, value) if value >= 0 else _head(1, ~value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            return _head(5, len(value)) + b"".join(cbor(part) for pair in value.items() for part in pair)
    raise TypeError(type(value))


def pad(data: bytes, block: int) -> bytes:
    """Append 1 to `block` bytes, each of which is their number."""
    size = block - len(data) % block
    return data + bytes([size]) * size


def seal(alg: int, key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    """Ciphertext and tag of one of the three ciphers."""
    cipher: Any
    if alg == XCHACHA20:
        cipher = ChaCha20_Poly1305.new(key=key, nonce=nonce)
    elif alg == XAES:
        parts = [CMAC.new(key, bytes([0, n]) + b"X\0" + nonce[:12], AES).digest() for n in (1, 2)]
        cipher = AES.new(b"".join(parts), AES.MODE_GCM, nonce=nonce[12:])
    else:
        cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(associated)
    data, tag = cipher.encrypt_and_digest(plain)
    return bytes(data + tag)


@dataclass(frozen=True)
class Key:
    """A symmetric COSE key."""

    alg: int = XAES
    kid: bytes = field(default_factory=lambda: os.urandom(16))
    secret: bytes = field(default_factory=lambda: os.urandom(32))

    def cose_key(self) -> bytes:
        """The COSE_Key, without padding."""
        return cbor({1: 4, 2: self.kid, 3: self.alg, 4: [3, 4, 5, 6], -1: self.secret})

    def padded(self) -> bytes:
        """The COSE_Key as it is wrapped under a key of type 2."""
        encoded = self.cose_key()
        size = max(1, 65 - len(encoded))
        return encoded + bytes([size]) * size

    def encrypt0(self, plain: bytes, content: int | str, **changes: Any) -> bytes:  # noqa: ANN401
        """A COSE_Encrypt0; `changes` replaces `header`, `nonce`, `context`, or adds to the header (`extra`)."""
        header = {1: self.alg, 3: content, 4: self.kid, **changes.get("extra", {})}
        protected = cbor(changes.get("header", header))
        nonce = changes.get("nonce", os.urandom(12 if self.alg == A256GCM else 24))
        associated = cbor([changes.get("context", "Encrypt0"), protected, b""])
        return cbor([protected, {5: nonce}, seal(self.alg, self.secret, nonce, plain, associated)])

    def encrypt(self, plain: bytes, content: int | str, **changes: Any) -> str:  # noqa: ANN401
        """A type 7 EncString."""
        return "7." + base64.b64encode(self.encrypt0(plain, content, **changes)).decode("ascii")

    def encrypt_text(self, text: str) -> str:
        """A type 7 EncString of text."""
        return self.encrypt(pad(text.encode(), 32), UTF8)

    def blob(self, content: Any, **changes: Any) -> str:  # noqa: ANN401
        """Seal an item's content under this key, as the envelope's own; base64."""
        envelope = {"version": changes.pop("version", "1"), "content": content}
        extra = {-80002: 2, -80001: 1} | changes.pop("namespaces", {})
        sealed = self.encrypt0(pad(cbor(envelope), 64), PADDED_CBOR, extra=extra, **changes)
        return base64.b64encode(sealed).decode("ascii")


def blob_data(wrapped_key: str, envelope: str, format_version: object = 1) -> str:
    """A cipher's `data`."""
    return json.dumps({"format_version": format_version, "wrapped_cek": wrapped_key, "envelope": envelope})


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key pair."""

    seed: bytes = field(default_factory=lambda: os.urandom(32))
    kid: bytes = field(default_factory=lambda: os.urandom(16))

    def cose_key(self) -> bytes:
        """The private COSE_Key."""
        return cbor({1: 1, 2: self.kid, 3: -8, 4: [1, 2], -4: self.seed, -1: 6})

    def sign1(self, payload: bytes, namespace: int, **changes: Any) -> bytes:  # noqa: ANN401
        """A COSE_Sign1; `changes` replaces parts of the header (`extra`) or the context."""
        header = {1: -8, 3: 60, 4: self.kid, -80000: namespace, **changes.get("extra", {})}
        protected = cbor(header)
        pair = ECC.construct(curve="Ed25519", seed=self.seed)
        signed = cbor([changes.get("context", "Signature1"), protected, b"", payload])
        return cbor([protected, {}, payload, eddsa.new(pair, "rfc8032").sign(signed)])
