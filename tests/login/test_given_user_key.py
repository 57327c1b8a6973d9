"""What proves a user key that was given: not the MAC alone, and not a padding that is right by chance."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha512

import pytest
from Crypto.Cipher import AES
from Crypto.PublicKey import RSA

from bwrun.base.errors import CryptoError
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.crypto.vault_key import parse_key
from bwrun.login.given_user_key import check_fits
from tests.server import crypto

KEY = sha512(b"a user key").digest()  # 32 bytes to encrypt, 32 bytes for the MAC
PLACE = "a test"
LONG_NAME = b"the name of an item that is longer than a block"


def changed_keys() -> Iterator[bytes]:
    """Yield the key with one bit changed, for each bit of the half that encrypts."""
    for bit in range(256):
        changed = bytearray(KEY)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def has_padding(plain: bytes) -> bool:
    """Return whether the last block ends with a padding of PKCS #7."""
    return 1 <= plain[-1] <= 16 and plain.endswith(plain[-1:] * plain[-1])


def encrypt_so_that_a_wrong_key_fits(plain: bytes) -> tuple[str, bytes]:
    """Return an EncString, and a key with one wrong bit with which its padding is right all the same."""
    while True:
        encrypted = crypto.encrypt(plain, KEY)  # with another IV each time
        iv, data, _ = map(b64decode, encrypted.removeprefix("2.").split("|"))
        for key in changed_keys():
            if has_padding(AES.new(key[:32], AES.MODE_CBC, iv).decrypt(data)):
                return encrypted, key


def test_padding_by_chance_is_no_private_key() -> None:
    """A key whose one half is wrong is refused, although the private key seems to be decrypted."""
    private, wrong = encrypt_so_that_a_wrong_key_fits(RSA.generate(2048).export_key("DER", pkcs=8))
    sync: dict[str, object] = {"folders": [{"name": crypto.encrypt(LONG_NAME, KEY)}]}

    check_fits(parse_key(KEY), WrappedAccountKeys(private), sync, PLACE)
    with pytest.raises(CryptoError) as caught:
        check_fits(parse_key(wrong), WrappedAccountKeys(private), sync, PLACE)
    assert caught.value.code == "crypto.wrong-user-key"


@pytest.mark.parametrize("of_an_item", [True, False])
def test_padding_by_chance_is_no_content(of_an_item: bool) -> None:  # noqa: FBT001
    """It is refused as well in an account that has no private key, where an item or a folder must tell."""
    content = sha512(b"the key of an item").digest() if of_an_item else LONG_NAME
    encrypted, wrong = encrypt_so_that_a_wrong_key_fits(content)
    sync: dict[str, object] = {"ciphers": [{"key": encrypted}]} if of_an_item else {"folders": [{"name": encrypted}]}

    check_fits(parse_key(KEY), WrappedAccountKeys(None), sync, PLACE)
    with pytest.raises(CryptoError) as caught:
        check_fits(parse_key(wrong), WrappedAccountKeys(None), sync, PLACE)
    assert caught.value.code == "crypto.wrong-user-key"
