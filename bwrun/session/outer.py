"""
Finding the session of the outer bwrun, if this bwrun runs inside another one.

The variables alone prove nothing, because anybody can set them.  The directory
must belong to this user alone and contain a mark, its bwrun must be running,
and the mark must match the value of BW_SESSION.

This module imports little of the standard library and nothing else, so that a
nested run takes little more time than the start of Python.
"""

from __future__ import annotations

import os

try:  # CPython's own module: the module `hashlib` loads OpenSSL, which takes 4 ms of 23
    from _sha2 import sha256  # type: ignore[import-not-found]  # from 3.12 on
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]
    except ImportError:
        from hashlib import sha256

from bwrun.supervisor import directory

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARK_FILE = "session"


class Mark:
    """The facts about a session by which a nested bwrun decides whether it can use it."""

    def __init__(  # noqa: PLR0913  (a mark has seven facts)
        self, fingerprint: str, client_id: str, identity: str, api: str, *, has_api_key: bool, renews: bool, limits: str
    ) -> None:
        """
        Take the facts.

        `fingerprint` is that of BW_SESSION; `identity` and `api` are URLs; `limits` is what `limits_of()` returns.
        """
        self.fingerprint = fingerprint
        self.client_id = client_id
        self.identity = identity
        self.api = api
        self.has_api_key = has_api_key
        self.renews = renews
        self.limits = limits

    def to_bytes(self) -> bytes:
        """Return the content of the mark's file: seven lines."""
        flags = ("key" if self.has_api_key else "-", "renew" if self.renews else "-")
        lines = (self.fingerprint, self.client_id, self.identity, self.api, *flags, self.limits)
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Mark | None:
        """Return the mark that `data` holds, None if it holds none."""
        lines = data.decode("utf-8", "replace").split("\n")
        if len(lines) != 8:
            return None
        return cls(*lines[:4], has_api_key=lines[4] == "key", renews=lines[5] == "renew", limits=lines[6])


def fingerprint(text: str) -> str:
    """Return the SHA-256 of a text, such as BW_SESSION, in hex. It recognizes the text, and does not reveal it."""
    digest: str = sha256(os.fsencode(text)).hexdigest()
    return digest


def limits_of(selectors: Sequence[str]) -> str:
    """Return a fingerprint of the selectors of --only, `-` if there are none. It does not reveal the names of items."""
    return fingerprint("\n".join(selectors)) if selectors else "-"


def find_outer(environment: Mapping[str, str]) -> Mark | None:
    """Return the mark of the outer session, None if there is no outer bwrun that is running."""
    path = environment.get("BITWARDENCLI_APPDATA_DIR", "")
    bw_session = environment.get("BW_SESSION", "")
    if not bw_session or not directory.is_session_name(os.path.basename(path)):
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o777 != 0o700:
            return None
        if not directory.is_owner_alive(descriptor):
            return None
        mark = _read_mark(descriptor)
    finally:
        os.close(descriptor)
    return mark if mark is not None and mark.fingerprint == fingerprint(bw_session) else None


def _read_mark(directory_descriptor: int) -> Mark | None:
    try:
        descriptor = os.open(MARK_FILE, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory_descriptor)
    except OSError:
        return None
    try:
        return Mark.from_bytes(os.read(descriptor, 8192))
    finally:
        os.close(descriptor)
