"""The forms of a value: what other programs make of it is found, and what is too short is left alone."""

from __future__ import annotations

import base64
import html
import json
import os
import shlex
import subprocess
import urllib.parse
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.masking.forms import all_forms, forms_of, is_masked
from bwrun.masking.stream import MASK, Forms, MaskedStream

VALUE = "p@ss w0rd'\"$`\\/+&<>!%=?~#*\tä€"
PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
PEM = "-----BEGIN KEY-----\n" + "\n".join(f"MIIE{number:060}" for number in range(5)) + "\nab=\n-----END KEY-----\n"


def shell_says(shell: str, script: str, value: str) -> str:
    """Return what a script in a real shell prints, which gets the value as $1."""
    words = [shell, "-c", script, shell, value]
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    return subprocess.run(words, check=True, capture_output=True, env=environment, encoding="utf-8").stdout


ENCODERS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "quote": urllib.parse.quote,
    "quote all": lambda value: urllib.parse.quote(value, safe=""),
    "quote_plus": urllib.parse.quote_plus,
    "encodeURIComponent": lambda value: urllib.parse.quote(value, safe="!'()*~"),
    "encodeURI": lambda value: urllib.parse.quote(value, safe=";,/?:@&=+$-_.!~*'()#"),
    "lower-case percent": lambda value: "".join(
        chr(byte) if chr(byte) in PLAIN else f"%{byte:02x}" for byte in value.encode()
    ),
    "json": lambda value: json.dumps(value)[1:-1],
    "json in UTF-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "json with slashes": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    "repr": lambda value: repr(value)[1:-1],
    "repr of bytes": lambda value: repr(value.encode())[2:-1],
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "shlex": shlex.quote,
    "html": html.escape,
    "html but quotes": lambda value: html.escape(value, quote=False),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 of a line": lambda value: base64.b64encode(value.encode() + b"\n").decode(),
    "base64 without padding": lambda value: base64.b64encode(value.encode()).decode().rstrip("="),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "bash printf %q": lambda value: shell_says("bash", 'printf %q "$1"', value),
    "bash @Q": lambda value: shell_says("bash", 'printf %s "${1@Q}"', value),
    "bash set -x": lambda value: shell_says("bash", '{ PS4=; set -x; : "$1"; } 2>&1', value),
    "bash declare -p": lambda value: shell_says("bash", "x=$1; declare -p x", value).partition("=")[2],
    "base64(1)": lambda value: shell_says("sh", 'printf %s "$1" | base64', value),
    "base64(1) of echo": lambda value: shell_says("sh", 'printf "%s\\n" "$1" | base64', value),
    "od": lambda value: shell_says("sh", 'printf %s "$1" | od -An -v -tx1 | tr -d " \\n"', value),
}  # fmt: skip


def mask(value: bytes, text: bytes) -> bytes:
    """Return `text` with the value masked."""
    stream = MaskedStream(Forms(all_forms([value])))
    return stream.feed(text) + stream.release()


def shows(value: str, encoded: str, *, least: int = 4) -> str:
    """Return the first part of `encoded`, which is a form of the value, that comes through the mask."""
    left = mask(value.encode(), f"<{encoded}>".encode()).decode().replace(MASK.decode(), "\0")
    return next((part for part in left.strip("<>").split("\0") if len(part.strip()) >= least), "")


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize(
    "value", [VALUE, "plainsecret", "a'b'c", 'it\'s "both"', "x y z", "  padded  ", "ab=d", "x" * 200]
)
def test_encoded_value_is_concealed(name: str, value: str) -> None:
    """What an encoder of other people makes of a value does not show."""
    encoded = ENCODERS[name](value)

    assert shows(value, encoded) == ""
    assert MASK in mask(value.encode(), encoded.encode())


@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in ("bash set -x", "bash declare -p")])
@given(
    value=st.text(min_size=4, max_size=30).filter(
        lambda text: "\0" not in text and is_masked(text.encode()) and "\r" not in text
    )
)
@example(value=VALUE)
@example(value="a\nb\nc\nd")
@example(value="0000\x7f")
def test_encoded_text_leaves_nothing(name: str, value: str) -> None:
    """Of any text, in any encoding, no four characters come through."""
    if name in ("bash printf %q", "bash @Q", "base64(1)", "base64(1) of echo", "od"):
        return  # a process for each would take long; the values above go through them
    assert shows(value, ENCODERS[name](value)) == ""


@given(
    before=st.binary(max_size=5),
    value=st.binary(min_size=5, max_size=40),
    after=st.binary(max_size=5),
    url=st.booleans(),
)
def test_base64_at_each_position(before: bytes, value: bytes, after: bytes, url: bool) -> None:  # noqa: FBT001
    """In base64 of more data, at each of three positions, all characters that are the value's own are masked."""
    if not is_masked(value):
        return
    encoder = base64.urlsafe_b64encode if url else base64.b64encode
    encoded = encoder(before + value + after)
    first, last = -(-len(before) * 8 // 6), (len(before) + len(value)) * 8 // 6  # whole characters of the value
    own = encoded[first:last]

    assert own not in mask(value, encoded)


@pytest.mark.parametrize(("width", "newline"), list(product([76, 64], ["\n", "\r\n"])))
def test_wrapped_base64(width: int, newline: str) -> None:
    """Base64 that is broken into lines shows nothing."""
    encoded = base64.b64encode(PEM.encode()).decode()
    lines = newline.join(encoded[at : at + width] for at in range(0, len(encoded), width))

    assert mask(PEM.encode(), lines.encode()) == MASK


@pytest.mark.parametrize("indent", ["", "  ", "        ", "\t", "    - ", "> "])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_of_a_value(indent: str, newline: str) -> None:
    """Each line of a value is found: with CRLF, as terminals write it, and behind an indent."""
    text = newline.join(indent + line for line in PEM.strip().split("\n"))
    left = mask(PEM.encode(), text.encode()).decode()

    assert not any(line in left for line in PEM.split("\n") if len(line) >= 4)
    if indent.strip() == "":
        assert "ab=" not in left  # a line too short to be looked for alone


def test_single_line_of_a_value() -> None:
    """A line is found without the others."""
    assert mask(PEM.encode(), b"x " + PEM.split("\n")[3].encode() + b" y") == b"x " + MASK + b" y"


@pytest.mark.parametrize(
    "value", ["", "a", "abc", "äöü", "true", "FALSE", "yes", "no", "null", "123", "   ", "\n\n\n\n"]
)
def test_short_and_trivial_values_are_not_masked(value: str) -> None:
    """What is shorter than four characters, or says nothing, would make nonsense of a log."""
    assert not is_masked(value.encode())
    assert all_forms([value.encode()]) == []


@pytest.mark.parametrize("value", ["abcd", "äöüß", "1234", "trues", "\0\0\0\0x"])
def test_other_values_are_masked(value: str) -> None:
    """Four characters are enough."""
    assert value.encode() in all_forms([value.encode()])


@given(value=st.binary(min_size=1, max_size=60))
def test_no_form_is_short(value: bytes) -> None:
    """No form is so short that it is in every text."""
    assert all(len(form) >= 4 for form in forms_of(value))


def test_large_value() -> None:
    """Of a value of a megabyte the text and the lines are found, in bounded memory."""
    value = b"\n".join(b"%063d" % number for number in range(16_384))

    assert len(forms_of(value)) < 3 * 16_384
    assert mask(value, b"<" + value + b">") == b"<" + MASK + b">"
