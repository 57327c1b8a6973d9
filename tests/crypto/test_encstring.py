"""EncString: what is opened, and that nothing else is."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
from pathlib import Path

import pytest
from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import SHA1, SHA256
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bwrun.base.errors import CryptoError, IntegrityError, MalformedEncStringError, UnsupportedEncStringError
from bwrun.crypto.asymmetric import PrivateKey, find_private_key
from bwrun.crypto.encstring import EncString, SymmetricKey, encrypt_to_buffer, encrypt_to_text, kind_of
from tests.server import crypto as other

RAW_KEY = bytes(range(64))
KEY = SymmetricKey.from_bytes(RAW_KEY)
IV = bytes(range(200, 216))
BLOCK = base64.b64encode(bytes(16)).decode()
MAC = base64.b64encode(bytes(32)).decode()


def known(vectors: Path) -> dict[str, list[dict[str, str]]]:
    """Return the SDK's known answers."""
    answers: dict[str, list[dict[str, str]]] = json.loads((vectors / "sdk-internal" / "encstring.json").read_text())
    return answers


def as_text(iv: bytes, data: bytes, mac: bytes) -> str:
    """Return the parts as an EncString of type 2."""
    return "2." + "|".join(base64.b64encode(part).decode() for part in (iv, data, mac))


def test_opens_the_known_answer(vectors: Path) -> None:
    """The SDK's own example of type 2 opens to its plaintext."""
    (case,) = known(vectors)["type2_primitive"]
    iv, data, mac, key = (bytes.fromhex(case[name]) for name in ("iv_hex", "ct_hex", "mac_hex", "key_hex"))

    opened = EncString.parse(as_text(iv, data, mac)).decrypt(SymmetricKey.from_bytes(key))

    assert opened.decode() == case["plaintext"]


def test_parses_the_known_answer(vectors: Path) -> None:
    """The SDK's example of a text has the parts that its binary form has."""
    (case,) = known(vectors)["parse_and_buffer"]
    buffer = bytes.fromhex(case["buffer_hex"])

    parsed = EncString.parse(case["enc_string"])

    assert (parsed.kind, parsed.iv, parsed.mac, parsed.data) == (2, buffer[1:17], buffer[17:49], buffer[49:])


def test_refuses_what_the_sdk_refuses(vectors: Path) -> None:
    """Each of the SDK's strings that must fail is refused by the name of its type."""
    for case in known(vectors)["must_fail"]:
        raw = base64.b64decode(case.get("key_b64", base64.b64encode(RAW_KEY)))
        with pytest.raises(UnsupportedEncStringError):
            EncString.parse(case["enc_string"]).decrypt(SymmetricKey.from_bytes(raw))


def test_organization_keys_of_the_sdk(vectors: Path) -> None:
    """The SDK's RSA examples of types 3, 4 and 6 all open to the same key."""
    rsa = json.loads((vectors / "sdk-internal" / "encstring.json").read_text())["rsa"]
    pem = rsa["private_key_pkcs8_pem"].splitlines()
    der = base64.b64decode("".join(pem[1:-1]))
    private_key = PrivateKey.unwrap(other.encrypt(der, RAW_KEY), KEY)

    opened = [private_key.unwrap_organization_key(case["enc_string"]).to_bytes() for case in rsa["cases"]]

    assert opened == [base64.b64decode(rsa["expected_key_b64"])] * 3


@settings(deadline=None)  # a loaded machine is no failure
@given(st.binary(max_size=200))
def test_opens_what_pycryptodome_encrypts(plaintext: bytes) -> None:
    """Any plaintext encrypted by other code opens unchanged."""
    assert EncString.parse(other.encrypt(plaintext, RAW_KEY)).decrypt(KEY) == plaintext


def test_opens_what_openssl_encrypts() -> None:
    """A string made by the openssl command alone, MAC included, opens."""
    cipher = ["openssl", "enc", "-aes-256-cbc", "-K", RAW_KEY[:32].hex(), "-iv", IV.hex()]
    data = subprocess.run(cipher, input=b"s3cret", capture_output=True, check=True).stdout
    digest = ["openssl", "dgst", "-sha256", "-binary", "-mac", "HMAC", "-macopt", f"hexkey:{RAW_KEY[32:].hex()}"]
    mac = subprocess.run(digest, input=IV + data, capture_output=True, check=True).stdout

    assert EncString.parse(as_text(IV, data, mac)).decrypt(KEY) == b"s3cret"


