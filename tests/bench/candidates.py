"""The candidates for key derivation, decryption and JSON, by name; the first of each is what bwrun has."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable

import orjson
from argon2.low_level import Type, hash_secret_raw
from Crypto.Cipher import AES
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from tests.server.json_types import Json

Candidates = dict[str, Callable[[], object]]
PASSWORD, SALT = b"correct horse", b"someone@example.com"
ITERATIONS = 600_000
PASSES, MEMORY, LANES = 3, 64 * 1024, 4  # KiB
COUNT = 10_000
BLOCK = 16


def pbkdf2() -> Candidates:
    """Both are OpenSSL in the end, but not always the same one."""
    return {
        "cryptography": lambda: PBKDF2HMAC(hashes.SHA256(), 32, SALT, ITERATIONS).derive(PASSWORD),
        "hashlib": lambda: hashlib.pbkdf2_hmac("sha256", PASSWORD, SALT, ITERATIONS),
    }


def argon2id() -> Candidates:
    """
    OpenSSL's beside the reference implementation's.

    (`import argon2.low_level` takes 20 ms more: among the imports below.)
    """
    return {
        "argon2-cffi": lambda: hash_secret_raw(PASSWORD, SALT, PASSES, MEMORY, LANES, 32, Type.ID),
        "cryptography": lambda: Argon2id(
            salt=SALT, length=32, iterations=PASSES, lanes=LANES, memory_cost=MEMORY
        ).derive(PASSWORD),
    }


def encrypted_names(key: bytes) -> list[str]:
    """Return names as EncStrings of type 2."""
    found = []
    for number in range(COUNT):
        plain = f"service {number:05} database".encode()
        fill = BLOCK - len(plain) % BLOCK
        iv = os.urandom(BLOCK)
        data = AES.new(key[:32], AES.MODE_CBC, iv).encrypt(plain + bytes([fill]) * fill)
        mac = hmac.digest(key[32:], iv + data, "sha256")
        found.append("2." + "|".join(b64encode(part).decode() for part in (iv, data, mac)))
    return found


def decryption() -> Candidates:
    """Each checks the MAC before it decrypts, and takes the padding off."""
    key = os.urandom(64)
    aes_key, mac_key = key[:32], key[32:]
    names = [[b64decode(part) for part in text[2:].split("|")] for text in encrypted_names(key)]

    def all_cryptography() -> None:
        for iv, data, mac in names:
            check = HMAC(mac_key, hashes.SHA256())
            check.update(iv + data)
            assert bytes_eq(check.finalize(), mac)
            decryptor = Cipher(algorithms.AES256(aes_key), modes.CBC(iv)).decryptor()
            unpadder = padding.PKCS7(128).unpadder()
            unpadder.update(decryptor.update(data) + decryptor.finalize())
            unpadder.finalize()

    def with_hmac_digest() -> None:
        algorithm = algorithms.AES256(aes_key)
        for iv, data, mac in names:
            assert hmac.compare_digest(hmac.digest(mac_key, iv + data, "sha256"), mac)
            decryptor = Cipher(algorithm, modes.CBC(iv)).decryptor()
            _unpad(decryptor.update(data) + decryptor.finalize())

    def with_pycryptodome() -> None:
        for iv, data, mac in names:
            assert hmac.compare_digest(hmac.digest(mac_key, iv + data, "sha256"), mac)
            _unpad(AES.new(aes_key, AES.MODE_CBC, iv).decrypt(data))

    return {
        "cryptography for all": all_cryptography,
        "cryptography's AES, hmac.digest": with_hmac_digest,
        "pycryptodome's AES, hmac.digest": with_pycryptodome,
    }


def _unpad(padded: bytes) -> bytes:
    count = padded[-1]
    assert padded.endswith(bytes([count]) * count)
    return padded[:-count]


def parsing() -> Candidates:
    """The text of a sync to Python's objects."""
    text = json.dumps(_sync(), separators=(",", ":")).encode()
    return {"orjson": lambda: orjson.loads(text), "json": lambda: json.loads(text)}


def writing() -> Candidates:
    """The items of a sync to the text of data.json."""
    sync = _sync()
    return {
        "orjson": lambda: orjson.dumps(sync),
        "json": lambda: json.dumps(sync, ensure_ascii=False, separators=(",", ":")).encode(),
    }


def _sync() -> Json:
    """Return a sync with logins alone, as large as a server's."""
    name = encrypted_names(os.urandom(64))[0]
    ciphers = [
        {
            "id": f"00000000-0000-4000-8000-{number:012}",
            "type": 1,
            "name": name,
            "notes": name * 2,
            "key": name * 2 if number % 2 else None,
            "login": {"username": name, "password": name, "uris": [{"uri": name, "uriChecksum": name, "match": None}]},
            "fields": None,
            "favorite": False,
            "reprompt": 0,
            "permissions": {"delete": True, "restore": True},
            "revisionDate": "2026-01-02T03:04:05.678901Z",
        }
        for number in range(COUNT)
    ]
    return {"object": "sync", "ciphers": ciphers, "folders": [], "collections": []}
