"""
Cryptographic functions, with the library `cryptography`; no other module imports it.

This module knows none of Bitwarden's formats.  All sizes are in bytes.
"""

from __future__ import annotations

import os
from _operator import _compare_digest  # `hmac.compare_digest` by its own name: `hmac` loads OpenSSL once more, 3 ms
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from bwrun.base.errors import CryptoError, IntegrityError, UnsupportedEncStringError
from bwrun.crypto.certificate import Certificate

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    RsaPrivateKey = RSAPrivateKey

    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

# At the start stands what the KDF needs; the rest (20 ms and more) is imported where it is used, for most runs while
# the KDF is at work: `import_what_follows()`.

BLOCK = 16
KEY_SIZE = 32
SHORT = 1024  # bytes up to which a kept context beats a new one
PADDINGS = [bytes((size,)) * size for size in range(BLOCK + 1)]  # PKCS#7 (RFC 5652, 6.3)


def random_bytes(size: int) -> bytes:
    """Return `size` bytes from the kernel's generator."""
    return os.urandom(size)


def pbkdf2_sha256(secret: bytes, salt: bytes, iterations: int) -> bytes:
    """Return 32 bytes of PBKDF2-HMAC-SHA256 (RFC 8018)."""
    return PBKDF2HMAC(hashes.SHA256(), KEY_SIZE, salt, iterations).derive(secret)


def scrypt(secret: bytes, salt: bytes, cost: int, block_size: int) -> bytes:
    """Return 32 bytes of scrypt (RFC 7914) with N = `cost`, r = `block_size`, p = 1."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415  (only for --cache)

    return Scrypt(salt, KEY_SIZE, cost, block_size, 1).derive(secret)


def sha256(data: bytes) -> bytes:
    """Return SHA-256 of `data`."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def hkdf_expand_sha256(key: bytes, info: bytes) -> bytes:
    """Return 32 bytes of HKDF-Expand with SHA-256 (RFC 5869, the second step alone)."""
    return HKDFExpand(hashes.SHA256(), KEY_SIZE, info).derive(key)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA256 of `data`."""
    mac = _keyed_mac(key).copy()
    mac.update(data)
    return mac.finalize()


@lru_cache(maxsize=4)
def _keyed_mac(key: bytes) -> hmac.HMAC:
    """Return a prepared context, because copying one takes a third of the time of making one."""
    return hmac.HMAC(key, hashes.SHA256())


def same_bytes(one: bytes, other: bytes) -> bool:
    """Compare two values in constant time."""
    return _compare_digest(one, other)


def aes_256_cbc_decrypt(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """
    Decrypt and remove the PKCS#7 padding. The caller has verified the MAC of the data.

    Raises IntegrityError: the padding is wrong, or it is not made of whole blocks.
    """
    if not ciphertext or len(ciphertext) % BLOCK or len(iv) != BLOCK:
        raise IntegrityError("it is not a multiple of 16 bytes long")
    decryptor = _aes_256_cbc(key, iv).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    size = padded[-1]
    if not 0 < size <= BLOCK or not padded.endswith(PADDINGS[size]):
        raise IntegrityError("the padding does not match")
    return padded[:-size]


def aes_256_cbc_encrypt(key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """Pad (PKCS#7) and encrypt. The caller adds a MAC."""
    encryptor = _aes_256_cbc(key, iv).encryptor()
    return encryptor.update(plaintext + PADDINGS[BLOCK - len(plaintext) % BLOCK]) + encryptor.finalize()


def _aes_256_cbc(key: bytes, iv: bytes) -> Cipher[modes.CBC]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    return Cipher(algorithms.AES256(key), modes.CBC(iv))


def import_what_follows() -> None:
    """Import what is needed after the KDF: ciphers and private keys."""
    from cryptography.hazmat.primitives import ciphers, serialization  # noqa: F401, PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: F401, PLC0415


def load_rsa_private_key(der: bytes) -> RsaPrivateKey:
    """
    Read a private key in PKCS#8.

    The consistency of its numbers is not checked, which would take 30 ms: the key was in an authenticated EncString.

    Raises CryptoError: it is something else.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    try:
        key = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CryptoError("private-key", "the account's private key is not in PKCS#8") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CryptoError("private-key", "the account's private key is not an RSA key")
    return key


def openssh_private_key(pem: bytes) -> bytes:
    """
    Return a private key in PEM (PKCS#8, PKCS#1 or SEC 1) as OpenSSH writes it.

    Raises CryptoError: it is encrypted, something else, or of a type that SSH has no keys of.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    from bwrun.crypto.ssh_errors import encrypted_ssh_key, no_ssh_key  # noqa: PLC0415

    try:
        key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise encrypted_ssh_key() from None
    except (ValueError, UnsupportedAlgorithm):
        raise no_ssh_key() from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, rsa.RSAPrivateKey)):
        raise no_ssh_key()
    form = serialization.PrivateFormat.OpenSSH
    try:
        return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    except ValueError:
        raise no_ssh_key() from None  # a curve that SSH does not use


