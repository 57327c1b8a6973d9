"""COSE: keys, messages and signatures; what opens, and that nothing else does."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.base.errors import CryptoError, IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.crypto.cose import CoseKey, Encrypt0, SigningKey, unpad, verify_sign1
from bwrun.crypto.encstring import OCTETS, SymmetricKey
from bwrun.crypto.vault_key import MAX_TEXT, AeadKey, AesKey, VaultKey, parse_key
from tests.server import cose as other
from tests.server import crypto as v1

RAW_KEY = bytes(range(64))
AES_KEY = AesKey(SymmetricKey.from_bytes(RAW_KEY))
KEYS = [other.Key(alg) for alg in (other.XAES, other.XCHACHA20, other.A256GCM)]
SIGNER = other.SigningKey()
EVERY_KEY = pytest.mark.parametrize("key", KEYS, ids=["xaes", "xchacha", "gcm"])


def opened(key: other.Key) -> VaultKey:
    """Read a key as it comes out of a type 2 EncString."""
    return parse_key(key.padded())


@EVERY_KEY
@pytest.mark.parametrize("text", ["", "a", "x" * 31, "x" * 32, "x" * 33, "grüße 水", "ends with \x01", "y" * 5000])
def test_opens_text(key: other.Key, text: str) -> None:
    """Text of any length opens without its padding, under each algorithm."""
    assert opened(key).decrypt_text(key.encrypt_text(text)) == text


@EVERY_KEY
def test_unwraps_keys_by_content_type(key: other.Key) -> None:
    """Wrapped by type 7, a COSE key has no padding, and a legacy key is 64 bytes or a COSE key with padding."""
    inner = other.Key()
    vault_key = opened(key)

    assert vault_key.unwrap_key(key.encrypt(inner.cose_key(), other.COSE_KEY)).encode() == inner.padded()
    assert vault_key.unwrap_key(key.encrypt(inner.padded(), other.LEGACY_KEY)).encode() == inner.padded()
    assert vault_key.unwrap_key(key.encrypt(RAW_KEY, other.LEGACY_KEY)).encode() == RAW_KEY
    for data, content in (
        (inner.padded(), other.COSE_KEY), (inner.cose_key(), other.LEGACY_KEY), (RAW_KEY, other.COSE_KEY),
        (RAW_KEY[:32], other.LEGACY_KEY), (b"", other.LEGACY_KEY), (RAW_KEY, 42), (RAW_KEY, True),
        (other.pad(RAW_KEY, 32), other.UTF8), (inner.cose_key(), other.PKCS8),
    ):  # fmt: skip
        with pytest.raises(CryptoError):
            vault_key.unwrap_key(key.encrypt(data, content))


def test_unwraps_keys_under_a_v1_key() -> None:
    """Wrapped by type 2, a key is 64 bytes, or a COSE key with padding."""
    inner = other.Key()

    assert AES_KEY.unwrap_key(v1.encrypt(inner.padded(), RAW_KEY)).encode() == inner.padded()
    assert AES_KEY.unwrap_key(v1.encrypt(RAW_KEY, RAW_KEY)).encode() == RAW_KEY
    for data in (inner.cose_key(), RAW_KEY[:32], b"", bytes(65), RAW_KEY + b"\1\2"):
        with pytest.raises(CryptoError):
            AES_KEY.unwrap_key(v1.encrypt(data, RAW_KEY))


@EVERY_KEY
def test_another_type_than_the_keys_is_refused(key: other.Key) -> None:
    """Type 2, 1, 0 under a V2 key and type 7, 1, 0 under a V1 key are refused by name: no downgrade, no trying."""
    under_aes = v1.encrypt(b"secret", RAW_KEY)
    without_mac = v1.encrypt_without_mac(b"secret", RAW_KEY[:32])

    for vault_key, texts in (
        (opened(key), (under_aes, without_mac, "1.AAAA|AAAA|AAAA", "4.AAAA", "8.ABC")),
        (AES_KEY, (key.encrypt_text("secret"), without_mac, "1.AAAA|AAAA|AAAA", "4.AAAA", "8.ABC")),
    ):
        for text in texts:
            with pytest.raises(UnsupportedEncStringError, match=f"type {text[0]} "):
                vault_key.decrypt_text(text)
            with pytest.raises(UnsupportedEncStringError, match=f"type {text[0]} "):
                vault_key.unwrap_key(text)
    assert AES_KEY.decrypt_text(under_aes) == "secret"


def test_refuses_what_the_sdk_refuses(vectors: Path) -> None:
    """Each of the SDK's strings that must fail is refused, under a key of each kind."""
    for case in json.loads((vectors / "sdk-internal" / "encstring.json").read_text())["must_fail"]:
        raw = base64.b64decode(case.get("key_b64", base64.b64encode(RAW_KEY)))
        for encoded in (raw, KEYS[0].padded()):
            with pytest.raises(CryptoError):
                parse_key(encoded).decrypt_text(case["enc_string"])


