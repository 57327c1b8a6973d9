"""
Finding the places in a text where one of many forms may begin.

A form is looked for by its head, its first five bytes at most; `bwrun.masking.stream` compares the rest. So the time
hardly depends on the number and the length of the forms, and a form may be as long as it likes.

Hyperscan does it, where it is installed: at 4 GB/s whether there are 10 heads or 1,000, where other libraries reach
0.1 to 0.6 (`python -m tests.bench.finders`). It has no wheel for some systems; there `re` takes its place.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Finder = Callable[[bytes], set[int]]  # returns the places in a text where a head begins

HEAD = 5  # bytes; with 200 values Hyperscan takes 15 ms to prepare heads of 5 bytes, and 90 for those of 8


def heads_of(forms: Collection[bytes]) -> list[bytes]:
    """Return the heads of all forms, each once, sorted."""
    return sorted({form[:HEAD] for form in forms})


def prepare() -> None:
    """Load the library that will be needed, in a process that has nothing else to do yet."""
    try:
        import hyperscan  # noqa: F401, PLC0415
    except ImportError:
        import re  # noqa: F401, PLC0415


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
    import hyperscan  # noqa: PLC0415  (5 ms, and not on all systems)

    # This binding takes the NUL in a literal for its end. As a regular expression each head takes ten times as long to
    # compile, so that is done with those alone that have one.
    plain = [head for head in heads if 0 not in head]
    others = [head for head in heads if 0 in head]
    databases = []
    for texts, literal in ((plain, True), ([b"".join(b"\\x%02x" % byte for byte in head) for head in others], False)):
        if texts:
            database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
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
