"""Many encrypted texts at once: what is found and opened is what would be found and opened one by one."""

from __future__ import annotations

import base64
import hmac
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.crypto.encstring import SymmetricKey
from bwrun.crypto.many import WRAPPED, EqualSizes, encrypted_length, open_keys
from bwrun.crypto.vault_key import AesKey
from bwrun.errors import CryptoError
from tests.server import crypto as other

RAW_KEY = bytes(range(64))
KEY = SymmetricKey.from_bytes(RAW_KEY)
COUNT = 20
KEYS = [os.urandom(64) for _ in range(COUNT)]
WRAPPED_KEYS = [other.encrypt(key, RAW_KEY) for key in KEYS]
HALVES = {number: key[:32] for number, key in enumerate(KEYS)}


def encrypted(texts: list[bytes], keys: list[bytes] | None = None) -> list[str]:
    """Return the texts encrypted under the one key, or under a key each."""
    return [other.encrypt(text, key) for text, key in zip(texts, keys or [RAW_KEY] * len(texts), strict=True)]


@pytest.mark.parametrize("size", [*range(50), 255, 256, 1000])
def test_length_of_an_encrypted_text(size: int) -> None:
    """The length of an EncString follows from that of its text."""
    assert encrypted_length(size) == len(other.encrypt(bytes(size), RAW_KEY))


@settings(deadline=None)
@given(st.integers(0, 70), st.data())
def test_finds_all_that_are_equal_and_no_others(size: int, data: st.DataObject) -> None:
    """Of texts of one length, under one key or a key each, those are found that hold what is looked for."""
    some = st.binary(min_size=size, max_size=size)
    wanted = data.draw(some)
    ends = st.integers(0, size).flatmap(lambda n: some.map(lambda text: wanted[:n] + text[n:]))  # begin as it does
    texts = data.draw(st.lists(st.just(wanted) | some | ends, min_size=COUNT, max_size=COUNT))
    right = [number for number, text in enumerate(texts) if text == wanted]
    own = [key[:32] for key in KEYS]

    for search in (EqualSizes([KEY.enc_key], encrypted(texts)), EqualSizes(own, encrypted(texts, KEYS))):
        found = list(search.find(wanted))

        assert set(right) <= set(found)
        assert len(found) <= max(4, len(right))  # so few are sooner opened than compared
        assert found == list(search.find(wanted))


def test_finds_only_whole_blocks() -> None:
    """Of 6,000 texts of which every other one fits exactly those are found: not one before it that ends alike."""
    texts = encrypted([b"x", b"y"] * 3000)

    assert list(EqualSizes([KEY.enc_key], texts).find(b"y")) == list(range(1, 6000, 2))


@pytest.mark.parametrize("size", [5, 16, 40])
@pytest.mark.parametrize("char", ["!", "=", "|", "\u00e9", "\ud800", "\n"])
def test_an_odd_text_hides_no_other(size: int, char: str) -> None:
    """A text with a character that does not belong in it leaves the others to be found, wherever it stands."""
    texts = encrypted([bytes(size)] * COUNT)
    for place in range(len(texts[0])):
        spoilt = [*texts[:3], texts[3][:place] + char + texts[3][place + 1 :], *texts[4:]]

        assert {*range(COUNT)} - {3} <= {*EqualSizes([KEY.enc_key], spoilt).find(bytes(size))}


def test_opens_keys() -> None:
    """Wrapped keys are opened, each in its place; of their halves the one for AES is given."""
    assert open_keys(KEY, WRAPPED_KEYS) == HALVES
    assert open_keys(KEY, []) == {}
    assert len(WRAPPED_KEYS[0]) == WRAPPED


@pytest.mark.parametrize("size", [0, 32, 63, 65, 79, 80])
def test_other_keys_are_left_out(size: int) -> None:
    """What is no key of 64 bytes is left to who knows other kinds, also where its encrypted length is the same."""
    odd = [None, 5, "", "x" * WRAPPED, other.encrypt(bytes(size), RAW_KEY), other.spoil_mac(WRAPPED_KEYS[0])]

    assert open_keys(KEY, [*odd, *WRAPPED_KEYS]) == {number + len(odd): half for number, half in HALVES.items()}
    assert open_keys(KEY, odd) == {}


def test_a_key_with_wrong_padding_is_left_out() -> None:
    """A MAC that fits does not excuse a wrong padding."""
    iv, data = bytes(16), bytes(80)
    parts = (iv, data, hmac.digest(RAW_KEY[32:], iv + data, "sha256"))
    wrong = "2." + "|".join(base64.b64encode(part).decode() for part in parts)

    assert open_keys(KEY, [wrong, *WRAPPED_KEYS]) == {number + 1: half for number, half in HALVES.items()}


@settings(deadline=None, max_examples=400)
@given(st.integers(0, WRAPPED - 1), st.sampled_from("A/z9=|.2 \n\u00e9\ud800"))
def test_a_changed_key_opens_as_it_does_alone(place: int, char: str) -> None:
    """Whatever one character of a wrapped key is changed to: it is refused as `AesKey` refuses it, and alone."""
    changed = WRAPPED_KEYS[7][:place] + char + WRAPPED_KEYS[7][place + 1 :]
    try:
        alone = AesKey(KEY).unwrap_key(changed).encode()[:32]
        right = HALVES | {7: alone}
    except CryptoError:
        right = {number: half for number, half in HALVES.items() if number != 7}

    assert open_keys(KEY, [*WRAPPED_KEYS[:7], changed, *WRAPPED_KEYS[8:]]) == right


@pytest.mark.parametrize("place", [23, 133, 178])
def test_bits_that_mean_nothing_must_be_zero(place: int) -> None:
    """Base64 whose last digit has a bit too much means the same bytes, and is refused all the same."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text = WRAPPED_KEYS[0]
    changed = text[:place] + digits[digits.index(text[place]) + 1] + text[place + 1 :]

    assert open_keys(KEY, [changed]) == {}
    with pytest.raises(CryptoError):
        AesKey(KEY).unwrap_key(changed)