@EVERY_KEY
def test_headers_are_checked(key: other.Key) -> None:
    """Another algorithm, id, kind of content, structure or a critical header is refused, though the tag matches."""
    padded = other.pad(b"secret", 32)
    right: dict[int, Any] = {1: key.alg, 3: other.UTF8, 4: key.kid}
    another = next(one.alg for one in KEYS if one.alg != key.alg)
    changes: list[dict[str, Any]] = [
        {"header": right | {1: another}}, {"header": right | {4: bytes(16)}}, {"header": right | {3: 42}},
        {"header": right | {2: [99], 99: 1}}, {"header": {1: key.alg, 3: other.UTF8}}, {"header": [1]},
        {"header": {1: key.alg, 4: key.kid}}, {"header": {3: other.UTF8, 4: key.kid}}, {"context": "Encrypt"},
        {"header": right | {1: "A256GCM"}}, {"header": right | {1: None}},
    ]  # fmt: skip

    assert opened(key).decrypt_text(key.encrypt(padded, other.UTF8, header=right)) == "secret"
    for change in changes:
        with pytest.raises(CryptoError):
            opened(key).decrypt_text(key.encrypt(padded, other.UTF8, **change))


@EVERY_KEY
def test_messages_of_another_form(key: other.Key) -> None:
    """A message that is no list of three, has a tag, or whose nonce is missing or of another size, is malformed."""
    protected = other.cbor({1: key.alg, 3: other.UTF8, 4: key.kid})
    nonce, data = {5: bytes(12 if key.alg == 3 else 24)}, bytes(48)
    forms: list[Any] = [
        [], [protected, nonce], [protected, nonce, data, b""], [protected, {}, data], [protected, {5: "x"}, data],
        [protected, [], data], ["x", nonce, data], [protected, nonce, None], {}, 7, [protected, {5: bytes(7)}, data],
        [b"", nonce, data], [b"\xff", nonce, data],
    ]  # fmt: skip
    for parts in forms:
        text = "7." + base64.b64encode(other.cbor(parts)).decode()
        with pytest.raises(CryptoError) as caught:
            opened(key).decrypt_text(text)
        assert caught.value.code == "crypto.malformed"
    tagged = "7." + base64.b64encode(b"\xd0" + key.encrypt0(b"", 42)).decode()
    for text in (tagged, "7.", "7.A", "7.AAAA|AAAA", "", "7", "7.ä"):
        with pytest.raises(MalformedEncStringError):
            opened(key).decrypt_text(text)


