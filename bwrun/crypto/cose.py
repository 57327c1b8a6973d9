"""
COSE (RFC 9052) as Bitwarden uses it: keys, encrypted messages (COSE_Encrypt0) and signatures (COSE_Sign1).

Facts: bitwarden/sdk-internal:crates/bitwarden-crypto/src/cose/{mod,symmetric}.rs, src/signing/{cose,signed_object,
signing_key}.rs, src/keys/{symmetric_crypto_key,utils}.rs; protocol notes 2.3, 2.5 and 2.6.  Before a message is
decrypted or verified, its protected header must match the key.  Of the unprotected header only the nonce is used.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeGuard

from bwrun.base.errors import IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.base.structs import Struct
from bwrun.crypto import aead, cbor, primitives
from bwrun.crypto.encstring import CBOR

# Header labels (RFC 9052 3.1) and Bitwarden's own
ALG, CRIT, CONTENT_TYPE, KID, IV = 1, 2, 3, 4, 5
SAFE_CONTENT_NAMESPACE, SAFE_OBJECT_NAMESPACE, SIGNING_NAMESPACE = -80001, -80002, -80000
# A key's labels (RFC 9052 7.1; RFC 9053 7 for OKP and symmetric keys, RFC 9964 for AKP) and types
KTY, KEY_KID, KEY_ALG, KEY_OPS = 1, 2, 3, 4
K, CRV, OKP_D, AKP_PRIV = -1, -1, -4, -2
OKP, SYMMETRIC, AKP = 1, 4, 7
ED25519_CURVE = 6
SYMMETRIC_OPS = {3, 4, 5, 6}  # encrypt, decrypt, wrapKey, unwrapKey
EDDSA, ML_DSA_44 = -8, -48

KID_SIZE = 16
ENC_STRUCTURE = b"\x83" + cbor.encode("Encrypt0")  # [context, protected, external], RFC 9052 5.3
Value = cbor.Value
Header = dict[int | str, Value]


def unpad(padded: bytes) -> bytes:
    """
    Remove the padding: the value of the last byte is the number of bytes of the padding, which all have this value.

    Raises MalformedEncStringError: there is no such padding.
    """
    size = padded[-1] if padded else 0
    if not 0 < size <= len(padded) or padded[-size:] != bytes((size,)) * size:
        raise MalformedEncStringError("the padding is wrong")
    return padded[:-size]


class CoseKey(Struct):
    """A symmetric COSE_Key."""

    algorithm: int
    kid: bytes
    secret: bytes

    @classmethod
    def parse(cls, data: bytes) -> CoseKey:
        """
        Read a COSE_Key without padding.

        Raises MalformedEncStringError; UnsupportedEncStringError: the algorithm is not supported.
        """
        header = cbor.decode_map(data)
        algorithm, kid, secret = header.get(KEY_ALG), header.get(KEY_KID), header.get(K)
        operations = header.get(KEY_OPS, [])
        if header.get(KTY) != SYMMETRIC:
            raise MalformedEncStringError("a COSE key is not a symmetric key")
        if not _is_int(algorithm) or algorithm not in aead.NAMES:
            raise UnsupportedEncStringError("the algorithm of a COSE key is not supported")
        if not isinstance(operations, list) or not all(_is_int(one) and one in SYMMETRIC_OPS for one in operations):
            raise MalformedEncStringError("the operations of a COSE key are not those of a symmetric key")
        return cls(algorithm, _kid(kid), _secret(secret))


class SigningKey(Struct):
    """A user's signing key: Ed25519, or ML-DSA-44 for accounts made since 2026."""

    algorithm: int
    kid: bytes
    seed: bytes

    @classmethod
    def parse(cls, data: bytes) -> SigningKey:
        """
        Read the COSE_Key of a signing key.

        Raises MalformedEncStringError; UnsupportedEncStringError: the algorithm is not supported.
        """
        header = cbor.decode_map(data)
        kind, algorithm = header.get(KTY), header.get(KEY_ALG)
        if (kind, algorithm) == (OKP, EDDSA) and header.get(CRV) == ED25519_CURVE:
            return cls(EDDSA, _kid(header.get(KEY_KID)), _secret(header.get(OKP_D)))
        if (kind, algorithm) == (AKP, ML_DSA_44):
            return cls(ML_DSA_44, _kid(header.get(KEY_KID)), _secret(header.get(AKP_PRIV)))
        raise UnsupportedEncStringError("the signing key is neither an Ed25519 key nor an ML-DSA-44 key")

    def verify(self, signature: bytes, message: bytes) -> None:
        """Verify a signature with the public half of the key. Raises IntegrityError, UnsupportedEncStringError."""
        verify = primitives.ed25519_verify if self.algorithm == EDDSA else primitives.ml_dsa_44_verify
        verify(self.seed, signature, message)


