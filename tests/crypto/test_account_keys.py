"""An account's keys, V1 and V2: what opens, what must be signed, and what a server cannot take back."""

from __future__ import annotations

import base64
import hmac
import os
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwrun.base.errors import CryptoError, IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.crypto.account_keys import open_account_keys, open_user_key, read_key_connector_key
from bwrun.crypto.encstring import SymmetricKey
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.crypto.vault_key import AesKey, VaultKey, parse_key
from tests.server import cose as other
from tests.server import crypto as v1
from tests.support.structs import changed

MASTER_KEY = bytes(range(100, 132))
RAW_KEY = bytes(range(64))
USER_ID = "7b0d1f6e-3c0e-4b57-9f3e-0123456789ab"
KEY, SIGNER = other.Key(), other.SigningKey()
PUBLIC_KEY = base64.b64decode(v1.public_key_base64())


def stretched() -> bytes:
    """Return the 64 bytes that wrap a user key."""
    return b"".join(hmac.digest(MASTER_KEY, info + b"\x01", "sha256") for info in (b"enc", b"mac"))


def text(data: bytes) -> str:
    """Return base64."""
    return base64.b64encode(data).decode()


def security_state(payload: Any = None, signer: other.SigningKey = SIGNER, namespace: int = 2) -> str:  # noqa: ANN401
    """Return a signed security state; without a payload the right one, with the user's id."""
    right = {"entityId": uuid.UUID(USER_ID).bytes, "version": 2}
    return text(signer.sign1(other.cbor(right if payload is None else payload), namespace))


def signed_public_key(public_key: bytes, signer: other.SigningKey = SIGNER, namespace: int = 1) -> str:
    """Return a signed public key."""
    return text(signer.sign1(other.cbor({"algorithm": 0, "contentFormat": 0, "publicKey": public_key}), namespace))


def wrapped(key: other.Key = KEY, signer: other.SigningKey = SIGNER) -> WrappedAccountKeys:
    """Return a V2 account's keys as a server keeps them."""
    return WrappedAccountKeys(
        key.encrypt(v1.private_key_der(), other.PKCS8),
        key.encrypt(signer.cose_key(), other.COSE_KEY),
        signed_public_key(PUBLIC_KEY, signer),
        security_state(signer=signer),
    )


def v2_key() -> VaultKey:
    """Return the user key."""
    return parse_key(KEY.padded())


def test_key_ids() -> None:
    """A V2 key has its own id; a V1 key's is the thumbprint of RFC 9679, and the same as the SDK 0.2.0-main.1054's."""
    assert v2_key().key_id == KEY.kid
    assert parse_key(RAW_KEY).key_id.hex() == "ac4ecffb2e087a59180d1dd19950b8e9"


@pytest.mark.parametrize("alg", [other.XAES, other.XCHACHA20])
def test_opens_a_user_key(alg: int) -> None:
    """A user key of either kind is wrapped by type 2 under the stretched master key."""
    key = other.Key(alg)
    for encoded in (RAW_KEY, key.padded()):
        assert open_user_key(v1.encrypt(encoded, stretched()), MASTER_KEY).encode() == encoded


def test_opens_a_user_key_of_2017() -> None:
    """Type 0 opens under the key itself, to 64 bytes alone."""
    assert open_user_key(v1.encrypt_without_mac(RAW_KEY, MASTER_KEY), MASTER_KEY).encode() == RAW_KEY
    with pytest.raises(IntegrityError):
        open_user_key(v1.encrypt_without_mac(KEY.padded(), MASTER_KEY), MASTER_KEY)
    with pytest.raises(UnsupportedEncStringError):
        open_user_key(v1.encrypt_without_mac(RAW_KEY[:32], MASTER_KEY), MASTER_KEY)


