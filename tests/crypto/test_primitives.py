"""The primitives against known answers of their standards, of Wycheproof, and of other implementations."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from pathlib import Path

import pytest
from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import SHA1, SHA256
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id as OtherArgon2id
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.base.errors import CryptoError, IntegrityError
from bwrun.crypto import primitives
from bwrun.crypto.argon import argon2id
from tests.server.crypto import account_rsa_key

KEY = bytes(range(32))
IV = bytes(range(100, 116))


@pytest.mark.parametrize("parameters", [(1, 8, 1), (2, 15, 1), (3, 16, 4), (2, 16, 3), (1, 16, 16)])
def test_argon2id_is_that_of_openssl(parameters: tuple[int, int, int]) -> None:
    """Argon2id agrees with another implementation in every parameter, parallelism included."""
    iterations, memory_mib, parallelism = parameters
    salt = hashlib.sha256(b"salt").digest()
    other = OtherArgon2id(salt=salt, length=32, iterations=iterations, lanes=parallelism, memory_cost=memory_mib * 1024)

    assert argon2id(b"p\xc3\xa4ss", salt, iterations, memory_mib, parallelism) == other.derive(b"p\xc3\xa4ss")


def test_argon2id_without_the_memory() -> None:
    """More memory than the process may have is an error that says how much is needed, and no crash."""
    code = (
        "import resource; from bwrun.crypto.argon import argon2id; from bwrun.base.errors import CryptoError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))\n"
        "try: argon2id(b'x', bytes(32), 1, 1024, 1)\n"
        "except CryptoError as error: print(error.code, error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, encoding="ascii")

    assert done.stdout.startswith("crypto.argon2 cannot run Argon2id with 1024 MiB of memory and 1 threads: ")


@pytest.mark.parametrize("iterations", [1, 2, 5_000, 100_000])
def test_pbkdf2_is_that_of_hashlib(iterations: int) -> None:
    """PBKDF2-HMAC-SHA256 agrees with hashlib."""
    expected = hashlib.pbkdf2_hmac("sha256", b"password\xff", b"salt", iterations, 32)

    assert primitives.pbkdf2_sha256(b"password\xff", b"salt", iterations) == expected


def test_pbkdf2_is_that_of_rfc_7914() -> None:
    """PBKDF2-HMAC-SHA256 gives the first 32 bytes of RFC 7914's section 11."""
    assert primitives.pbkdf2_sha256(b"passwd", b"salt", 1).hex() == (
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
    )


@pytest.mark.parametrize(
    ("prk", "info", "okm"),
    [
        (
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            "f0f1f2f3f4f5f6f7f8f9",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
        ),
        (
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            bytes(range(0xB0, 0x100)).hex(),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
        ),
        (
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            "",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
        ),
    ],
)
def test_hkdf_expand_is_that_of_rfc_5869(prk: str, info: str, okm: str) -> None:
    """HKDF-Expand gives the first 32 bytes of RFC 5869's cases A.1 to A.3, the second step alone."""
    assert primitives.hkdf_expand_sha256(bytes.fromhex(prk), bytes.fromhex(info)).hex() == okm


@settings(deadline=None)  # a loaded machine is no failure
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hmac_and_sha256_are_those_of_hashlib(key: bytes, data: bytes) -> None:
    """HMAC-SHA256 and SHA-256 agree with the standard library, for keys shorter and longer than a block."""
    assert primitives.hmac_sha256(key, data) == hmac.digest(key, data, "sha256")
    assert primitives.sha256(data) == hashlib.sha256(data).digest()


def test_same_bytes_compares_all() -> None:
    """Equal bytes are the same; another length, or a difference at either end, is not."""
    assert primitives.same_bytes(b"abc", b"abc")
    assert not primitives.same_bytes(b"abc", b"abd")
    assert not primitives.same_bytes(b"abc", b"bbc")
    assert not primitives.same_bytes(b"abc", b"ab")


@settings(deadline=None)  # a loaded machine is no failure
@given(st.binary(max_size=100))
def test_cbc_encrypts_as_pycryptodome_reads(plaintext: bytes) -> None:
    """What is encrypted here, pycryptodome decrypts, and the padding is PKCS#7's."""
    padded = AES.new(KEY, AES.MODE_CBC, IV).decrypt(primitives.aes_256_cbc_encrypt(KEY, IV, plaintext))
    size = padded[-1]

    assert 1 <= size <= 16
    assert padded == plaintext + bytes((size,)) * size


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000])
def test_cbc_decrypts_what_openssl_encrypts(size: int) -> None:
    """Data of any length encrypted by the openssl command is decrypted."""
    plaintext = bytes(i % 251 for i in range(size))
    words = ["openssl", "enc", "-aes-256-cbc", "-K", KEY.hex(), "-iv", IV.hex()]
    encrypted = subprocess.run(words, input=plaintext, capture_output=True, check=True).stdout

    assert primitives.aes_256_cbc_decrypt(KEY, IV, encrypted) == plaintext


