"""XChaCha20-Poly1305, XAES-256-GCM and AES-256-GCM: known answers, other code, and that nothing changed opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwrun.base.errors import IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.crypto.aead import NONCE_SIZES, XAES_256_GCM, XCHACHA20_POLY1305, decrypt, hchacha20
from tests.server import cose as other

ALGORITHMS = st.sampled_from(sorted(NONCE_SIZES))
KEY = bytes(range(32))


def test_hchacha20_of_the_draft() -> None:
    """The example of draft-irtf-cfrg-xchacha-03 section 2.2.1."""
    answer = hchacha20(KEY, bytes.fromhex("000000090000004a0000000031415927"))

    assert answer.hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"


def test_xchacha20_of_wycheproof(vectors: Path) -> None:
    """All of Wycheproof's cases: the valid open, the others do not."""
    answers = json.loads((vectors / "wycheproof" / "xchacha20_poly1305_test.json").read_text())
    seen = {"valid": 0, "invalid": 0}
    for case in (case for group in answers["testGroups"] for case in group["tests"]):
        key, nonce, plain, data, tag, associated = (
            bytes.fromhex(case[name]) for name in ("key", "iv", "msg", "ct", "tag", "aad")
        )
        if case["result"] == "valid":
            assert decrypt(XCHACHA20_POLY1305, key, nonce, data + tag, associated) == plain
        else:
            with pytest.raises((IntegrityError, MalformedEncStringError)):
                decrypt(XCHACHA20_POLY1305, key, nonce, data + tag, associated)
        seen[case["result"]] += 1

    assert seen == {"valid": 246, "invalid": 69}


@pytest.mark.parametrize(
    ("byte", "associated", "data"),
    [
        (1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ],
)
def test_xaes_of_the_specification(byte: int, associated: str, data: str) -> None:
    """The two examples of c2sp.org/XAES-256-GCM."""
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"

    opened = decrypt(XAES_256_GCM, bytes([byte]) * 32, nonce, bytes.fromhex(data), associated.encode())

    assert opened == b"XAES-256-GCM"


def test_xaes_of_the_sdk(vectors: Path) -> None:
    """The SDK's examples, which are those of the specification."""
    for case in json.loads((vectors / "sdk-internal" / "encstring.json").read_text())["xaes_256_gcm"]:
        key, data = bytes.fromhex(case["key_hex"]), bytes.fromhex(case["ct_hex"])

        assert (
            decrypt(XAES_256_GCM, key, case["nonce"].encode(), data, case["aad"].encode()).decode()
            == (case["plaintext"])
        )


@given(ALGORITHMS, st.binary(max_size=200), st.binary(max_size=50), st.data())
def test_opens_what_pycryptodome_encrypts(alg: int, plain: bytes, associated: bytes, data: st.DataObject) -> None:
    """Any plaintext encrypted by other code opens unchanged."""
    key, nonce = (data.draw(st.binary(min_size=size, max_size=size)) for size in (32, NONCE_SIZES[alg]))

    assert decrypt(alg, key, nonce, other.seal(alg, key, nonce, plain, associated), associated) == plain


@given(ALGORITHMS, st.binary(max_size=40), st.binary(min_size=1, max_size=20), st.data())
def test_one_flipped_bit_never_opens(alg: int, plain: bytes, associated: bytes, data: st.DataObject) -> None:
    """One bit flipped in key, nonce, ciphertext, tag or associated data is an integrity failure."""
    nonce = bytes(range(NONCE_SIZES[alg]))
    parts = [KEY, nonce, other.seal(alg, KEY, nonce, plain, associated), associated]
    place = data.draw(st.integers(0, 3))
    changed = bytearray(parts[place])
    bit = data.draw(st.integers(0, len(changed) * 8 - 1))
    changed[bit // 8] ^= 1 << bit % 8
    parts[place] = bytes(changed)

    with pytest.raises(IntegrityError):
        decrypt(alg, *parts)


@given(st.integers(-80_000, 100), st.binary(max_size=40), st.binary(max_size=40))
def test_anything_else_is_refused(alg: int, nonce: bytes, data: bytes) -> None:
    """Whatever algorithm, nonce and ciphertext are named, it is refused and never fails in another way."""
    with pytest.raises((UnsupportedEncStringError, MalformedEncStringError, IntegrityError)):
        decrypt(alg, KEY, nonce, data, b"")
    for known, size in NONCE_SIZES.items():
        with pytest.raises(IntegrityError):
            decrypt(known, KEY, bytes(size), data, b"")
