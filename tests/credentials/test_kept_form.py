"""What is read from the file and the keyring of `bwrun --login` is either whole, or refused with one kind of error."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bwrun.credentials.kept_entry import KeptEntry, read_entries, read_entry

ID = "user.00000000-0000-4000-8000-000000000000"
URL = "https://vault.example.com"
WHOLE: dict[str, Any] = {
    "server": {"base": URL, "identity": f"{URL}/identity", "api": f"{URL}/api"},
    "account": "ada@example.com",
    "client_id": ID,
    "client_secret": "secret",
    "in_keyring": ["master_password"],
}
TEXTS = st.text() | st.sampled_from(["client_secret", "master_password", ID, URL, "http://[", "\ud800", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
SERVERS = st.fixed_dictionaries(dict.fromkeys(("base", "identity", "api"), VALUES | TEXTS))
CHANGES = st.dictionaries(st.sampled_from(sorted(WHOLE)), VALUES | SERVERS, max_size=2)


def check(entry: KeptEntry) -> None:
    """Look whether an entry has what later code relies on."""
    assert isinstance(entry.account, str)
    assert entry.client_id.removeprefix("user.").isascii()
    assert entry.server.identity.startswith("http")
    assert set(entry.names) <= {"BW_CLIENTSECRET", "BW_PASSWORD"}
    assert all(secret.reveal() for secret in entry.secrets.values())


@given(VALUES)
def test_any_json(value: object) -> None:
    """JSON of any other form is a ValueError, which the callers turn into an error that names the file."""
    text = json.dumps(value)
    for read in (lambda: read_entry(text), lambda: read_entries(text.encode())):
        try:
            read()
        except ValueError:
            continue
        assert isinstance(value, dict)


@given(CHANGES)
def test_entry_with_changes(changes: dict[str, object]) -> None:
    """A whole entry of which some values were changed is read as one that can be used, or is a ValueError."""
    form = WHOLE | changes
    try:
        entry = read_entry(json.dumps(form))
    except ValueError:
        assert changes
        return
    check(entry)


@given(VALUES, CHANGES)
def test_file_with_changes(value: object, changes: dict[str, object]) -> None:
    """The same holds for the entries of the file."""
    profiles = {"default": WHOLE | changes, "other": value}
    try:
        entries = read_entries(json.dumps({"version": 1, "profiles": profiles}).encode())
    except ValueError:
        return
    for entry in entries.values():
        check(entry)
