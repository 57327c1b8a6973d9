"""Templates: which bytes are references, what stands in their place, and nothing else changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bwrun.base.errors import ConfigError, InvalidReferenceError, UsageError
from bwrun.injection.templates import MAX_SIZE, Template, parse_template, parse_template_option, read_template_bytes
from bwrun.references.grammar import parse

BEFORE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.@-"
STOPS = b" \t\n\r\x0b\x0c\"'`<>(){}[]|\\;,"
PIECES = [
    b"bw://", b"BW://", b"bw://a", b"bw://a/b", b"{{", b"}}", b"{", b"}", b" ", b"\t", b"\n", b"\r\n", b"@", b"x", b"/",
    b"{{ bw://a b/password }}", b"{{bw://a}}", b"{{ @bw://a }}", b"?folder=", b"&", b"#", b"%20", b"\xff", b"\0", b'"',
    b"'", b",", b";", b"|", b"\\", b"`", b"<", b">", b"(", b")", b"[", b"]", b"=", b":", "é€".encode(), b"+bw://a",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join) | st.binary(max_size=40)


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a path for templates."""
    return tmp_path_factory.mktemp("templates") / "t"


def read(file: Path, text: bytes) -> tuple[Template, list[str]]:
    """Write and read a template; return it with the places of what is wrong in it."""
    file.write_bytes(text)
    template, failures = parse_template(str(file), "T", "t", read_template_bytes(str(file)))
    assert {failure.code for failure in failures} <= {"reference.invalid"}
    return template, [failure.name for failure in failures]


def scan(text: bytes) -> list[tuple[int, int, bytes]]:
    """Return start, end and text of each reference, byte by byte: the grammar once more, without a pattern."""
    found, at = [], 0
    while at < len(text):
        end = None
        if text.startswith(b"{{", at):
            start = at + 2
            while text[start : start + 1] in (b" ", b"\t"):
                start += 1
            scheme = start + (text[start : start + 1] == b"@")
            line = re.split(rb"[\r\n]", text[scheme:])[0]
            inside, closed, _ = line[5:].partition(b"}}")
            if line[:5].lower() == b"bw://" and closed and b"{{" not in inside:
                end = scheme + 5 + len(inside) + 2
                found.append((at, end, text[start : end - 2].rstrip(b" \t")))
        if end is None and text[at : at + 5].lower() == b"bw://" and (at == 0 or text[at - 1] not in BEFORE):
            end = at + 5
            while end < len(text) and text[end] not in STOPS:
                end += 1
            found.append((at, end, text[at:end]))
        at = at + 1 if end is None else end
    return found


def place(file: Path, text: bytes, start: int) -> str:
    """Return how messages name a place."""
    before = text[:start].split(b"\n")
    return f"`{file}` line {len(before)} column {len(before[-1].decode(errors='replace')) + 1}"


@settings(deadline=None)
@given(texts)
@example(b"{{ bw://a }} }}")
@example(b"{{ {{ bw://a }}")
@example(b"{{ bw://a\n}}")
@example(b"xbw://a -bw://b @bw://c =bw://d")
def test_finds_and_fills_as_the_grammar_says(file: Path, text: bytes) -> None:
    """Every reference of any file is found or refused by its place, and everything else stays byte for byte."""
    template, wrong = read(file, text)

    expected_placeholders, expected_wrong, filled, end = [], [], b"", 0
    for start, stop, found in scan(text):
        where = place(file, text, start)
        try:
            reference = parse(found.decode("utf-8", "surrogateescape"))
        except InvalidReferenceError:
            expected_wrong.append(where)
            continue
        expected_placeholders.append((reference, start, stop, where))
        filled += text[end:start] + b"<%d\0\xff>" % start
        end = stop
    assert wrong == expected_wrong
    assert [
        (placeholder.reference, placeholder.start, placeholder.end, placeholder.place)
        for placeholder in template.placeholders
    ] == expected_placeholders
    assert (
        template.fill({placeholder.place: b"<%d\0\xff>" % placeholder.start for placeholder in template.placeholders})
        == filled + text[end:]
    )


@pytest.mark.parametrize("stop", list("\"'`<>(){}[]|\\;, \t\n\r"))
def test_a_bare_reference_ends(file: Path, stop: str) -> None:
    """Each of the characters that are documented ends a bare reference, and stays."""
    template, wrong = read(file, f"a=bw://x/y{stop}z".encode())

    assert wrong == []
    assert template.fill({placeholder.place: b"V" for placeholder in template.placeholders}) == f"a=V{stop}z".encode()


@pytest.mark.parametrize("text", ["{{ bw://x y/z }}", "{{bw://x y/z}}", "{{\tbw://x y/z \t}}", "{{ bw://x%20y/z }}"])
def test_a_braced_reference(file: Path, text: str) -> None:
    """Between braces a reference is what it is as a variable's value, spaces in a name and all."""
    template, wrong = read(file, f"[{text}]".encode())

    assert wrong == []
    assert [placeholder.reference for placeholder in template.placeholders] == [parse("bw://x y/z")]
    assert template.fill({placeholder.place: b"V" for placeholder in template.placeholders}) == b"[V]"


