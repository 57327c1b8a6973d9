"""From the master password to the user key, against known answers and other implementations."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id as OtherArgon2id
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.base.errors import CryptoError, MalformedEncStringError, UnsupportedEncStringError, WrongMasterPasswordError
from bwrun.base.sensitive import Sensitive
from bwrun.crypto.account_keys import unwrap_user_key
from bwrun.crypto.keys import check_kdf, derive_master_key, stretch_master_key
from bwrun.crypto.parameters import Argon2id, Kdf, Pbkdf2, UnlockData
from tests.server import crypto as other
from tests.server import specs

PASSWORD = Sensitive("p4ss wörd".encode())
SALT = "ada@example.com"
USER_KEY = bytes(range(64))
CHEAP = Pbkdf2(5_000)
MASTER_KEY = hashlib.pbkdf2_hmac("sha256", "p4ss wörd".encode(), SALT.encode(), 5_000)


def known(vectors: Path) -> Any:  # noqa: ANN401  (JSON)
    """Return the SDK's known answers."""
    return json.loads((vectors / "sdk-internal" / "kdf.json").read_text())


def kdf_of(case: dict[str, Any]) -> Kdf:
    """Return the KDF of a known answer."""
    if case["type"] == "argon2id":
        return Argon2id(case["iterations"], case["memory_mib"], case["parallelism"])
    return Pbkdf2(case["iterations"])


def wrapped_under(master_key: bytes, key: bytes = USER_KEY) -> str:
    """Return `key` as a server keeps it, encrypted by other code than ours."""
    return other.encrypt(key, other.stretch_master_key(master_key))


def test_master_keys_of_the_sdk(vectors: Path) -> None:
    """The SDK's examples of both KDFs give its master keys."""
    cases = known(vectors)["kdf"]

    found = [
        derive_master_key(Sensitive(case["password"].encode()), case["salt"], kdf_of(case)).hex() for case in cases
    ]

    assert found == [case["master_key_hex"] for case in cases]
    assert len(found) == 2


def test_password_hashes_of_the_sdk(vectors: Path) -> None:
    """The SDK's examples of hashes come out of our master keys: salts in capitals and with spaces among them."""
    for case in known(vectors)["master_password_hash"]:
        password = case["password"].encode()
        master_key = derive_master_key(Sensitive(password), case["salt"], kdf_of(case))
        server_hash = hashlib.pbkdf2_hmac("sha256", master_key, password, 1)

        assert base64.b64encode(server_hash).decode() == case["server_hash_b64"]


def test_argon2id_of_other_peoples_tests(vectors: Path) -> None:
    """The example of Argon2id of a Go client gives its master key."""
    case = json.loads((vectors / "vaultwarden-recorded" / "go_vectors.json").read_text())["argon2id"]

    found = derive_master_key(Sensitive(case["password"].encode()), case["salt"], kdf_of(case | {"type": "argon2id"}))

    assert base64.b64encode(found).decode() == case["master_key_b64"]


def test_stretched_key_of_the_sdk(vectors: Path) -> None:
    """The SDK's example of a stretched master key has its two halves."""
    (case,) = known(vectors)["stretch"]

    stretched = stretch_master_key(bytes.fromhex(case["master_key_hex"]))

    assert (stretched.enc_key.hex(), stretched.mac_key.hex()) == (case["enc_key_hex"], case["mac_key_hex"])


def test_user_key_of_other_peoples_tests(vectors: Path) -> None:
    """A user key of a Go client's tests opens under its stretched master key."""
    case = json.loads((vectors / "vaultwarden-recorded" / "go_vectors.json").read_text())["user_key"]
    stretched = stretch_master_key(bytes.fromhex(case["master_key_hex"]))
    theirs = other.stretch_master_key(bytes.fromhex(case["master_key_hex"]))

    assert stretched.to_bytes() == theirs


def test_legacy_user_key_of_the_sdk(vectors: Path) -> None:
    """The SDK's example of a user key without a MAC opens with its password, and not with another."""
    case = known(vectors)["legacy_type0_user_key"][0]
    unlock = UnlockData(Pbkdf2(case["iterations"]), case["salt"], case["protected_user_key"])

    user_key = unwrap_user_key(unlock, Sensitive(case["password"].encode()))

    assert user_key.encode().hex() == case["enc_key_hex"] + case["mac_key_hex"]
    with pytest.raises(WrongMasterPasswordError):
        unwrap_user_key(unlock, Sensitive(b"asdfasdfasde"))


@settings(deadline=None, max_examples=20)
@given(st.binary(min_size=1, max_size=80), st.text(min_size=1, max_size=40).filter(str.strip), st.integers(1, 50))
def test_pbkdf2_is_that_of_hashlib(password: bytes, salt: str, iterations: int) -> None:
    """Any password and salt give the master key that hashlib gives: the password's bytes are taken as they are."""
    try:
        salt.encode()
    except UnicodeEncodeError:
        return
    expected = hashlib.pbkdf2_hmac("sha256", password, salt.strip().lower().encode(), iterations)

    assert derive_master_key(Sensitive(password), salt, Pbkdf2(iterations)) == expected


