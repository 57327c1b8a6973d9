"""
Many encrypted texts at once, so that a name is found among 10,000 in a few milliseconds.

AES-CBC under a given key and IV has one outcome: instead of opening every text, the one that is looked for is
encrypted, and compared.  Nobody looks at a MAC here, so what is found is only likely, and is to be opened.  Keys that
are wrapped are opened, each after its MAC is verified.

All texts are EncStrings of type 2 and equally long, which says much of how long their plaintexts are.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Sequence

from bwrun.crypto import primitives
from bwrun.crypto.encstring import LAST_DIGITS, SymmetricKey, from_base64
from bwrun.errors import CryptoError, IntegrityError

BLOCK = primitives.BLOCK
IV, DATA, MAC = 2, 27, 45  # where the parts of `2.iv|data|mac` begin; the last with its `|`, from the end
SPAN = 24  # characters that hold a block, at whichever byte it begins
FEW = 4  # that are sooner opened than compared once more
DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
PADDING_AS_DIGIT = bytes.maketrans(b"=", b"A")
# A wrapped key of 64 bytes: its characters, which of them are no digits, and what its parts can end with.
WRAPPED = DATA + 108 + MAC
SIGNS = {1: b".", 24: b"=", 25: b"=", 26: b"|", 134: b"=", 135: b"|", 179: b"="}
LASTS = {0: b"2"} | {place: LAST_DIGITS[rest].encode() for place, rest in ((23, 1), (133, 2), (178, 2))}


def encrypted_length(size: int) -> int:
    """Return how many characters an EncString of type 2 has that holds `size` bytes."""
    return DATA + 4 * (((size // BLOCK + 1) * BLOCK + 2) // 3) + MAC


class EqualSizes:
    """Encrypted texts of one length, ready to be searched."""

    def __init__(self, keys: Sequence[bytes], texts: Sequence[str]) -> None:
        """Take the texts, of which nothing is believed but that they are equally long; one key for all, or one each."""
        self._texts = texts
        self._encryptors = [primitives.block_encryptor(key) for key in keys]
        self._first: tuple[bytes, bytes] | None = None

    def find(self, plaintext: bytes) -> Sequence[int]:
        """
        Return which of the texts may hold `plaintext`: all that do, and hardly one that does not.

        Their length must be the `encrypted_length` of it.
        """
        padded = plaintext + primitives.PADDINGS[BLOCK - len(plaintext) % BLOCK]
        left: Sequence[int] = range(len(self._texts))
        try:
            for place in (0, *range(len(padded) - BLOCK, 0, -BLOCK)):  # what begins alike may differ at the end
                if len(left) > FEW:
                    left = self._match(left, place, padded[place : place + BLOCK])
        except CryptoError:
            pass  # one that is no base64: whoever opens what is left will see which
        return left

    def _match(self, left: Sequence[int], place: int, plain: bytes) -> Sequence[int]:
        """Return those that have at `place` what the block `plain` becomes there."""
        if place:
            texts = [self._texts[number] for number in left]
            before, there = _block(texts, place - BLOCK), _block(texts, place)
        else:
            self._first = self._first or (_block(self._texts, -1), _block(self._texts, 0))
            before, there = self._first
        expected = self._encrypt(left, primitives.xor(before, plain * len(left)))
        return [left[number] for number in _zeros(primitives.xor(expected, there))]

    def _encrypt(self, left: Sequence[int], blocks: bytes) -> bytes:
        """Encrypt a block for each text that is left, under its key."""
        if len(self._encryptors) == 1:
            return self._encryptors[0](blocks)
        each = [blocks[start : start + BLOCK] for start in range(0, len(blocks), BLOCK)]
        return b"".join([self._encryptors[number](block) for number, block in zip(left, each, strict=True)])


def _block(texts: Sequence[str], place: int) -> bytes:
    """Return of each text the block at a byte of its data, one after the other; before the first one is the IV."""
    group, offset = divmod(max(place, 0), 3)
    begin = IV if place < 0 else DATA + 4 * group
    # Padding says nothing here that the text's length has not said, and stands in the way where texts are joined.
    data = from_base64("".join([text[begin : begin + SPAN] for text in texts]).replace("=", "A"))
    found = bytearray(len(texts) * BLOCK)
    for byte in range(BLOCK):
        found[byte::BLOCK] = data[offset + byte :: SPAN * 3 // 4]
    return bytes(found)


def _zeros(blocks: bytes) -> list[int]:
    """Return which of the blocks are all zeros."""
    found = []
    nothing = bytes(BLOCK)
    place = blocks.find(nothing)
    while place >= 0:
        number, offset = divmod(place, BLOCK)
        if not offset:
            found.append(number)
        place = blocks.find(nothing, (number + 1) * BLOCK)
    return found


def open_keys(key: SymmetricKey, wrapped: Sequence[object]) -> dict[int, bytes]:
    """
    Return of the keys of 64 bytes that are wrapped under `key` the half for AES, by their places.

    Those are left out with which it is not as simple: one of another kind, or that does not open.
    """
    numbers = [number for number, text in enumerate(wrapped) if isinstance(text, str) and len(text) == WRAPPED]
    texts = [str(wrapped[number]) for number in numbers]
    opened = _open_keys(key, texts)
    if opened is None:  # one is not right: each by itself
        opened = [found[0] if (found := _open_keys(key, [text])) else b"" for text in texts]
    pairs = zip(numbers, opened, strict=True)
    return {number: own[: primitives.KEY_SIZE] for number, own in pairs if len(own) == SymmetricKey.SIZE}


def _open_keys(key: SymmetricKey, texts: Sequence[str]) -> list[bytes] | None:
    """Return what is in EncStrings of the length WRAPPED, None if it is not so with one of them: any MAC is wrong."""
    joined = "".join(texts).encode("ascii", "replace")
    # What stands at a place is looked at in all texts together.
    usual = len(joined.translate(None, DIGITS)) == len(SIGNS) * len(texts) and all(
        not joined[place::WRAPPED].strip(allowed) for place, allowed in (SIGNS | LASTS).items()
    )
    if not usual:
        return None
    data = a2b_base64(joined.replace(b"2.", b"").translate(PADDING_AS_DIGIT, b"|"))
    starts = range(0, len(data), 132)
    messages = [data[start : start + 16] + data[start + 18 : start + 98] for start in starts]
    macs = [data[start + 99 : start + 131] for start in starts]
    if not primitives.same_bytes(b"".join(primitives.hmac_sha256_of_each(key.mac_key, messages)), b"".join(macs)):
        return None
    joined = b"".join(messages)
    # CBC is each block, decrypted, XOR the one before it; what comes of the IVs is passed over.
    padded = primitives.xor(primitives.aes_256_decrypt_blocks(key.enc_key, joined), bytes(BLOCK) + joined[:-BLOCK])
    try:
        return [primitives.remove_padding(padded[start + BLOCK : start + 96]) for start in range(0, len(padded), 96)]
    except IntegrityError:
        return None