@pytest.mark.parametrize("piece", [b"{{ bw://", b"{{ bw://a" + b" " * 4096, b"bw://a,", b"{{bw://a}}", b"@bw://{"])
def test_any_file_is_read_in_one_pass(file: Path, piece: bytes) -> None:
    """A megabyte of what begins and never ends, or of nothing but references on one line, is read like any other."""
    _, wrong = read(file, piece * ((1 << 20) // len(piece)))

    assert len(wrong) in (0, 1 << 17)  # `bw://` alone, before the next brace, names no item


def test_a_value_is_not_read_again(file: Path) -> None:
    """A value that looks like a reference, or like a replacement, comes in as it is."""
    template, _ = read(file, b"bw://a bw://b")
    first, second = (placeholder.place for placeholder in template.placeholders)

    assert template.fill({first: b"bw://b \\1 \\g<0>", second: b"{{ bw://a }}"}) == b"bw://b \\1 \\g<0> {{ bw://a }}"


def test_says_where_and_what_to_write(file: Path) -> None:
    """A bare reference that is none is shown its braced form; a file's path has no place in a template."""
    file.write_bytes("é\nü bw://x/\n{{ @bw://x }}\n{{ BW://y }}".encode())
    _, failures = parse_template(str(file), "T", "t", read_template_bytes(str(file)))

    places = [f"`{file}` line 2 column 3", f"`{file}` line 3 column 1", f"`{file}` line 4 column 1"]
    assert [failure.name for failure in failures] == places
    assert "mark where the reference ends with braces: `{{ bw://ITEM/FIELD }}`" in failures[0].hints
    assert failures[1].hints == ("write `{{ bw://… }}` for the value",)
    assert len(failures[2].hints) == 1


def test_the_largest_template(file: Path) -> None:
    """A template of the largest size is read, one byte more is refused by name."""
    with file.open("wb") as sparse:
        sparse.truncate(MAX_SIZE)
    template, _ = parse_template(str(file), "T", "t", read_template_bytes(str(file)))
    assert len(template.text) == MAX_SIZE

    with file.open("ab") as sparse:
        sparse.write(b"x")
    with pytest.raises(ConfigError) as caught:
        parse_template(str(file), "T", "t", read_template_bytes(str(file)))
    assert (caught.value.code, caught.value.message) == (
        "config.template",
        f"the template `{file}` is larger than 16 MiB",
    )


@pytest.mark.parametrize("path", ["/nonexistent/t", "/", "a\0b", ""])
def test_cannot_be_read(path: str) -> None:
    """What cannot be read is refused with the reason."""
    with pytest.raises(ConfigError) as caught:
        read_template_bytes(path)
    assert caught.value.code == "config.template"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("t:T", ("t", "T", "T")),
        ("a.conf.tpl:app.conf", ("a.conf.tpl", "APP_CONF", "app.conf")),
        ("dir/a:b:my-app.yml", ("dir/a:b", "MY_APP_YML", "my-app.yml")),
        ("/dev/fd/63:lower_case", ("/dev/fd/63", "lower_case", "lower_case")),
        ("t:a b", ("t", "A_B", "a b")),
        ("t:straße", ("t", "STRASSE", "straße")),
    ],
)
def test_in_and_out(text: str, result: tuple[str, str, str]) -> None:
    """OUT is a variable, or a file's name, which gives the variable; the last colon parts."""
    assert parse_template_option(text) == result


ODD = [
    "t", "t:", ":T", ":", "", "t:a/b", "t:../x", "t:.hidden", "t:..", "t:1abc", "t:a\nb", "t:a\x1b", "t:\udcff",
    "t:PATH", "t:LD_PRELOAD", "t:bw.session", "t:BW_SESSION", "t:BW_PASSWORD", "t:bwrun.x", "t:" + "x" * 201,
]  # fmt: skip


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_odd_out(text: str) -> None:
    """OUT that is no plain name, or the name of what no template may be, is refused."""
    with pytest.raises(UsageError) as caught:
        parse_template_option(text)
    assert caught.value.code == "usage.template"


@given(st.text(st.sampled_from("tT:/._- aé1\n\0\x1b")) | st.text())
def test_out_is_always_a_plain_name(text: str) -> None:
    """Whatever is given: an error of the usage, or a variable's name and the name of a file in one directory."""
    try:
        path, variable, name = parse_template_option(text)
    except UsageError:
        return
    assert f"{path}:{name}" == text
    assert re.match(r"\A[A-Za-z_][A-Za-z0-9_]*\Z", variable)
    assert "/" not in name
    assert "\0" not in name
    assert name not in ("", ".", "..")
