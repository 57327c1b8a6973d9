"""
Names that look the same.

A letter with an accent can be one character (Unicode's form NFC, which keyboards make) or a letter and an accent (NFD,
which macOS makes of file names).  The server stores what a client sent, so a name can be stored in another form than
it is asked for.
"""

from __future__ import annotations

from collections.abc import Collection


def same_names(wanted: str, names: Collection[str]) -> list[str]:
    """Return `wanted` if it is one of `names`; otherwise those of `names` that differ from it only in their form."""
    if wanted in names:
        return [wanted]
    if wanted.isascii():
        return []
    from unicodedata import normalize  # noqa: PLC0415  (only for a name with other letters, which is not found)

    form = normalize("NFC", wanted)
    return [name for name in names if normalize("NFC", name) == form]


def form_of(name: str) -> str:
    """Return the Unicode form of a name, for messages."""
    from unicodedata import is_normalized  # noqa: PLC0415  (only for a hint)

    return next((form for form in ("NFC", "NFD") if is_normalized(form, name)), "a mixed form")
