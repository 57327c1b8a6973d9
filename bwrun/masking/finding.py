"""
Finding the places in a text where one of many forms may begin.

A form is looked for by its head, its first bytes; `bwrun.masking.stream` compares the rest. So the time
hardly depends on the number and the length of the forms, and a form may be as long as it likes.

Hyperscan does it, where it is installed: at 4 GB/s whether there are 10 heads or 1,000, where other libraries reach
0.1 to 0.6 (`python -m tests.bench.finders`). It has no wheel for some systems; there `re` takes its place.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Finder = Callable[[bytes], set[int]]  # returns the places in a text where a head begins

LONG_HEAD, SHORT_HEAD = 8, 6  # bytes
# Hyperscan is fastest with heads of 8 bytes, but from about this many on it prepares those five times as long as heads
# of 6: 68 instead of 14 ms with 200 values (`python -m tests.bench.finders`).
MANY = 512


def heads_of(forms: Collection[bytes]) -> list[bytes]:
    """Return the heads of all forms, each once, sorted."""
    heads = {form[:LONG_HEAD] for form in forms}
    if len(heads) > MANY:
        heads = {head[:SHORT_HEAD] for head in heads}
    return sorted(heads)


def load(folder: str) -> None:
    """
    Load Hyperscan from a folder of packages, into a process without the others; if it is not there, load nothing.

    The package's own `__init__` is left out: it imports `typing`, which takes 12 ms of the 14.
    """
    import sys  # noqa: PLC0415

    package = type(sys)("hyperscan")
    package.__path__ = [os.path.join(folder, "hyperscan")]
    sys.modules["hyperscan"] = package
    try:
        import hyperscan._hs_ext  # type: ignore[import-not-found] # noqa: F401, PLC0415
    except ImportError:
        del sys.modules["hyperscan"]


def folder_of_packages() -> str:
    """Return the folder from which `load()` can load Hyperscan; empty: it is not installed."""
    import sys  # noqa: PLC0415

    return next((path for path in sys.path if os.path.isdir(os.path.join(path, "hyperscan"))), "")


def make_finder(heads: list[bytes]) -> Finder:
    """Return a function that finds all `heads` in a text. None of the heads may be empty."""
    if not heads:
        return lambda _: set()
    try:
        return hyperscan_finder(heads)
    except ImportError:
        return re_finder(heads)


def hyperscan_finder(heads: list[bytes]) -> Finder:
    """
    Return a function that finds all `heads` in a text with Hyperscan.

    Raises ImportError: it is not installed.
    """
    from hyperscan._hs_ext import HS_MODE_BLOCK, Database  # noqa: PLC0415  (not on all systems)

    # This binding takes the NUL in a literal for its end. As a regular expression each head takes ten times as long to
    # compile, so that is done with those alone that have one.
    plain = [head for head in heads if 0 not in head]
    others = [head for head in heads if 0 in head]
    databases = []
    for texts, literal in ((plain, True), ([b"".join(b"\\x%02x" % byte for byte in head) for head in others], False)):
        if texts:
            database = Database(mode=HS_MODE_BLOCK)
            numbers = list(range(len(texts)))
            database.compile(expressions=texts, ids=numbers, flags=[0] * len(texts), literal=literal)
            databases.append((database, [len(head) for head in (plain if literal else others)]))

    def find(text: bytes) -> set[int]:
        found: set[int] = set()
        for database, sizes in databases:
            database.scan(text, match_event_handler=lambda number, _, end, *_more: found.add(end - sizes[number]))  # noqa: B023  (called within scan)
        return found

    return find


def re_finder(heads: list[bytes]) -> Finder:
    """Return a function that finds all `heads` in a text with Python's `re`, which is slower and as right."""
    import re  # noqa: PLC0415  (only without Hyperscan)

    # A match has no length, so that the next one may begin within its head.
    search = re.compile(b"(?=%b)" % _branches(heads), re.DOTALL).finditer
    return lambda text: {match.start() for match in search(text)}


def _branches(heads: list[bytes]) -> bytes:
    """
    Return a pattern for `heads`, which share their beginnings in it: so each byte of the text is compared a few times.

    A head that is the beginning of another one stands for both: where it is found, the other one is looked for too.
    """
    from re import escape  # noqa: PLC0415

    groups: dict[bytes, list[bytes]] = {}
    for head in heads:
        if not head:
            return b""
        groups.setdefault(head[:1], []).append(head[1:])
    branches = [escape(first) + _branches(rest) for first, rest in groups.items()]
    return branches[0] if len(branches) == 1 else b"(?:%b)" % b"|".join(branches)