def test_a_wrong_key_is_an_integrity_failure() -> None:
    """Another master key opens no user key, of neither type; a type that is not legal here is refused by name."""
    for encstring in (v1.encrypt(RAW_KEY, stretched()), v1.encrypt_without_mac(RAW_KEY, MASTER_KEY)):
        with pytest.raises(IntegrityError):
            open_user_key(encstring, bytes(32))
    for encstring in (KEY.encrypt(RAW_KEY, other.LEGACY_KEY), "4.AAAA", "1.AAAA|AAAA|AAAA"):
        with pytest.raises(UnsupportedEncStringError):
            open_user_key(encstring, MASTER_KEY)


def test_key_connector_keys() -> None:
    """A Key Connector's key is base64 of 32 bytes, and takes the master key's place."""
    key = read_key_connector_key(text(MASTER_KEY))

    assert open_user_key(v1.encrypt(KEY.padded(), stretched()), key).key_id == KEY.kid
    for wrong in (
        "",
        "AAAA",
        text(bytes(31)),
        text(bytes(64)),
        text(MASTER_KEY)[:-1],
        "-_" + text(MASTER_KEY)[2:],
        "ä",
    ):
        with pytest.raises(MalformedEncStringError):
            read_key_connector_key(wrong)


def test_opens_a_v2_account() -> None:
    """A V2 account's keys open, its version is the signed one, and organizations' keys open with its private key."""
    for user_id in (USER_ID, USER_ID.upper(), None):
        keys = open_account_keys(v2_key(), wrapped(), user_id)

        assert keys.security_version == 2
        assert keys.unwrap_organization_key(v1.wrap_for_account(RAW_KEY)).encode() == RAW_KEY


def test_what_newer_and_older_accounts_sign() -> None:
    """The user's id need not be in the security state, the public key need not be signed, the version may be higher."""
    for payload, version in (({"version": 2}, 2), ({"version": 3, "new": [1]}, 3)):
        parts = changed(wrapped(), security_state=security_state(payload), signed_public_key=None)

        assert open_account_keys(v2_key(), parts, USER_ID).security_version == version


def test_opens_a_v1_account() -> None:
    """A V1 account has a private key alone, and does without it if it does not open."""
    key = parse_key(RAW_KEY)
    right = WrappedAccountKeys(v1.encrypt(v1.private_key_der(), RAW_KEY))

    keys = open_account_keys(key, right, USER_ID)
    assert keys.security_version == 1
    assert keys.unwrap_organization_key(v1.wrap_for_account(RAW_KEY)).encode() == RAW_KEY
    for parts in (WrappedAccountKeys(), WrappedAccountKeys(v1.spoil_mac(right.private_key or ""))):
        keys = open_account_keys(key, parts)
        assert keys.private_key is None
        with pytest.raises(CryptoError, match="organization keys"):
            keys.unwrap_organization_key(v1.wrap_for_account(RAW_KEY))


@pytest.mark.parametrize("missing", ["private_key", "signing_key", "security_state"])
def test_a_server_cannot_take_v2_back(missing: str) -> None:
    """A V2 user key without the keys and the signed state of a V2 account is refused."""
    changes: dict[str, Any] = {missing: None}
    with pytest.raises(IntegrityError, match="tampered"):
        open_account_keys(v2_key(), changed(wrapped(), **changes))


def test_a_v1_key_with_v2_parts_is_refused() -> None:
    """Parts that V2 accounts alone have do not belong to a V1 user key, whichever of them is there."""
    parts = wrapped()
    for only in (
        parts, WrappedAccountKeys(parts.private_key), WrappedAccountKeys(signing_key=parts.signing_key),
        WrappedAccountKeys(signed_public_key=parts.signed_public_key),
        WrappedAccountKeys(security_state=parts.security_state),
    ):  # fmt: skip
        with pytest.raises(IntegrityError, match="tampered"):
            open_account_keys(AesKey(SymmetricKey.from_bytes(RAW_KEY)), only)


