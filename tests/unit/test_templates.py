"""Templates: which bytes are references, and that no other byte changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bwrun.errors import UsageError
from bwrun.templates import read_template, split_option

PLAIN = st.binary(max_size=20).filter(lambda data: b":" not in data and b"{" not in data and b"\n" not in data)
NAMES = st.text("abcXYZ09-_.~", min_size=1, max_size=8)
FORMS = ("bw://{}", '"bw://{}"', "{{{{ bw://{} }}}}", "{{{{bw://{}/username}}}}", "<bw://{}/password>", "(bw://{})")
fast = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(tmp_path: Path, text: bytes) -> tuple[list[str], list[str], bytes]:
    """Return the references of a template, what is wrong in it, and itself with `<N>` for each reference."""
    (tmp_path / "in.tpl").write_bytes(text)
    template, failures = read_template(str(tmp_path / "in.tpl"), "OUT", "OUT")
    filled = template.fill({spot.place: b"<%d>" % number for number, spot in enumerate(template.spots)})
    return [str(spot.reference) for spot in template.spots], [failure.message for failure in failures], filled


@fast
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    """Any bytes are a template; without the scheme in it, it stays as it is."""
    references, failures, filled = read(tmp_path, data)
    if b"bw://" not in data.lower():
        assert (references, failures, filled) == ([], [], data)


@fast
@given(st.lists(st.tuples(PLAIN, st.sampled_from(FORMS), NAMES), max_size=6), PLAIN)
def test_fills_what_was_put_together(tmp_path: Path, parts: list[tuple[bytes, str, str]], rest: bytes) -> None:
    """A template that was put together of texts and references is taken apart at the same places."""
    text, expected, names = b"", b"", []
    for number, (plain, form, name) in enumerate(parts):
        spot = form.format(name).encode()
        text += plain + b" " + spot + b" "
        bare = re.sub(rb"\{\{.*\}\}|bw://[^\">)]*", b"<%d>" % number, spot)
        expected += plain + b" " + bare + b" "
        names.append(name)
    references, failures, filled = read(tmp_path, text + rest)

    assert failures == []
    assert [reference.removeprefix("bw://").partition("/")[0] for reference in references] == names
    assert filled == expected + rest


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("a.tpl:CONF", ("a.tpl", "CONF", "CONF")),
        ("a:b:conf", ("a:b", "conf", "conf")),
        ("a:app.conf", ("a", "APP_CONF", "app.conf")),
        ("/x/y:db-1.json", ("/x/y", "DB_1_JSON", "db-1.json")),
    ],
)
def test_option(option: str, expected: tuple[str, str, str]) -> None:
    """IN ends at the last colon; OUT is a variable, or a file's name that makes one."""
    assert split_option(option) == expected


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_option(text: str) -> None:
    """Any text is an option or a UsageError; a file's name is never a way out of its directory."""
    try:
        _, variable, name = split_option(text)
    except UsageError:
        return
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable)
    assert "/" not in name
    assert name not in {"", ".", ".."}