class Encrypt0(Struct):
    """A COSE_Encrypt0: a message that one key decrypts."""

    protected: bytes  # the protected header as received, because it is authenticated in this form
    header: Header
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def parse(cls, data: bytes) -> Encrypt0:
        """
        Read `[protected, unprotected, ciphertext]`. There is no limit for the size, because files have this form too.

        Raises MalformedEncStringError.
        """
        parts = cbor.decode(data, max_size=len(data))
        if not isinstance(parts, list) or len(parts) != 3:
            raise MalformedEncStringError("a COSE message does not have three parts")
        protected, unprotected, ciphertext = parts
        if not isinstance(protected, bytes) or not isinstance(unprotected, dict) or not isinstance(ciphertext, bytes):
            raise MalformedEncStringError("the parts of a COSE message have the wrong types")
        nonce = unprotected.get(IV)
        if not isinstance(nonce, bytes):
            raise MalformedEncStringError("a COSE message has no nonce")
        return cls(protected, _header(protected), nonce, ciphertext)

    @property
    def content_type(self) -> cbor.Value:
        """What the plaintext is, as the protected header says."""
        return self.header.get(CONTENT_TYPE)

    def open(self, key: CoseKey) -> bytes:
        """
        Decrypt the message; the result still has its padding.

        Raises UnsupportedEncStringError: the algorithm is not the one of the key; IntegrityError: the message is for
        another key, or has been changed.
        """
        algorithm = self.header.get(ALG)
        if not _is_int(algorithm) or algorithm != key.algorithm:
            raise UnsupportedEncStringError(
                f"a COSE message is not encrypted with {aead.NAMES[key.algorithm]}, the algorithm of its key"
            )
        if self.header.get(KID) != key.kid:
            raise IntegrityError("it is encrypted with another key")
        associated = ENC_STRUCTURE + cbor.encode(self.protected) + cbor.encode(b"")
        return aead.decrypt(key.algorithm, key.secret, self.nonce, self.ciphertext, associated)


def verify_sign1(data: bytes, key: SigningKey, namespace: int) -> bytes:
    """
    Verify a COSE_Sign1 whose payload is CBOR, and return the payload.

    Raises MalformedEncStringError; IntegrityError: it was signed with another key or for another namespace, or has been
    changed.
    """
    parts = cbor.decode(data)
    if not isinstance(parts, list) or len(parts) != 4:
        raise MalformedEncStringError("a COSE signature does not have four parts")
    protected, unprotected, payload, signature = parts
    if not isinstance(protected, bytes) or not isinstance(unprotected, dict):
        raise MalformedEncStringError("the parts of a COSE signature have the wrong types")
    if not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise MalformedEncStringError("the parts of a COSE signature have the wrong types")
    header = _header(protected)
    expected = {ALG: key.algorithm, KID: key.kid, CONTENT_TYPE: CBOR, SIGNING_NAMESPACE: namespace}
    if any(header.get(label) != value or isinstance(header.get(label), bool) for label, value in expected.items()):
        raise IntegrityError("it is signed with another key, or for another purpose")
    key.verify(signature, cbor.encode(["Signature1", protected, b"", payload]))  # Sig_structure, RFC 9052 4.4
    return payload


@lru_cache(maxsize=8)  # everything that one key encrypts has the same header; callers do not change the result
def _header(protected: bytes) -> Header:
    header = cbor.decode_map(protected)
    if CRIT in header:
        raise UnsupportedEncStringError("a COSE message has critical headers that bwrun does not support")
    return header


def _kid(kid: cbor.Value) -> bytes:
    if not isinstance(kid, bytes) or len(kid) != KID_SIZE:
        raise MalformedEncStringError(f"the id of a COSE key does not have {KID_SIZE} bytes")
    return kid


def _secret(secret: cbor.Value) -> bytes:
    if not isinstance(secret, bytes) or len(secret) != primitives.KEY_SIZE:
        raise MalformedEncStringError(f"a COSE key does not have {primitives.KEY_SIZE} bytes")
    return secret


def _is_int(value: cbor.Value) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