@pytest.mark.parametrize("padded", [b"", b"\0", b"ab\0", b"\2", b"ab\3\3", b"a\2\3\3", b"\5" * 4, b"\xff"])
def test_wrong_padding_is_refused(padded: bytes) -> None:
    """Padding of no bytes, of more than there are, and of bytes that differ is refused, in a message too."""
    with pytest.raises(MalformedEncStringError):
        unpad(padded)
    with pytest.raises(MalformedEncStringError):
        opened(KEYS[0]).decrypt_text(KEYS[0].encrypt(padded, other.UTF8))


def test_text_that_is_none() -> None:
    """What is not UTF-8, or too long to be a field, is malformed, under either kind of key."""
    with pytest.raises(MalformedEncStringError, match="UTF-8"):
        opened(KEYS[0]).decrypt_text(KEYS[0].encrypt(other.pad(b"\xff", 32), other.UTF8))
    with pytest.raises(MalformedEncStringError, match="UTF-8"):
        AES_KEY.decrypt_text(v1.encrypt(b"\xff", RAW_KEY))
    for vault_key, kind in ((AES_KEY, 2), (opened(KEYS[0]), 7)):
        with pytest.raises(MalformedEncStringError, match="too large"):
            vault_key.decrypt_text(f"{kind}." + "A" * MAX_TEXT)