def test_cbc_of_wycheproof(vectors: Path) -> None:
    """Every case of Wycheproof with a 256-bit key opens if it is valid and is refused if its padding is not PKCS#7."""
    groups = json.loads((vectors / "wycheproof" / "aes_cbc_pkcs5_test.json").read_text())["testGroups"]
    cases = [test for group in groups if group["keySize"] == 256 for test in group["tests"]]
    wrong = []
    for case in cases:
        key, iv, ciphertext = (bytes.fromhex(case[name]) for name in ("key", "iv", "ct"))
        try:
            opened: bytes | None = primitives.aes_256_cbc_decrypt(key, iv, ciphertext)
        except IntegrityError:
            opened = None
        if opened != (bytes.fromhex(case["msg"]) if case["result"] == "valid" else None):
            wrong.append(case["tcId"])

    assert len(cases) == 72
    assert wrong == []


@pytest.mark.parametrize("sha256", [True, False])
def test_oaep_opens_what_pycryptodome_wraps(*, sha256: bool) -> None:
    """RSA-OAEP opens what pycryptodome wrapped with the same hash, and refuses the other hash and a changed byte."""
    pair = account_rsa_key()
    key = primitives.load_rsa_private_key(pair.export_key("DER", pkcs=8))
    wrapped = PKCS1_OAEP.new(pair, SHA256 if sha256 else SHA1).encrypt(b"a key")

    assert primitives.rsa_oaep_decrypt(key, wrapped, sha256=sha256) == b"a key"
    with pytest.raises(IntegrityError):
        primitives.rsa_oaep_decrypt(key, wrapped, sha256=not sha256)
    with pytest.raises(IntegrityError):
        primitives.rsa_oaep_decrypt(key, wrapped[:-1] + bytes((wrapped[-1] ^ 1,)), sha256=sha256)
    with pytest.raises(IntegrityError):
        primitives.rsa_oaep_decrypt(key, wrapped[:-1], sha256=sha256)


def test_refuses_private_keys_of_another_kind() -> None:
    """A private key that is no PKCS#8, or no RSA key, is refused as that."""
    words = ["openssl", "genpkey", "-algorithm", "ED25519", "-outform", "DER"]
    ed25519 = subprocess.run(words, capture_output=True, check=True).stdout
    for der in (b"", b"no key", ed25519, account_rsa_key().public_key().export_key("DER")):
        with pytest.raises(CryptoError) as caught:
            primitives.load_rsa_private_key(der)
        assert caught.value.code == "crypto.private-key"


def test_made_private_key_is_a_real_one() -> None:
    """A key that is made here is PKCS#8 that pycryptodome reads, of the size asked for."""
    made = RSA.import_key(primitives.make_rsa_private_key(2048))

    assert made.has_private()
    assert made.size_in_bits() == 2048


def test_random_bytes_are_not_the_same_twice() -> None:
    """Two draws of random bytes have the size asked for and differ."""
    assert len(primitives.random_bytes(64)) == 64
    assert primitives.random_bytes(64) != primitives.random_bytes(64)


def test_reads_certificates(tmp_path: Path) -> None:
    """Names, dates and extensions are those that stand in a certificate; what is no certificate is not read."""
    words = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-outform", "DER", "-days", "2", "-subj"]
    extensions = ("subjectAltName=DNS:a.example,IP:192.0.2.1", "authorityInfoAccess=caIssuers;URI:http://ca.example/")
    options = [word for one in extensions for word in ("-addext", one)]
    ders = [
        subprocess.run(
            [*words, "/O=Ours/CN=A private CA", "-keyout", tmp_path / "key", *more], capture_output=True, check=True
        ).stdout
        for more in ([], options)
    ]

    plain, full = (primitives.read_certificate(der) for der in ders)

    assert plain is not None
    assert (plain.subject, plain.issuer) == ("CN=A private CA,O=Ours", "CN=A private CA,O=Ours")
    assert (plain.ends - plain.begins).days == 2
    assert (plain.names, plain.names_its_issuer) == ((), False)
    assert full is not None
    assert (full.names, full.names_its_issuer) == (("a.example", "192.0.2.1"), True)
    assert primitives.read_certificate(b"no certificate") is None
