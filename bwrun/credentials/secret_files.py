"""Reading one secret from a file or from an open descriptor."""

from __future__ import annotations

import os

from bwrun.base.deadline import Deadline
from bwrun.base.errors import CredentialError
from bwrun.base.reading import read_file_and_status, read_line
from bwrun.base.sensitive import Sensitive
from bwrun.credentials.doubts import doubts, exposed
from bwrun.credentials.found import Secret

MAX_SIZE = 64 * 1024  # bytes of a file with one secret


def read_secret_file(path: str, setting: str, deadline: Deadline) -> Secret:
    """Return the secret in the file that a setting names. Raises CredentialError; NetworkError: the deadline."""
    try:
        data, status = read_file_and_status(path, MAX_SIZE + 1, deadline)
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else "the name contains a NUL byte"
        # A "path" without a slash that does not exist may be the secret itself, set in the wrong variable: not shown.
        shown = (
            f"`{path}` (from {setting})" if "/" in path or os.path.exists(path) else f"the file that {setting} names"
        )
        raise CredentialError("unreadable", f"cannot read {shown}: {why}") from None
    secret = _strip_newline(data, f"`{path}` (from {setting})")
    return Secret(secret, f"`{path}`", doubts(secret.reveal()), exposed(path, status))


def read_descriptor(number: str, own_descriptors: tuple[int, ...], deadline: Deadline) -> Sensitive:
    """
    Return the secret in the open descriptor with this number, and close it unless it is a standard one.

    Raises CredentialError: it is none, or one of bwrun's `own_descriptors`; NetworkError: the deadline has passed.
    """
    where = f"descriptor {number} (from `--password-fd`)"
    if not (number.isascii() and number.isdigit()) or len(number) > 9:
        raise CredentialError("bad-fd", "`--password-fd` needs the number of an open descriptor")
    if int(number) in own_descriptors:
        raise CredentialError("unreadable", f"{where} is not open")
    try:
        data = read_line(int(number), MAX_SIZE + 1, deadline)
        if int(number) > 2:
            os.close(int(number))  # or the command would inherit it
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CredentialError(
            "unreadable",
            f"cannot read {where}: {why}",
            "open it in the shell: `bwrun --password-fd 3 -- COMMAND 3<FILE`",
        ) from None
    return _strip_newline(data, where)


def _strip_newline(data: bytes, place: str) -> Sensitive:
    """Return a secret without the newline at its end. Spaces stay: a password may begin or end with one."""
    if len(data) > MAX_SIZE:
        raise CredentialError(
            "too-large", f"{place} contains more than {MAX_SIZE >> 10} KiB", "check that it contains only the secret"
        )
    secret = data.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise CredentialError("empty", f"{place} is empty")
    return Sensitive(secret)