@pytest.mark.parametrize("kdf", [Argon2id(1, 15, 1), Argon2id(2, 16, 4), Argon2id(4, 19, 2), Argon2id(1, 16, 16)])
def test_argon2id_is_that_of_openssl(kdf: Argon2id) -> None:
    """Argon2id takes MiB, hashes the salt first, and agrees with OpenSSL's at every parallelism."""
    expected = OtherArgon2id(
        salt=hashlib.sha256(SALT.encode()).digest(), length=32, iterations=kdf.iterations, lanes=kdf.parallelism,
        memory_cost=kdf.memory_mib * 1024,
    ).derive(PASSWORD.reveal())  # fmt: skip

    assert derive_master_key(PASSWORD, SALT, kdf) == expected


@pytest.mark.parametrize("salt", ["Ada@Example.COM", "  ada@example.com\n", "\tADA@EXAMPLE.COM "])
@pytest.mark.parametrize("kdf", [CHEAP, Argon2id(1, 15, 1)])
def test_salt_is_stripped_and_lowered(salt: str, kdf: Kdf) -> None:
    """A salt in capitals or with white space round it is the same salt, for both KDFs."""
    assert derive_master_key(PASSWORD, salt, kdf) == derive_master_key(PASSWORD, SALT, kdf)


def test_password_is_not_normalised() -> None:
    """The two ways to write ö, and white space round a password, make different passwords."""
    ways = ["p4ss wörd", "p4ss wo\u0308rd", "p4ss wörd ", " p4ss wörd", "P4SS WÖRD"]

    assert len({derive_master_key(Sensitive(way.encode()), SALT, CHEAP) for way in ways}) == len(ways)


@pytest.mark.parametrize("kdf", [CHEAP, Argon2id(1, 15, 1), Argon2id(2, 16, 3)])
def test_unwraps_the_user_key(kdf: Kdf) -> None:
    """The user key opens with the right password, for both KDFs, made by other code."""
    spec = specs.Pbkdf2(kdf.iterations) if isinstance(kdf, Pbkdf2) else specs.Argon2id(
        kdf.iterations, kdf.memory_mib, kdf.parallelism
    )  # fmt: skip
    wrapped = wrapped_under(other.derive_master_key("p4ss wörd", SALT, spec))

    assert unwrap_user_key(UnlockData(kdf, SALT, wrapped), PASSWORD).encode() == USER_KEY


@pytest.mark.parametrize(
    "password", [b"", b"p4ss", "p4ss wörd ".encode(), "p4ss w\xf6rd".encode("latin-1"), b"\0" * 99]
)
def test_wrong_password_is_told_as_that(password: bytes) -> None:
    """Another password is `wrong master password`, and the error holds neither it nor its cause's text."""
    unlock = UnlockData(CHEAP, SALT, wrapped_under(MASTER_KEY))

    with pytest.raises(WrongMasterPasswordError) as caught:
        unwrap_user_key(unlock, Sensitive(password))
    assert caught.value.message == "wrong master password"
    assert caught.value.code == "crypto.wrong-master-password"


@pytest.mark.parametrize("case", ["salt", "iterations", "mac", "kdf"])
def test_whatever_spoils_the_unlocking_is_a_wrong_password(case: str) -> None:
    """Another salt, another cost, another KDF and a changed byte cannot be told from a wrong password."""
    wrapped = wrapped_under(MASTER_KEY)
    unlock = {
        "salt": UnlockData(CHEAP, "bob@example.com", wrapped),
        "iterations": UnlockData(Pbkdf2(5_001), SALT, wrapped),
        "mac": UnlockData(CHEAP, SALT, other.spoil_mac(wrapped)),
        "kdf": UnlockData(Argon2id(1, 15, 1), SALT, wrapped),
    }[case]

    with pytest.raises(WrongMasterPasswordError):
        unwrap_user_key(unlock, PASSWORD)


def test_legacy_user_key_opens_with_the_plain_master_key() -> None:
    """The one form without a MAC opens under the master key itself, as it did in 2017, and with no other password."""
    unlock = UnlockData(CHEAP, SALT, other.encrypt_without_mac(USER_KEY, MASTER_KEY))

    assert unwrap_user_key(unlock, PASSWORD).encode() == USER_KEY
    with pytest.raises(WrongMasterPasswordError):
        unwrap_user_key(unlock, Sensitive(b"another"))


@pytest.mark.parametrize(("size", "legacy"), [(32, True), (32, False), (81, False)])
def test_user_keys_of_another_kind_are_told_as_that(size: int, *, legacy: bool) -> None:
    """A user key of another size, opened by the right password, is not supported: the password is not to blame."""
    key = bytes(size)
    wrapped = other.encrypt_without_mac(key, MASTER_KEY) if legacy else wrapped_under(MASTER_KEY, key)

    with pytest.raises((UnsupportedEncStringError, MalformedEncStringError)):
        unwrap_user_key(UnlockData(CHEAP, SALT, wrapped), PASSWORD)


