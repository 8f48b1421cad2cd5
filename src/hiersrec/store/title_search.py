"""Search items by words of their titles, in milliseconds at a million titles.

    lines.bin, lines.starts.npy   N lines: the titles, case-folded, the most popular item's first (memory_map.py)
    items.npy     (N,) int32      item of each line
    order.npy     (N,) int32      argsort of the lines' bytes
    words.bin, words.starts.npy   the V distinct words of all lines, each after a line feed
    holding.npy   (M,) int32      postings: the lines that hold a word, for all words, concatenated
    first.npy     (V + 1,) int64  offset of each word's postings

A word of a query may be any part of a word of a title. So the distinct words are scanned, a few megabytes instead of
all titles, and the postings of the matching words are joined.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hiersrec.store.memory_map import Texts, as_bytes, expect, mapped, write_texts
from hiersrec.types import Bool, Int32

MOST_PARTS = 5_000
"""A query word is broad if it is part of more distinct words than this, or of words with postings for half of the
lines. Broad words are looked up in the lines themselves: enough of the first lines match."""


class TitleSearch:
    """The index in a folder that `write_titles` wrote."""

    def __init__(self, folder: Path) -> None:
        self._lines = Texts(folder / "lines")
        self._items: Int32 = mapped(folder / "items.npy")
        self._order = mapped(folder / "order.npy")
        self._words = (folder / "words.bin").read_bytes()  # not mapped: searching bytes is several times faster
        self._starts = memoryview(mapped(folder / "words.starts.npy"))
        self._holding = mapped(folder / "holding.npy")
        self._first = memoryview(mapped(folder / "first.npy"))
        self._check()

    @property
    def size(self) -> int:
        """N, the number of lines."""
        return len(self._lines)

    def _check(self) -> None:
        """Raise ValueError if arrays do not fit one another."""
        words = (len(self._starts),)
        expect("search/items.npy", self._items, np.int32, (self.size,))
        expect("search/order.npy", self._order, np.int32, (self.size,), self.size)
        expect("search/holding.npy", self._holding, np.int32, (self._holding.size,), self.size)
        expect("search/words.starts.npy", np.asarray(self._starts), np.int64, words, len(self._words) + 1)
        expect("search/first.npy", np.asarray(self._first), np.int64, words, self._holding.size + 1)

    def find(self, query: str, limit: int) -> Int32:
        """At most `limit` items whose title holds all words of the query, ignoring case: (K,) int32.

        Titles that begin with the query come first, then the more popular items; a query without words finds all.
        """
        words = [as_bytes(word) for word in _folded(query).split(" ")]
        hits = self._beginning(b" ".join(words), limit)
        holds_all, broad = self._filtered(words)
        lines: Sequence[int] = range(len(self._lines))
        if holds_all is not None:
            matching = np.flatnonzero(holds_all)
            lines = (matching if broad else matching[: limit + len(hits)]).tolist()
        known = set(hits)
        for line in lines:
            if len(hits) == limit:
                break
            if line not in known and (not broad or all(map(self._lines[line].__contains__, broad))):
                hits.append(line)
        return self._items[np.array(hits, np.int64)]

    def _beginning(self, prefix: bytes, limit: int) -> list[int]:
        """The first `limit` lines that begin with `prefix`, ascending."""

        def beginning(line: int) -> bytes:
            return self._lines[line][: len(prefix)]

        order = memoryview(self._order)
        start = bisect_left(order, prefix, key=beginning)
        hits = self._order[start : bisect_right(order, prefix, start, key=beginning)]
        lines: list[int] = np.sort(np.partition(hits, limit)[:limit] if len(hits) > limit else hits).tolist()
        return lines

    def _filtered(self, words: list[bytes]) -> tuple[Bool | None, list[bytes]]:
        """(N,) whether each line holds all words that are not broad, None if all are broad; and the broad words."""
        holds_all, broad = None, []
        for word in dict.fromkeys(words):
            matches = self._words_with(word)
            if matches is None:
                broad.append(word)
                continue
            holds = np.zeros(len(self._lines), bool)
            for match in matches:
                holds[self._holding[self._first[match] : self._first[match + 1]]] = True
            holds_all = holds if holds_all is None else holds_all & holds
        return holds_all, broad

    def _words_with(self, part: bytes) -> list[int] | None:
        """Indices of the distinct words that contain `part`; None if it is broad."""
        words: list[int] = []
        postings = 0
        offset = self._words.find(part)
        while 0 <= offset < len(self._words):
            word = bisect_right(self._starts, offset) - 1
            words.append(word)
            postings += self._first[word + 1] - self._first[word]
            if postings > len(self._lines) // 2 or len(words) > MOST_PARTS:
                return None
            offset = self._words.find(part, self._starts[word + 1])
        return words


def write_titles(folder: Path, titles: list[str], items: Int32) -> None:
    """Write the index of titles, the most popular item's first, and of their items (N,) into a new `folder`."""
    folder.mkdir()
    lines = [as_bytes(_folded(title)) for title in titles]
    index: dict[bytes, int] = {}  # of each distinct word, in order of appearance
    postings, sizes = array("i"), []
    for line in lines:
        words_of_line = {index.setdefault(word, len(index)) for word in line.split(b" ")}
        postings.extend(words_of_line)
        sizes.append(len(words_of_line))
    words = sorted(index)
    rank = np.empty(len(words), np.int32)
    rank[[index[word] for word in words]] = np.arange(len(words), dtype=np.int32)
    of_word = rank[np.frombuffer(postings, np.int32)]  # (M,)
    of_line = np.repeat(np.arange(len(lines), dtype=np.int32), sizes)  # (M,)
    write_texts(folder / "lines", lines)
    np.save(folder / "items.npy", items)
    np.save(folder / "order.npy", np.array(sorted(range(len(lines)), key=lines.__getitem__), np.int32))
    write_texts(folder / "words", [b"\n" + word for word in words])
    np.save(folder / "holding.npy", of_line[np.argsort(of_word, kind="stable")])
    np.save(folder / "first.npy", np.concatenate([[0], np.bincount(of_word, minlength=len(words)).cumsum()]))


def _folded(text: str) -> str:
    """Case-folded, with single spaces between the words."""
    return " ".join(text.casefold().split())
