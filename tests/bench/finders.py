"""
Libraries that could find the forms of values in a stream, side by side: `python -m tests.bench.finders`.

Those that are not installed are left out. To have all: pip install ahocorasick_rs pyahocorasick google-re2
"""

from __future__ import annotations

import importlib
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bwrun.masking.finding import heads_of, hyperscan_finder, re_finder
from bwrun.masking.forms import all_forms
from tests.bench.masking import COUNTS, secrets
from tests.bench.table import say

PIECE = 1 << 18  # bytes
SECONDS = 1.0  # that each is measured

Find = Callable[[bytes], object]


def ahocorasick_rs(heads: list[bytes]) -> Find:
    """Rust's aho-corasick."""
    found: Any = importlib.import_module("ahocorasick_rs").BytesAhoCorasick(heads)
    return lambda text: found.find_matches_as_indexes(text, overlapping=True)


def pyahocorasick(heads: list[bytes]) -> Find:
    """An automaton in C; it takes text, so bytes are read as Latin-1."""
    automaton: Any = importlib.import_module("ahocorasick").Automaton()
    for head in heads:
        automaton.add_word(head.decode("latin-1"), head)
    automaton.make_automaton()
    return lambda text: list(automaton.iter(text.decode("latin-1")))


def google_re2(heads: list[bytes]) -> Find:
    """A DFA; it finds no overlapping matches, so it would need a second search after each."""
    re2: Any = importlib.import_module("re2")
    pattern = re2.compile(b"|".join(map(re2.escape, heads)))
    return lambda text: list(pattern.finditer(text))


def plain_re(heads: list[bytes]) -> Find:
    """Alternatives one after the other."""
    pattern = re.compile(b"|".join(map(re.escape, heads)))
    return lambda text: list(pattern.finditer(text))


def bytes_find(heads: list[bytes]) -> Find:
    """A search for each head."""
    return lambda text: [text.find(head) for head in heads]


FINDERS: list[Callable[[list[bytes]], Find]] = [
    hyperscan_finder, re_finder, ahocorasick_rs, pyahocorasick, google_re2, plain_re, bytes_find,
]  # fmt: skip


def main() -> None:
    """Measure and print: the time to prepare, and the throughput."""
    sources = sorted(Path(random.__file__).parent.glob("*.py"))
    text = b"".join(one.read_bytes() for one in sources)[: 16 * PIECE]
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    say(f"{'values (heads)':18} {'finder':20} {'ready in':>10} {'throughput':>12}")
    for count in COUNTS:
        heads = heads_of(all_forms([one.encode() for one in secrets(count)]))
        for make in FINDERS:
            try:
                ready, speed = measured(make, heads, pieces)
            except ImportError:
                continue
            say(f"{f'{count} ({len(heads)})':18} {make.__name__:20} {ready * 1000:7.1f} ms {speed / 1e6:7.0f} MB/s")


def measured(make: Callable[[list[bytes]], Find], heads: list[bytes], pieces: list[bytes]) -> tuple[float, float]:
    """Return the seconds to prepare, and the bytes in a second."""
    began = time.process_time()
    find = make(heads)
    ready = time.process_time() - began
    size = 0
    began = time.process_time()
    while time.process_time() - began < SECONDS:
        piece = pieces[size // PIECE % len(pieces)]
        find(piece)
        size += PIECE
    return ready, size / (time.process_time() - began)


if __name__ == "__main__":
    main()
