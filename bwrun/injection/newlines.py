"""
The newlines of a value: `newline=lf` in a reference makes them what programs on Unix expect.

ssh refuses a private key without a newline at its end, or with CR LF as its line ends: `error in libcrypto`. Vaults
often hold keys in this form, because a browser or Windows has stored them.
"""

from __future__ import annotations

from bwrun.base.console import WarningMessage
from bwrun.references.grammar import LF, Reference

PEM_BEGIN = b"-----BEGIN "


def with_newlines(value: bytes) -> bytes:
    """Return a value with LF as its line ends, in place of CR LF and CR, and with one newline at its end."""
    return value.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n") + b"\n"


def find_bad_newlines(variable: str, reference: Reference, content: bytes) -> WarningMessage | None:
    """Return the warning for a file with a key or certificate whose newlines programs refuse; None if all is well."""
    if reference.newline is not None or PEM_BEGIN not in content:
        return None
    wrong = ["has CR LF line ends"] if b"\r\n" in content else []
    wrong += ["has no newline at its end"] if not content.endswith(b"\n") else []
    if not wrong:
        return None
    narrowing = (reference.folder, reference.collection, reference.organization)
    cure = Reference(reference.item, reference.field, *narrowing, LF)
    return WarningMessage(
        f"{variable}: the key or certificate in this file {' and '.join(wrong)}, and ssh refuses such a key",
        (f"write `{variable}=@{cure}`, and bwrun corrects the copy in the file",),
    )
