"""
The forms in which a value may show in output: as it is, encoded, escaped, and line by line.

Which value is masked at all is decided here too: one that is shorter than four characters, or a trivial word, would
make nonsense of every log.
"""

from __future__ import annotations

import binascii
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

SHORTEST = 4  # characters of a value, and bytes of a form
TRIVIAL = frozenset(("true", "false", "yes", "no", "null", "none", "on", "off"))
LARGEST_ENCODED = 256 * 1024  # bytes: of a larger value only the text and its lines are looked for
WIDTHS = (76, 64)  # columns at which base64(1) and OpenSSL break lines
INDENTS = (*(b" " * count for count in range(13)), b"\t", b"\t\t", b"\t\t\t")  # before a short line
MOST_SHORT_LINES = 8  # of a value, that are looked for after the line before them

_URL_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")  # RFC 3986, 2.3
# What else is left as it is: by nobody; by encodeURIComponent; by Python's quote(); by encodeURI (ECMA-262, 19.2.6).
_URL_ALSO_PLAIN = (b"", b"!'()*", b"/", b";,/?:@&=+$!'()*#")
_BASH_QUOTES = frozenset(b" \t'\"\\|&;()<>!{}*[]?^$`,")  # by `printf %q`, bash's lib/sh/shquote.c
_SHELL_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:./-")
_ANSI_C_ESCAPES = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 11: b"\\v", 12: b"\\f", 13: b"\\r", 27: b"\\E"}


def is_masked(value: bytes) -> bool:
    """Return whether a value is masked: it has four characters or more, is not blank, and is no trivial word."""
    text = value.strip(b"\r\n").decode("utf-8", "surrogateescape")
    return len(text) >= SHORTEST and bool(text.strip()) and text.strip().lower() not in TRIVIAL


def all_forms(values: Iterable[bytes]) -> list[bytes]:
    """Return all forms of all `values` that are masked, each once, in a fixed order."""
    return sorted({form for value in values if is_masked(value) for form in forms_of(value)})


def forms_of(value: bytes) -> set[bytes]:
    """Return the forms of one value: what must not show. Each has at least SHORTEST bytes."""
    texts = {value.strip(b"\r\n"), value.strip()}  # a newline at the end is not secret, and separates what follows
    lines = value.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if len(lines) > 1:
        joined = (newline.join(lines) for newline in (b"\n", b"\r\n"))
        texts |= {one for text in joined for one in (text.strip(b"\r\n"), text.strip())}
    stripped = {line.strip() for line in lines}
    texts = {text for text in texts if is_masked(text)}
    found = set(texts) | {line for line in stripped if is_masked(line)}
    if len(value) <= LARGEST_ENCODED:
        for text in found.copy():
            found.update(_escaped(text))
        for text in {*texts, value} if is_masked(value) else texts:
            found.update(_encoded(text))
            found.update(_encoded(text + b"\n"))  # as `echo` gives it to the next program
    found.update(_short_lines(lines))
    return {form for form in found if len(form) >= SHORTEST}


def _encoded(data: bytes) -> Iterator[bytes]:
    """Yield the forms of data that become unreadable: hex and base64."""
    yield data.hex().encode()
    yield data.hex().upper().encode()
    for form in _base64(data):
        yield form
        yield form.translate(_URL_SAFE)


_URL_SAFE = bytes.maketrans(b"+/", b"-_")  # RFC 4648, 5