def make_rsa_private_key(bits: int) -> bytes:
    """Return a new RSA key in PKCS#8."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())


def rsa_oaep_decrypt(key: RsaPrivateKey, ciphertext: bytes, *, sha256: bool) -> bytes:
    """
    Decrypt with RSA-OAEP, SHA-256 or SHA-1 for both the label and MGF1.

    Raises IntegrityError: it cannot be decrypted.
    """
    from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding  # noqa: PLC0415

    algorithm = hashes.SHA256() if sha256 else hashes.SHA1()  # noqa: S303  (Bitwarden's choice, protocol notes 2.2)
    try:
        return key.decrypt(ciphertext, rsa_padding.OAEP(rsa_padding.MGF1(algorithm), algorithm, None))
    except ValueError:
        raise IntegrityError("the key does not decrypt it") from None


def rsa_oaep_encrypt(key: RsaPrivateKey, plaintext: bytes) -> bytes:
    """Encrypt with RSA-OAEP and SHA-1, with the public half of a key pair."""
    from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding  # noqa: PLC0415

    algorithm = hashes.SHA1()  # noqa: S303  (Bitwarden's choice, protocol notes 2.2)
    return key.public_key().encrypt(plaintext, rsa_padding.OAEP(rsa_padding.MGF1(algorithm), algorithm, None))


def read_certificate(der: bytes) -> Certificate | None:
    """Return what a certificate says, None if it cannot be read."""
    from cryptography import x509  # noqa: PLC0415

    try:
        found = x509.load_der_x509_certificate(der)
        extensions = {one.oid: one.value for one in found.extensions}
        named = extensions.get(x509.OID_SUBJECT_ALTERNATIVE_NAME)
        access = extensions.get(x509.OID_AUTHORITY_INFORMATION_ACCESS)
        return Certificate(
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            begins=found.not_valid_before_utc,
            ends=found.not_valid_after_utc,
            names=tuple(str(one.value) for one in named) if isinstance(named, x509.SubjectAlternativeName) else (),
            names_its_issuer=isinstance(access, x509.AuthorityInformationAccess)
            and any(one.access_method == x509.OID_CA_ISSUERS for one in access),
        )
    except ValueError:
        return None


def chacha20_block(key: bytes, counter_and_nonce: bytes) -> bytes:
    """Return one block of 64 bytes of ChaCha20's key stream (RFC 8439 2.3); counter and nonce are 16 bytes."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms  # noqa: PLC0415

    return Cipher(algorithms.ChaCha20(key, counter_and_nonce), mode=None).encryptor().update(bytes(64))


def chacha20_poly1305_decrypt(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """Verify and decrypt (RFC 8439); the tag is the last 16 bytes. Raises IntegrityError."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

    return _open(ChaCha20Poly1305(key), nonce, ciphertext, associated)


def aes_256_gcm_decrypt(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """Verify and decrypt (NIST SP 800-38D); the tag is the last 16 bytes. Raises IntegrityError."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return _open(AESGCM(key), nonce, ciphertext, associated)


def aes_256_gcm_encrypt(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt; a tag of 16 bytes is added. A key must never see the same `nonce` (12 bytes) twice."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key).encrypt(nonce, plaintext, associated)


def _open(cipher: ChaCha20Poly1305 | AESGCM, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        raise IntegrityError("the authentication tag does not match") from None


def aes_256_cmac(key: bytes, data: bytes) -> bytes:
    """Return CMAC with AES-256 (NIST SP 800-38B) of `data`, 16 bytes."""
    from cryptography.hazmat.primitives.ciphers import algorithms  # noqa: PLC0415
    from cryptography.hazmat.primitives.cmac import CMAC  # noqa: PLC0415

    mac = CMAC(algorithms.AES256(key))
    mac.update(data)
    return mac.finalize()


def ed25519_verify(seed: bytes, signature: bytes, message: bytes) -> None:
    """Verify an Ed25519 signature (RFC 8032) of the key that `seed` (32 bytes) makes. Raises IntegrityError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    try:
        Ed25519PrivateKey.from_private_bytes(seed).public_key().verify(signature, message)
    except InvalidSignature:
        raise IntegrityError("the signature does not match") from None


def ml_dsa_44_verify(seed: bytes, signature: bytes, message: bytes) -> None:
    """
    Verify an ML-DSA-44 signature (FIPS 204, empty context) of the key that `seed` (32 bytes) makes.

    Raises IntegrityError; UnsupportedEncStringError: the library was built with an OpenSSL older than 3.5.
    """
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey  # noqa: PLC0415

    try:
        MLDSA44PrivateKey.from_seed_bytes(seed).public_key().verify(signature, message)
    except InvalidSignature:
        raise IntegrityError("the signature does not match") from None
    except UnsupportedAlgorithm:
        raise UnsupportedEncStringError(
            "the installed `cryptography` cannot verify ML-DSA-44: install it from its wheel"
        ) from None


def rsa_public_key_der(key: RsaPrivateKey) -> bytes:
    """Return the public half as SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)