@pytest.mark.parametrize("wrapped", ["7.AAAA", "1.AAAA|AAAA|AAAA", "4.AAAA", "99.AAAA"])
def test_user_keys_wrapped_otherwise_are_refused_by_name(wrapped: str) -> None:
    """A user key in a form of another kind is not supported, by its type, and not a wrong password."""
    with pytest.raises(UnsupportedEncStringError, match=f"type {wrapped.partition('.')[0]} "):
        unwrap_user_key(UnlockData(CHEAP, SALT, wrapped), PASSWORD)


def test_garbage_in_place_of_a_user_key_is_no_wrong_password() -> None:
    """What is no EncString is malformed, before the KDF's time is spent."""
    with pytest.raises(MalformedEncStringError):
        unwrap_user_key(UnlockData(Pbkdf2(10_000_000), SALT, "no key"), PASSWORD)


def test_costs_are_checked_before_deriving() -> None:
    """A server that names a cost of 1, or one of a day, is refused at once, with the range or the limit."""
    for iterations, said in ((1, "5000 to"), (2**40, "5000 to"), (100_000_000, "above the limit of 50000000")):
        with pytest.raises(CryptoError, match=said) as caught:
            unwrap_user_key(UnlockData(Pbkdf2(iterations), SALT, wrapped_under(MASTER_KEY)), PASSWORD)
        assert caught.value.code == "crypto.kdf-parameters"


@pytest.mark.parametrize(
    "kdf",
    [
        Pbkdf2(0), Pbkdf2(-5_000), Pbkdf2(4_999), Pbkdf2(1 << 31), Pbkdf2(1 << 70), Argon2id(0, 32, 4),
        Argon2id(1 << 31, 32, 4), Argon2id(3, 14, 4), Argon2id(3, 1 << 21, 4), Argon2id(3, 64, 0),
        Argon2id(3, 64, 1 << 24), Argon2id(-1, 64, 4), Argon2id(3, -64, 4),
    ],
)  # fmt: skip
def test_range(kdf: Kdf) -> None:
    """One step outside the range of any parameter is refused, costly or not; a test may ask for any cost by name."""
    for allow_costly in (False, True):
        with pytest.raises(CryptoError, match="outside of") as caught:
            check_kdf(kdf, allow_costly=allow_costly)
        assert caught.value.code == "crypto.kdf-parameters"
        assert "costly" not in " ".join(caught.value.hints)
    check_kdf(kdf, testing_any_cost=True)


@pytest.mark.parametrize(
    ("kdf", "said"),
    [
        (Pbkdf2(50_000_001), "the PBKDF2 iterations to 50000001, above the limit of 50000000"),
        (Argon2id(1, 1025, 4), "the Argon2id memory in MiB to 1025, above the limit of 1024"),
        (Argon2id(11, 1024, 4), "the Argon2id iterations times memory in MiB to 11264, above the limit of 10240"),
        (Argon2id(161, 64, 4), "the Argon2id iterations times memory in MiB to 10304, above the limit of 10240"),
        (Argon2id(3, 64, 17), "the Argon2id parallelism to 17, above the limit of 16"),
    ],
)
def test_limits(kdf: Kdf, said: str) -> None:
    """What could stall the machine is refused, unless it is allowed; the error names the setting for that."""
    with pytest.raises(CryptoError, match=said) as caught:
        check_kdf(kdf)
    assert caught.value.code == "crypto.kdf-parameters"
    assert "`--allow-costly-kdf`" in caught.value.hints[0]
    check_kdf(kdf, allow_costly=True)


@pytest.mark.parametrize(
    "kdf",
    [
        Pbkdf2(5_000), Pbkdf2(100_000), Pbkdf2(600_000), Pbkdf2(2_000_000), Pbkdf2(50_000_000), Argon2id(1, 15, 1),
        Argon2id(6, 32, 4), Argon2id(20, 64, 4), Argon2id(100, 64, 4), Argon2id(10, 1024, 16),
    ],
)  # fmt: skip
def test_costs_that_accounts_have_are_accepted(kdf: Kdf) -> None:
    """The least, the default and the most that an account can be set to are accepted, and some of Vaultwarden's."""
    check_kdf(kdf)


def test_costs_the_sdk_refuses(vectors: Path) -> None:
    """PBKDF2 below the SDK's minimum is refused; of Argon2id the server's own minimum is accepted, one step lower."""
    refused = []
    for case in known(vectors)["kdf_rejected_by_sdk"]:
        try:
            check_kdf(kdf_of(case))
        except CryptoError:
            refused.append(case["type"])

    assert refused == ["pbkdf2-sha256"]