@EVERY_KEY
@given(st.data())
def test_one_flipped_bit_never_opens(key: other.Key, data: st.DataObject) -> None:
    """One bit flipped anywhere in a message never opens."""
    message = bytearray(key.encrypt0(other.pad(b"secret", 32), other.UTF8))
    bit = data.draw(st.integers(0, len(message) * 8 - 1))
    message[bit // 8] ^= 1 << bit % 8

    with pytest.raises(CryptoError):
        opened(key).decrypt_text("7." + base64.b64encode(bytes(message)).decode())


@given(st.binary(max_size=100))
@example(b"\x83" + b"\x81" * 90)
def test_any_bytes_are_refused(data: bytes) -> None:
    """Whatever is in place of a message, a key, a signing key or a signature is refused, never fails otherwise."""
    signing_key = SigningKey.parse(SIGNER.cose_key())
    for read in (Encrypt0.parse, CoseKey.parse, SigningKey.parse, lambda data: verify_sign1(data, signing_key, 2)):
        with pytest.raises(CryptoError):
            read(data)
    with pytest.raises(CryptoError):
        opened(KEYS[0]).decrypt_buffer(data)
    with pytest.raises(CryptoError):
        AES_KEY.decrypt_buffer(data)


@given(st.text(max_size=60) | st.binary(max_size=90).map(lambda data: "7." + base64.b64encode(data).decode()))
def test_any_text_is_refused(text: str) -> None:
    """Whatever text is in place of an EncString is refused, never fails otherwise."""
    for vault_key in (AES_KEY, opened(KEYS[0])):
        for use in (vault_key.decrypt_text, vault_key.unwrap_key):
            with pytest.raises(CryptoError):
                use(text)


def test_files() -> None:
    """An attachment's body opens in its binary form, under a key of either kind, and no other type does."""
    key = KEYS[0]

    assert opened(key).decrypt_buffer(b"\x07" + key.encrypt0(b"a file", OCTETS)) == b"a file"
    assert AES_KEY.decrypt_buffer(v1.encrypt_file(b"a file", RAW_KEY)) == b"a file"
    for vault_key, buffer in (
        (opened(key), v1.encrypt_file(b"", RAW_KEY)), (AES_KEY, b"\x07" + key.encrypt0(b"", OCTETS)),
        (AES_KEY, b"\0" + bytes(32)), (opened(key), b""), (AES_KEY, b""), (AES_KEY, b"\2" + bytes(49)),
        (opened(key), b"\x07" + key.encrypt0(other.pad(b"", 32), other.UTF8)),
    ):  # fmt: skip
        with pytest.raises(CryptoError):
            vault_key.decrypt_buffer(buffer)


@pytest.mark.parametrize(
    "change",
    [
        {1: 2}, {1: None}, {2: b"short"}, {2: None}, {3: 1}, {3: -70011}, {3: "x"}, {3: True}, {4: [1]}, {4: 4},
        {4: ["x"]}, {4: [[3]]}, {-1: bytes(31)}, {-1: bytes(64)}, {-1: "x"},
    ],
)  # fmt: skip
def test_keys_of_another_form(change: dict[int, Any]) -> None:
    """A COSE key of another type, algorithm, size or use, or without an id, is refused."""
    right = {1: 4, 2: bytes(16), 3: other.XAES, 4: [4], -1: bytes(32)}

    assert CoseKey.parse(other.cbor(right)).kid == bytes(16)
    with pytest.raises(CryptoError):
        CoseKey.parse(other.cbor(right | change))


@EVERY_KEY
def test_a_key_shows_nothing(key: other.Key) -> None:
    """No representation of a key, nor of what it opens, holds a byte of it."""
    vault_key = opened(key)
    assert isinstance(vault_key, AeadKey)

    assert key.secret.hex() not in repr(vault_key) + repr(vault_key.cose_key)
    assert repr(key.secret)[2:-1] not in repr(vault_key) + repr(vault_key.cose_key)
    assert (repr(vault_key), repr(AES_KEY)) == ("AeadKey(…)", "AesKey(…)")


def test_signatures() -> None:
    """A signed payload is returned; another key, id, purpose, context or algorithm is refused."""
    signing_key = SigningKey.parse(SIGNER.cose_key())
    payload = other.cbor({"version": 2})

    assert verify_sign1(SIGNER.sign1(payload, 2), signing_key, 2) == payload
    refused = [
        SIGNER.sign1(payload, 1), other.SigningKey(kid=SIGNER.kid).sign1(payload, 2),
        other.SigningKey(seed=SIGNER.seed).sign1(payload, 2), SIGNER.sign1(payload, 2, context="Signature"),
        SIGNER.sign1(payload, 2, extra={1: -48}), SIGNER.sign1(payload, 2, extra={3: 42}),
        SIGNER.sign1(payload, 2, extra={-80000: None}), SIGNER.sign1(payload, 1, extra={-80000: True}),
    ]  # fmt: skip
    for signed in refused:
        with pytest.raises(IntegrityError):
            verify_sign1(signed, signing_key, 2)
    with pytest.raises(UnsupportedEncStringError):
        verify_sign1(SIGNER.sign1(payload, 2, extra={2: [1]}), signing_key, 2)
    forms: list[Any] = [[b"", {}, b""], [{}, {}, b"", b""], [b"\xa0", {}, None, b""], [b"\xa0", b"", b"", b""]]
    for parts in forms:
        with pytest.raises(CryptoError):
            verify_sign1(other.cbor(parts), signing_key, 2)


@given(st.data())
def test_one_flipped_bit_never_verifies(data: st.DataObject) -> None:
    """One bit flipped in a signed object is refused; what is not signed is not used."""
    signed = SIGNER.sign1(other.cbor({"version": 2}), 2)
    bit = data.draw(st.integers(0, len(signed) * 8 - 1))
    changed = bytearray(signed)
    changed[bit // 8] ^= 1 << bit % 8

    with pytest.raises(CryptoError):
        verify_sign1(bytes(changed), SigningKey.parse(SIGNER.cose_key()), 2)


@pytest.mark.parametrize("change", [{1: 7}, {3: -7}, {-1: 7}, {-4: bytes(31)}, {2: b""}, {3: None}, {3: -48}])
def test_signing_keys_of_another_form(change: dict[int, Any]) -> None:
    """A signing key of another type, algorithm, curve or size is refused."""
    right = {1: 1, 2: bytes(16), 3: -8, -1: 6, -4: os.urandom(32)}

    assert SigningKey.parse(other.cbor(right)).algorithm == -8
    with pytest.raises(CryptoError):
        SigningKey.parse(other.cbor(right | change))
