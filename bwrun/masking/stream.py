"""
Replacing all values in a stream, however it is cut into pieces.

What comes out is a function of the whole stream: every occurrence of every form is found, those that overlap become one
mask, and all other bytes stay. Bytes are held back only while they may still become a value:

    the stream so far     ... some text │ hunt
                                        └ the beginning of a form: held back until the next byte decides

`release()` shows what is held back, e.g. because the command waits for an answer to it. It stays in memory all the
same: if it becomes a value after all, what follows is masked.
"""

from __future__ import annotations

from bisect import bisect_right

from bwrun.masking.finding import heads_of, make_finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from bwrun.masking.finding import Finder

NECK = 64  # bytes: of a longer form these are looked up first
MASK = b"<concealed by bwrun>"


class Forms:
    """All forms to look for, ready to be compared; streams share it."""

    def __init__(self, forms: Collection[bytes], finder: Finder | None = None) -> None:
        """Take the `forms`, none of which is empty; `finder` finds their heads."""
        heads = heads_of(forms)
        self.head = max(map(len, heads), default=1)
        self.find = finder or make_finder(heads)
        self._by_head: dict[bytes, list[bytes]] = {}  # each list sorted
        self._short = frozenset(form for form in forms if len(form) <= NECK)
        self._long: dict[bytes, list[bytes]] = {}  # by their first NECK bytes
        for form in sorted(set(forms)):
            self._by_head.setdefault(form[: self.head], []).append(form)
            if len(form) > NECK:
                self._long.setdefault(form[:NECK], []).append(form)
        # The lengths of the short forms with each head, the greatest first.
        self._lengths = {
            head: sorted({len(form) for form in group if len(form) <= NECK}, reverse=True)
            for head, group in self._by_head.items()
        }
        self._head_sizes = sorted(set(map(len, heads)), reverse=True)
        self.beginnings = {head[:size] for head in heads for size in range(1, len(head))}

    def starting_at(self, text: bytes, start: int) -> tuple[int, bool]:
        """Return the end of the longest form that is at `start` (or `start`), and whether a longer one may follow."""
        end, may_follow = start, False
        left = len(text) - start
        for form in self._long.get(text[start : start + NECK], ()):
            if text.startswith(form, start):
                end = max(end, start + len(form))
            elif len(form) > left and form.startswith(text[start:]):
                may_follow = True
        for size in self._head_sizes:
            head = text[start : start + size]
            if left <= NECK and head in self._by_head:
                may_follow = may_follow or self._may_follow(self._by_head[head], text[start:])
            for length in self._lengths.get(head, ()):
                if length <= left and text[start : start + length] in self._short:
                    end = max(end, start + length)
                    break
        return end, may_follow

    @staticmethod
    def _may_follow(forms: list[bytes], beginning: bytes) -> bool:
        """Return whether one of the sorted `forms` begins with `beginning` and is longer."""
        place = bisect_right(forms, beginning)
        return place < len(forms) and forms[place].startswith(beginning)


class MaskedStream:
    """One stream of output."""

    def __init__(self, forms: Forms) -> None:
        """Mask the `forms`."""
        self._forms = forms
        self._text = b""  # what may become a value, from its first byte on
        self._written = 0  # how many bytes of it have been written, masked or (after release()) as they are
        self._masked = 0  # where the last mask that was written ends in it

    @property
    def is_holding(self) -> bool:
        """Return whether bytes are held back."""
        return self._written < len(self._text)

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the stream; return what can be written."""
        text = self._text + data if self._text else data
        spans, undecided = self._search(text)
        if not spans and not self._text and undecided == len(text):
            return data
        output = self._write(text, spans, undecided)
        self._text = text[undecided:]
        self._written = max(0, self._written - undecided)
        self._masked = max(0, self._masked - undecided)
        return output

    def release(self) -> bytes:
        """Return what is held back, with the whole values in it masked. More of the stream may follow."""
        spans, _ = self._search(self._text)
        return self._write(self._text, spans, len(self._text))

    def _search(self, text: bytes) -> tuple[list[tuple[int, int]], int]:
        """Return the places of all values in `text`, sorted, and where what may become one begins."""
        forms = self._forms
        undecided = len(text)
        spans = []
        for start in forms.find(text):
            end, may_follow = forms.starting_at(text, start)
            if end > start:
                spans.append((start, end))
            if may_follow and start < undecided:
                undecided = start
        for size in range(min(forms.head - 1, len(text)), 0, -1):
            if text[-size:] in forms.beginnings:
                undecided = min(undecided, len(text) - size)
                break
        spans.sort()
        return spans, undecided

    def _write(self, text: bytes, spans: list[tuple[int, int]], limit: int) -> bytes:
        """
        Return what can be written of `text` when all values that begin before `limit` are known.

        A value that begins at `limit` is masked too: what may become a longer one there begins with the same mask.
        """
        output = []
        for start, end in spans:
            if start > limit:
                break
            if end <= self._written:
                continue
            if start >= self._written:
                output += [text[self._written : start], MASK]
            elif start >= self._masked or self._masked < self._written:
                output.append(MASK)  # the value began in what was released
            self._written = self._masked = end
        if self._written < limit:
            output.append(text[self._written : limit])
            self._written = limit
        return b"".join(output)
