"""Blob items: what opens, and that nothing else does."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwrun.base.errors import CryptoError, IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.crypto.blob import Blob, find_blob
from bwrun.crypto.vault_key import MAX_TEXT, parse_key
from tests.server import cose as other
from tests.server import crypto as v1

RAW_KEY = bytes(range(64))  # a cipher key, as the SDK makes them: V1, wrapped under the user key
CIPHER_KEY = parse_key(RAW_KEY)
ENVELOPE_KEY = other.Key(other.A256GCM)
WRAPPED = v1.encrypt(ENVELOPE_KEY.padded(), RAW_KEY)
LOGIN = {
    "type": "login",
    "username": "deploy",
    "password": "p4ss",
    "uris": [{"uri": "https://a.example", "match": None}],
}
CONTENT = {
    "name": "prod-db", "notes": None, "typeData": LOGIN,
    "fields": [{"name": "port", "value": "5432", "type": 0, "linkedId": None}], "passwordHistory": [],
}  # fmt: skip


def found(data: object) -> Blob:
    """Return the blob that `data` is."""
    blob = find_blob(data)
    assert blob is not None
    return blob


@pytest.mark.parametrize("alg", [other.A256GCM, other.XAES, other.XCHACHA20])
def test_opens_an_item(alg: int) -> None:
    """An item's content opens under each algorithm, with its key wrapped under a cipher key of either kind."""
    key, cipher_key = other.Key(alg), other.Key()
    envelope = key.blob(CONTENT)

    assert found(other.blob_data(v1.encrypt(key.padded(), RAW_KEY), envelope)).open(CIPHER_KEY) == CONTENT
    wrapped = cipher_key.encrypt(key.cose_key(), other.COSE_KEY)
    assert found(other.blob_data(wrapped, envelope)).open(parse_key(cipher_key.padded())) == CONTENT


@pytest.mark.parametrize(
    "data",
    [
        None, {}, {"format_version": 1}, 7, "", "null", "{}", '{"Name": "2.a|b|c"}', "[1]", '"format_version"',
        '["format_version"]', '{"format_version', '{"Notes": "format_version"}', "[" * 100_000 + "format_version",
        '{"x": {"format_version": 1}}', '{"format_version": ' + "9" * 5000 + "}",
    ],
)  # fmt: skip
def test_other_data_is_no_blob(data: object) -> None:
    """What other servers and items have in `data` is no blob."""
    assert find_blob(data) is None


@pytest.mark.parametrize("version", [0, 2, "1", None, True, [1], 1.5])
def test_newer_formats_are_told_as_that(version: object) -> None:
    """Another version of the format says that the item is too new."""
    with pytest.raises(UnsupportedEncStringError, match="newer format"):
        find_blob(other.blob_data(WRAPPED, "", version))


@pytest.mark.parametrize("version", [0, 1, "2", None, True, [1], "01"])
def test_newer_contents_are_told_as_that(version: object) -> None:
    """Another version of the content says that the item is too new."""
    with pytest.raises(UnsupportedEncStringError, match="newer format"):
        found(other.blob_data(WRAPPED, ENVELOPE_KEY.blob(CONTENT, version=version))).open(CIPHER_KEY)


@pytest.mark.parametrize(
    "parts", [{"wrapped_cek": None}, {"wrapped_cek": 7}, {"envelope": None}, {"envelope": ["7."]}, {"envelope": {}}]
)
def test_parts_that_are_missing(parts: dict[str, object]) -> None:
    """A blob without its key or its envelope is malformed."""
    with pytest.raises(MalformedEncStringError):
        find_blob(json.dumps({"format_version": 1, "wrapped_cek": WRAPPED, "envelope": "AAAA"} | parts))


def test_too_much_data_is_malformed() -> None:
    """Data of any size is not read."""
    with pytest.raises(MalformedEncStringError, match="too large"):
        find_blob('{"format_version": 1}' + " " * MAX_TEXT)


