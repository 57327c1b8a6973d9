"""The secrets of an item that must not show in a log: passwords, hidden fields, TOTP seeds, private keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

from bwrun.base.errors import BwrunError
from bwrun.base.sensitive import Sensitive
from bwrun.references import fields
from bwrun.vault.items import Item

T = TypeVar("T")


def secrets_of(item: Item) -> list[Sensitive]:
    """Return the secrets of an item. What cannot be decrypted is left out: no program can show it."""
    texts: list[str | None] = []
    if item.kind == fields.LOGIN:
        texts += _read(lambda: [item.own_text("password")])
        for seed in _read(lambda: [item.own_text("totp")]):
            texts += [seed, *_seeds_in_address(seed or "")]
    if item.kind == fields.SSH_KEY:
        texts += _read(lambda: [item.own_text("privateKey")])
    for entry in _read(item.password_history):
        texts += _read(lambda entry=entry: [item.text(entry.get("password"), "a former password")])  # type: ignore[misc]
    for custom in _read(item.custom_fields):
        if custom.kind == fields.HIDDEN:
            texts += _read(lambda custom=custom: [item.text(custom.value, "a hidden field")])  # type: ignore[misc]
    return [Sensitive(text.encode()) for text in texts if text]


def _read(read: Callable[[], Iterable[T]]) -> list[T]:
    try:
        return list(read())
    except BwrunError:
        return []


def _seeds_in_address(address: str) -> list[str]:
    """Return the seed in an `otpauth://` or `steam://` address."""
    try:
        parts = urlsplit(address)
        return [parts.netloc] if parts.scheme == "steam" else parse_qs(parts.query).get("secret", [])
    except ValueError:
        return []
