"""Authenticator codes: known answers of the RFC and of the SDK, and that nothing else is raised."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.base.errors import InvalidTotpError
from bwrun.vault.totp import Totp, decode_base32

# RFC 6238, appendix B: one seed of digits, repeated to the size of the hash.
SEED = b"1234567890" * 7
SIZES = {"SHA1": 20, "SHA256": 32, "SHA512": 64}
APPENDIX_B = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]
CASES = [(at, name, code) for at, *codes in APPENDIX_B for name, code in zip(SIZES, codes, strict=True)]
KEY = "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the RFC's seed for SHA-1


@pytest.mark.parametrize(("at", "algorithm", "code"), CASES)
def test_gives_the_codes_of_the_rfc(at: int, algorithm: str, code: str) -> None:
    """Appendix B's table comes out, for each algorithm."""
    secret = base64.b32encode(SEED[: SIZES[algorithm]]).decode()

    totp = Totp.parse(f"otpauth://totp/x?secret={secret}&algorithm={algorithm}&digits=8")

    assert totp.code(at) == code


def test_gives_the_codes_of_the_sdk(vectors: Path) -> None:
    """Every known answer of Bitwarden's own comes out, odd keys included."""
    known = json.loads((vectors / "sdk-internal" / "totp.json").read_text())
    at = datetime.fromisoformat(known["at"]).timestamp()

    read = [(case, Totp.parse(case["key"])) for case in known["cases"]]

    assert [(totp.code(at), totp.period) for _, totp in read] == [(case["code"], case["period"]) for case, _ in read]
    assert [decode_base32(case["in"]).hex() for case in known["decode_b32"]] == [c["hex"] for c in known["decode_b32"]]


@pytest.mark.parametrize(
    ("query", "digits", "period"),
    [
        ("", 6, 30),
        ("&digits=0&period=0", 0, 1),
        ("&digits=99&period=4294967295", 10, 4294967295),
        ("&digits=x&period=-1", 6, 30),
        ("&digits=4294967296&period=99999999999999999999999999", 6, 30),
        ("&digits=7&digits=8", 8, 30),
    ],
)
def test_numbers_are_those_of_the_sdk(query: str, digits: int, period: int) -> None:
    """Numbers out of range are clamped, what is none counts as not given, the last of two wins."""
    totp = Totp.parse(KEY + query)

    assert (totp.digits, totp.period) == (digits, period)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        *((key, "842403") for key in ("J", "1890", "!!!", "1", "é", "otpauth://totp/x?secret=", KEY[:24] + "t=1")),
        ("otpauth://totp/x?secret=1890&digits=8", "79842403"),
        ("steam://", "92W6G"),
        ("steam://J", "92W6G"),
    ],
)
def test_a_secret_of_which_nothing_is_left(key: str, code: str) -> None:
    """A secret without a whole byte of base32 has codes too: @bitwarden/cli 2026.9.0 printed these at this time."""
    assert Totp.parse(key).code(1_795_829_880) == code


@pytest.mark.parametrize("key", ["otpauth://totp/x", "otpauth://[/?secret=A", KEY[:22]])
def test_refuses_an_address_without_a_secret(key: str) -> None:
    """An address that has no secret is refused, and not shown."""
    with pytest.raises(InvalidTotpError) as caught:
        Totp.parse(key)

    assert caught.value.code == "reference.totp"
    assert key not in caught.value.message


@given(st.one_of(st.text(), st.text().map("otpauth://totp/x?secret=AAAA&".__add__), st.text().map("steam://".__add__)))
@example("otpauth://totp/x?secret=AA&digits=" + "9" * 5000)
def test_raises_only_its_own_error(key: str) -> None:
    """Any text gives a code or InvalidTotpError."""
    try:
        totp = Totp.parse(key)
    except InvalidTotpError:
        return

    assert len(totp.code(1_700_000_000.5)) == max(totp.digits, 1)


def test_does_not_show_its_secret() -> None:
    """A key that was read does not show in a traceback or a log."""
    assert "1234" not in repr(Totp.parse(KEY))