@pytest.mark.parametrize(
    "namespaces", [{-80002: 1}, {-80002: 3}, {-80001: 2}, {-80002: None}, {-80001: True}, {-80001: "1"}]
)
def test_envelopes_for_another_purpose(namespaces: dict[int, Any]) -> None:
    """An envelope of another kind, or of something else than an item, is refused, though its key opens it."""
    with pytest.raises(IntegrityError):
        found(other.blob_data(WRAPPED, ENVELOPE_KEY.blob(CONTENT, namespaces=namespaces))).open(CIPHER_KEY)


def test_envelopes_of_another_form() -> None:
    """Another key, kind of content, padding or content is refused."""
    extra = {-80002: 2, -80001: 1}

    def sealed(plain: bytes, content: int | str = other.PADDED_CBOR, key: other.Key = ENVELOPE_KEY) -> str:
        return base64.b64encode(key.encrypt0(plain, content, extra=extra)).decode()

    right = other.pad(other.cbor({"version": "1", "content": {}}), 64)
    assert found(other.blob_data(WRAPPED, sealed(right))).open(CIPHER_KEY) == {}
    for envelope in (
        sealed(right, other.UTF8), sealed(right, 60), sealed(right, key=other.Key(other.A256GCM)), sealed(b""),
        sealed(right[:-1]), sealed(other.pad(other.cbor([1]), 64)), sealed(other.pad(other.cbor({"version": "1"}), 64)),
        sealed(other.pad(other.cbor({"version": "1", "content": [1]}), 64)), sealed(other.pad(b"\x81" * 99, 64)),
        sealed(right, key=other.Key(other.XAES, ENVELOPE_KEY.kid, ENVELOPE_KEY.secret)), "", "AA", "7." + sealed(right),
    ):  # fmt: skip
        with pytest.raises(CryptoError):
            found(other.blob_data(WRAPPED, envelope)).open(CIPHER_KEY)


def test_the_envelopes_key() -> None:
    """The envelope's key must open under the cipher key and be a COSE key: one without an id is refused."""
    envelope = ENVELOPE_KEY.blob(CONTENT)
    wrapped = (v1.encrypt(RAW_KEY, RAW_KEY), v1.spoil_mac(WRAPPED), "", "2.AA|AA|AA", other.Key().encrypt_text("x"))
    for text in wrapped:
        with pytest.raises(CryptoError):
            found(other.blob_data(text, envelope)).open(CIPHER_KEY)
    with pytest.raises(CryptoError):
        found(other.blob_data(WRAPPED, envelope)).open(parse_key(bytes(64)))


def test_a_blob_shows_nothing() -> None:
    """A blob's representation holds neither its key nor its envelope."""
    assert repr(Blob("key", "envelope")) == "Blob(…)"


@given(st.data())
def test_one_flipped_bit_never_opens(data: st.DataObject) -> None:
    """One bit flipped anywhere in an envelope never opens."""
    envelope = bytearray(base64.b64decode(ENVELOPE_KEY.blob(CONTENT)))
    bit = data.draw(st.integers(0, len(envelope) * 8 - 1))
    envelope[bit // 8] ^= 1 << bit % 8

    with pytest.raises(CryptoError):
        found(other.blob_data(WRAPPED, base64.b64encode(bytes(envelope)).decode())).open(CIPHER_KEY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3)
)


@given(JSON, JSON, JSON)
def test_any_parts_are_a_blob_or_refused(version: object, wrapped: object, envelope: object) -> None:
    """Whatever stands in a blob's three parts, it is opened or refused and never fails otherwise."""
    for number in (1, version):
        with pytest.raises(CryptoError):
            found(json.dumps({"format_version": number, "wrapped_cek": wrapped, "envelope": envelope})).open(CIPHER_KEY)


@given(JSON)
def test_any_content_is_an_item_or_refused(content: Any) -> None:  # noqa: ANN401
    """Whatever an envelope's content is, it is a map or refused, even if the right key sealed it."""
    for value in (content, {"content": content}):
        try:
            sealed = ENVELOPE_KEY.blob(value)
        except OverflowError:
            return  # a number of more than 64 bits
        try:
            opened = found(other.blob_data(WRAPPED, sealed)).open(CIPHER_KEY)
        except CryptoError:
            continue
        assert opened == value
