"""Many values under another key: each is the same in clear, and what the old key does not decrypt is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bwrun.crypto.encstring import EncString, SymmetricKey
from bwrun.crypto.rekeying import rekey
from tests.server import crypto as other

OLD, NEW, FOREIGN = (other.make_symmetric_key() for _ in range(3))


@given(st.lists(st.binary(max_size=200)))
def test_all_values_are_the_same_in_clear(values: list[bytes]) -> None:
    """Values of any size, empty ones too, are under the new key, each with an IV of its own."""
    texts = [other.encrypt(value, OLD) for value in values]
    found = rekey(texts, SymmetricKey.from_bytes(OLD), SymmetricKey.from_bytes(NEW))

    assert list(found) == texts
    opened = [EncString.parse(found[text]) for text in texts]
    assert [one.decrypt(SymmetricKey.from_bytes(NEW)) for one in opened] == values
    assert len({one.iv for one in opened}) == len(values)


def test_what_does_not_open_is_left_out() -> None:
    """Values of another key, damaged ones, ones without a MAC and plain text do not keep the others from it."""
    good = other.encrypt(b"good", OLD)
    damaged = other.spoil_mac(other.encrypt(b"x", OLD))
    without_mac = other.encrypt_without_mac(b"x", OLD[:32])
    bad = [other.encrypt(b"foreign", FOREIGN), damaged, without_mac, "", "plain", "2.a|b|c", "7.AAAA"]
    found = rekey([*bad[:3], good, *bad[3:], good], SymmetricKey.from_bytes(OLD), SymmetricKey.from_bytes(NEW))

    assert list(found) == [good]
    assert EncString.parse(found[good]).decrypt(SymmetricKey.from_bytes(NEW)) == b"good"