def _base64(data: bytes) -> Iterator[bytes]:
    """
    Yield the characters of base64 that show `data`, for each of its three positions in a group of three bytes.

    Each position has three ends: something follows (then the last character may hold a part of that, and is left
    out), nothing follows, and nothing follows with padding. A character that `data` shares with what stands before it
    is left out too: it holds at most four bits of `data`.
    """
    for position, skipped in enumerate((0, 2, 3)):
        padded = binascii.b2a_base64(b"\0" * position + data, newline=False)
        yield padded[skipped : (len(data) + position) * 8 // 6]
        yield padded[skipped:]
        yield padded[skipped:].rstrip(b"=")
    for width in WIDTHS:
        whole = binascii.b2a_base64(data, newline=False)
        if len(whole) <= width:
            continue
        lines = [whole[start : start + width] for start in range(0, len(whole), width)]
        yield b"\n".join(lines)
        yield b"\r\n".join(lines)
        yield from (line for line in lines if len(line) >= 2 * SHORTEST)


def _escaped(data: bytes) -> Iterator[bytes]:
    """Yield the forms of data that stay readable: in a URL, JSON, a program text, a shell, HTML."""
    if data.isalnum():
        return
    for table in _TABLES:
        yield b"".join(map(table.__getitem__, data))
    for table in _URL_TABLES:
        escaped = b"".join(map(table.__getitem__, data))
        yield escaped
        yield escaped.replace(b"%20", b"+")
    yield data.replace(b"'", b"'\"'\"'")
    yield data.replace(b"'", b"'\\''")
    yield from _json(data)


def _json(data: bytes) -> Iterator[bytes]:
    """Yield a text as it stands in JSON or in a Python program, without the quotes around it."""
    yield repr(data)[2:-1].encode("ascii")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # JSON has only text
    yield repr(text)[1:-1].encode()
    as_text = text.translate(_JSON_ESCAPES)
    in_ascii = "".join(char if char.isascii() else _in_utf16(char) for char in as_text)
    for escaped in (as_text, in_ascii, in_ascii.replace("\x7f", "\\u007f")):
        for one in (escaped, escaped.replace("/", "\\/")):
            yield one.encode()
            html = one  # Go and some of Java write these as if the text might stand in HTML
            for character in "<>&":
                html = html.replace(character, f"\\u{ord(character):04x}")
            yield html.encode()
            yield html.replace("'", "\\u0027").replace("=", "\\u003d").encode()


def _in_utf16(char: str) -> str:
    """Return a character as JSON writes it in ASCII: by its one or two units of UTF-16 (RFC 8259, 7)."""
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


_JSON_ESCAPES = {number: f"\\u{number:04x}" for number in range(32)} | {
    8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\",
}  # fmt: skip


def _short_lines(lines: list[bytes]) -> Iterator[bytes]:
    """Yield lines that are too short to be looked for alone, each with the line before it, for each usual indent."""
    count = 0
    for before, short in pairwise([line.strip() for line in lines]):
        if not short.strip(b"{}[](),;") or is_masked(short) or not is_masked(before) or count == MOST_SHORT_LINES:
            continue
        count += 1
        for newline in (b"\n", b"\r\n"):
            yield from (before + newline + indent + short for indent in INDENTS)


def _table(escape: Callable[[int], bytes | None]) -> list[bytes]:
    """Return what stands for each byte, where `escape` returns None for one that stays."""
    return [escape(byte) or b"%c" % byte for byte in range(256)]


def _behind_backslash(special: Collection[int]) -> list[bytes]:
    return _table(lambda byte: b"\\%c" % byte if byte in special else None)


def _ansi_c(byte: int) -> bytes | None:
    return _ANSI_C_ESCAPES.get(byte) or (b"\\%c" % byte if byte in b"\\'" else None)


def _html(quote: bytes, apostrophe: bytes) -> list[bytes]:
    escapes = {38: b"&amp;", 60: b"&lt;", 62: b"&gt;", 34: quote, 39: apostrophe}
    return _table(escapes.get)


_URL_TABLES = [
    _table(lambda byte, plain=_URL_PLAIN | frozenset(also), how=how: None if byte in plain else how % byte)  # type: ignore[misc]
    for also in _URL_ALSO_PLAIN
    for how in (b"%%%02X", b"%%%02x")
]
_TABLES = [
    _behind_backslash(b'\\"$`'),
    _behind_backslash(b'\\"$`!'),
    _behind_backslash(_BASH_QUOTES),
    _behind_backslash(frozenset(range(128)) - _SHELL_PLAIN),
    _table(_ansi_c),
    _table(lambda byte: _ansi_c(byte) or (b"\\%03o" % byte if byte < 32 or byte >= 127 else None)),
    _html(b"&quot;", b"&#x27;"),
    _html(b"&#34;", b"&#39;"),
    _html(b"&quot;", b"&apos;"),
    _html(b"&quot;", b"'"),
    _html(b'"', b"'"),
]
