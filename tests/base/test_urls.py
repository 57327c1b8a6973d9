"""Plain URLs are taken apart as the standard library does it."""

from __future__ import annotations

from urllib.parse import urlsplit

import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.base.urls import split_url

PIECES = st.sampled_from(
    ["https", "HTTP", "ftp", "://", ":", "/", "//", "a", "Host", ".", "localhost", "443", "99999", "00080", "-", "_",
     "~", "@", "?", "#", "[", "]", "[::1]", "%", " ", "é", "\\", "u:p"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=9).map("".join)
LIKELY = st.lists(PIECES, max_size=6).map(lambda some: "https://" + "".join(some))


@settings(deadline=None, max_examples=1000)
@given(TEXTS | LIKELY)
def test_agrees_with_the_standard_library(text: str) -> None:
    """Each part is the same, whatever the text; where there is no host or no right port, both refuse."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        if host is not None and not host.isascii():
            host = idna.encode(host, uts46=True).decode()
    except ValueError:
        host, port = None, None
    if host is None:
        with pytest.raises(ValueError, match=r".*"):
            split_url(text)
        return
    found = split_url(text)

    assert (found.scheme, found.netloc, found.host, found.port, found.path) == (
        parts.scheme, parts.netloc, host, port, parts.path,
    )  # fmt: skip
    assert found.has_extra_parts == bool(parts.username is not None or parts.query or parts.fragment)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("straße.de", "xn--strae-oqa.de"), ("BÜCHER.example", "xn--bcher-kva.example"), ("βόλος.com", "xn--nxasmm1c.com")],
)
def test_international_names(name: str, asked: str) -> None:
    """A name is the one that browsers go to (IDNA 2008), not what Python's own codec makes of it."""
    assert split_url(f"https://{name}:8443/path").host == asked