def test_what_another_signed_is_refused() -> None:
    """A state or a public key that another key, or this key for another purpose or user, signed is refused."""
    stranger = other.SigningKey(kid=SIGNER.kid)
    changes: list[dict[str, Any]] = [
        {"security_state": security_state(signer=stranger)}, {"security_state": security_state(namespace=1)},
        {"security_state": security_state({"entityId": bytes(16), "version": 2})},
        {"security_state": security_state({"entityId": USER_ID, "version": 2})},
        {"signed_public_key": signed_public_key(PUBLIC_KEY, stranger)},
        {"signed_public_key": signed_public_key(PUBLIC_KEY, namespace=2)},
        {"signed_public_key": signed_public_key(b"another")},
        {"signed_public_key": wrapped().security_state}, {"security_state": wrapped().signed_public_key},
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(IntegrityError, match="tampered"):
            open_account_keys(v2_key(), changed(wrapped(), **change), USER_ID)


def test_v2_keys_of_another_form() -> None:
    """A key of V1's type, of another content type, under another key, or a state of another form is refused."""
    der, another = v1.private_key_der(), other.Key()
    changes: list[dict[str, Any]] = [
        {"private_key": v1.encrypt(der, RAW_KEY)}, {"private_key": KEY.encrypt(der, 42)},
        {"private_key": another.encrypt(der, other.PKCS8)}, {"private_key": KEY.encrypt(b"no key", other.PKCS8)},
        {"private_key": ""}, {"signing_key": another.encrypt(SIGNER.cose_key(), other.COSE_KEY)},
        {"signing_key": KEY.encrypt(SIGNER.cose_key(), other.LEGACY_KEY)},
        {"signing_key": KEY.encrypt(KEY.cose_key(), other.COSE_KEY)}, {"signing_key": ""},
        {"security_state": security_state({"version": 1})}, {"security_state": security_state({"version": True})},
        {"security_state": security_state({"version": "2"})}, {"security_state": security_state([2])},
        {"security_state": "AAAA"}, {"security_state": ""}, {"security_state": "ä"}, {"signed_public_key": ""},
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(CryptoError):
            open_account_keys(v2_key(), changed(wrapped(), **change), USER_ID)
    with pytest.raises(CryptoError, match="UUID"):
        open_account_keys(v2_key(), wrapped(), "no id")


@given(st.binary(max_size=140))
def test_any_bytes_are_a_key_or_refused(data: bytes) -> None:
    """Whatever comes out of a type 2 EncString is a key or refused."""
    try:
        key = parse_key(data)
    except CryptoError:
        return
    assert key.encode() == data


@given(st.text(max_size=40), st.sampled_from(["private_key", "signing_key", "signed_public_key", "security_state"]))
def test_any_text_is_refused(value: str, place: str) -> None:
    """Whatever text a server sends for one of the keys, the account does not open, and fails in no other way."""
    changes: dict[str, Any] = {place: value}
    with pytest.raises(CryptoError):
        open_account_keys(v2_key(), changed(wrapped(), **changes))


def test_ml_dsa_44() -> None:
    """What an ML-DSA-44 key signs is verified. The signer is the same library: the SDK's accounts are the proof."""
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey  # noqa: PLC0415

    seed, kid = os.urandom(32), os.urandom(16)
    signer = MLDSA44PrivateKey.from_seed_bytes(seed)

    def sign(payload: Any, namespace: int) -> str:  # noqa: ANN401
        protected = other.cbor({1: -48, 3: 60, 4: kid, -80000: namespace})
        signature = signer.sign(other.cbor(["Signature1", protected, b"", other.cbor(payload)]))
        return text(other.cbor([protected, {}, other.cbor(payload), signature]))

    public = signer.public_key().public_bytes_raw()
    signing_key = other.cbor({1: 7, 2: kid, 3: -48, 4: [1, 2], -1: public, -2: seed})
    parts = changed(
        wrapped(), signing_key=KEY.encrypt(signing_key, other.COSE_KEY), security_state=sign({"version": 2}, 2),
        signed_public_key=sign({"publicKey": PUBLIC_KEY}, 1),
    )  # fmt: skip

    assert open_account_keys(v2_key(), parts, USER_ID).security_version == 2
    for change in (sign({"version": 2}, 1), sign({"version": 3}, 2)[:-4] + "AAAA", wrapped().security_state):
        with pytest.raises(CryptoError):
            open_account_keys(v2_key(), changed(parts, security_state=change), USER_ID)