@settings(deadline=None)  # a loaded machine is no failure
@given(st.binary(max_size=200))
def test_others_open_what_is_encrypted_here(plaintext: bytes) -> None:
    """The binary form has the type, IV, MAC and data in that order, and other code opens it."""
    buffer = encrypt_to_buffer(plaintext, KEY)
    kind, iv, mac, data = buffer[0], buffer[1:17], buffer[17:49], buffer[49:]
    padded = AES.new(RAW_KEY[:32], AES.MODE_CBC, iv).decrypt(data)

    assert kind == 2
    assert mac == hmac.digest(RAW_KEY[32:], iv + data, "sha256")
    assert padded == plaintext + bytes((padded[-1],)) * padded[-1]
    assert EncString.parse(encrypt_to_text(plaintext, KEY)).decrypt(KEY) == plaintext


def test_same_plaintext_is_never_encrypted_the_same() -> None:
    """Each encryption draws an IV of its own."""
    assert encrypt_to_buffer(b"twice", KEY)[1:17] != encrypt_to_buffer(b"twice", KEY)[1:17]


@settings(deadline=None)  # a loaded machine is no failure
@given(st.binary(max_size=40), st.data())
def test_one_flipped_bit_never_opens(plaintext: bytes, data: st.DataObject) -> None:
    """One bit flipped in the IV, the data or the MAC is an integrity failure, never a plaintext."""
    encrypted = EncString.parse(other.encrypt(plaintext, RAW_KEY))
    parts = bytearray(encrypted.iv + encrypted.data + encrypted.mac)
    bit = data.draw(st.integers(0, len(parts) * 8 - 1))
    parts[bit // 8] ^= 1 << bit % 8
    changed = EncString.parse(as_text(bytes(parts[:16]), bytes(parts[16:-32]), bytes(parts[-32:])))

    with pytest.raises(IntegrityError):
        changed.decrypt(KEY)


@settings(deadline=None)  # a loaded machine is no failure
@given(st.integers(0, 511))
def test_one_flipped_bit_in_the_key_never_opens(bit: int) -> None:
    """One bit flipped in either half of the key never gives the plaintext."""
    raw = bytearray(RAW_KEY)
    raw[bit // 8] ^= 1 << bit % 8
    encrypted = EncString.parse(other.encrypt(b"a plaintext", RAW_KEY))

    try:
        opened = encrypted.decrypt(SymmetricKey.from_bytes(bytes(raw)))
    except IntegrityError:
        return
    assert bit < 256, "the MAC's half is checked before anything is decrypted"
    assert opened != b"a plaintext"


def test_one_changed_character_never_opens() -> None:
    """No other character at any place of the text opens it: there is one way to write an EncString."""
    text = other.encrypt(b"a", RAW_KEY)
    opened = []
    for place in range(len(text)):
        for char in "2ABghQwx4+/=.| \n0":
            changed = text[:place] + char + text[place + 1 :]
            try:
                EncString.parse(changed).decrypt(KEY)
            except CryptoError:
                continue
            if changed != text:
                opened.append(changed)

    assert opened == []


@settings(deadline=None)  # a loaded machine is no failure
@given(st.text())
@example("2." + "A" * 24 + "|\ud800|")
@example("2." + BLOCK + "|" + BLOCK + "|" + MAC)
@example("9" * 5000 + ".x")
@example("².A|B|C")
@example("2.=|=|=")
def test_any_text_is_an_encstring_or_refused(text: str) -> None:
    """Whatever a server sends is parsed or refused, and never fails in another way."""
    try:
        parsed = EncString.parse(text)
    except (MalformedEncStringError, UnsupportedEncStringError):
        return
    assert parsed.kind in (0, 2)


@settings(deadline=None)  # a loaded machine is no failure
@given(st.sampled_from(["0", "2"]), st.lists(st.binary(max_size=48), max_size=5))
def test_any_parts_are_an_encstring_or_refused(kind: str, parts: list[bytes]) -> None:
    """Parts of any number and size are refused unless they are an IV, whole blocks and, for type 2, a MAC."""
    text = f"{kind}." + "|".join(base64.b64encode(part).decode() for part in parts)
    sizes = [len(part) for part in parts]
    right = len(sizes) == (3 if kind == "2" else 2) and sizes[0] == 16 and sizes[1] > 0 and sizes[1] % 16 == 0
    if kind == "2":
        right = right and sizes[2] == 32

    if right:
        assert EncString.parse(text).data == parts[1]
    else:
        with pytest.raises(MalformedEncStringError):
            EncString.parse(text)


@pytest.mark.parametrize(
    ("kind", "name"), [(1, "AES-128"), (3, "RSA"), (4, "RSA"), (5, "RSA"), (6, "RSA"), (7, "COSE")]
)
def test_refuses_other_types_by_name(kind: int, name: str) -> None:
    """A type that exists and is not opened here is named in the refusal."""
    with pytest.raises(UnsupportedEncStringError, match=rf"type {kind} \({name}"):
        EncString.parse(f"{kind}.{BLOCK}|{BLOCK}|{MAC}")


@pytest.mark.parametrize("kind", [8, 9, 10, 20, 22, 255, 999])
def test_refuses_unknown_types_by_number(kind: int) -> None:
    """A type that nobody knows is refused with its number."""
    with pytest.raises(UnsupportedEncStringError, match=rf"type {kind} \(unknown\)"):
        EncString.parse(f"{kind}.{BLOCK}|{BLOCK}|{MAC}")


@pytest.mark.parametrize("prefix", ["", " 2", "2 ", "+2", "-2", "02", "002", "1e1", "x", "²", "٢", "2_0"])
def test_refuses_types_written_otherwise(prefix: str) -> None:
    """A type is a number as Bitwarden writes it: no sign, no space, no leading zero, no digit of another script."""
    with pytest.raises(MalformedEncStringError):
        EncString.parse(f"{prefix}.{BLOCK}|{BLOCK}|{MAC}")


def test_refuses_the_legacy_form_without_a_type() -> None:
    """Strings without a type, of before 2016, are refused: type 0 and 1 are what they would be."""
    for text in (f"{BLOCK}|{BLOCK}", f"{BLOCK}|{BLOCK}|{MAC}", ""):
        with pytest.raises(MalformedEncStringError):
            EncString.parse(text)


@pytest.mark.parametrize("part", ["AA", "AA=", "A===", "AA==BB==", "-_-_", "AAA A===", "AAAA\n", "ä", "=AAA"])
def test_refuses_base64_of_other_kinds(part: str) -> None:
    """Base64 is standard and padded: url-safe letters, white space and missing padding are refused."""
    with pytest.raises(MalformedEncStringError):
        EncString.parse(f"2.{BLOCK}|{BLOCK}|{part}")


def test_a_downgrade_is_refused() -> None:
    """A valid type 2 string whose MAC was cut off, or which calls itself type 0, does not open under a 64-byte key."""
    kind, _, rest = other.encrypt(b"secret", RAW_KEY).partition(".")
    iv, data, _ = rest.split("|")

    with pytest.raises(UnsupportedEncStringError, match="downgrade"):
        EncString.parse(f"0.{iv}|{data}").decrypt(KEY)
    with pytest.raises(MalformedEncStringError):
        EncString.parse(f"{kind}.{iv}|{data}")
    with pytest.raises(MalformedEncStringError):
        EncString.parse(f"{kind}.{iv}|{data}|")
    with pytest.raises(MalformedEncStringError):
        EncString.parse(f"0.{rest}")


@pytest.mark.parametrize("size", [0, 16, 32, 63, 65, 81, 128])
def test_a_key_has_64_bytes(size: int) -> None:
    """A key of another size is another kind of key, and refused as that."""
    with pytest.raises(UnsupportedEncStringError, match=f"{size} bytes"):
        SymmetricKey.from_bytes(bytes(size))


@pytest.mark.parametrize(
    ("text", "kind"),
    [("4.x", 4), ("2.", 2), ("", None), ("x", None), (".x", None), ("٤.x", None), ("1000.x", None), ("-1.x", None)],
)
def test_kind_of(text: str, kind: int | None) -> None:
    """The type in front of a string is told without reading the rest; a string without one has none."""
    assert kind_of(text) == kind


@pytest.mark.parametrize("kind", [3, 4, 5, 6])
def test_opens_organization_keys_of_each_type(kind: int) -> None:
    """An organization's key opens in all four RSA forms, and what follows the data of types 5 and 6 is ignored."""
    pair = other.account_rsa_key()
    private_key = PrivateKey.unwrap(other.encrypt(other.private_key_der(), RAW_KEY), KEY)
    wrapped = PKCS1_OAEP.new(pair, SHA256 if kind in (3, 5) else SHA1).encrypt(RAW_KEY)
    text = f"{kind}.{base64.b64encode(wrapped).decode()}" + ("|AA==" if kind > 4 else "")

    assert private_key.unwrap_organization_key(text).to_bytes() == RAW_KEY
    assert private_key.opens(text)


def test_refuses_organization_keys_of_other_types() -> None:
    """An organization's key of another type, of another pair or with a changed byte is refused."""
    private_key = PrivateKey.make()
    wrapped = other.wrap_for_account(RAW_KEY)

    for text in (wrapped, other.spoil_mac(wrapped), other.encrypt(RAW_KEY, RAW_KEY), "4.", "4.A", "7.AAAA", ""):
        with pytest.raises(CryptoError):
            private_key.unwrap_organization_key(text)
        assert not private_key.opens(text)
    assert not any(map(private_key.opens, (None, 4, [wrapped], {"key": wrapped})))


def test_a_wrapped_private_key_opens_again() -> None:
    """A private key made here is wrapped as the server would keep it: other code reads it, and so does this."""
    text = PrivateKey.make().wrap(KEY)

    assert find_private_key(text, KEY) is not None
    assert find_private_key(other.spoil_mac(text), KEY) is None
    assert find_private_key(None, KEY) is None
