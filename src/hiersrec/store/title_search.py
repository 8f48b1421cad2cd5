"""Items by words of their titles, in milliseconds at a million titles.

    lines.bin, lines.starts.npy   the titles without case, the most popular item's first (memory_map.py): N lines
    items.npy     (N,) int32      whose they are
    order.npy     (N,) int32      lines in ascending order of their bytes
    words.bin, words.starts.npy   the V distinct words of all lines, each after a line feed
    holding.npy   (M,) int32      the lines that hold a word, word after word
    first.npy     (V + 1,) int64  where those of each word begin

A word of a query may be any part of a title's. So the distinct words are looked through, some megabytes in place of all
titles, and the lines that hold those found are put together.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hiersrec.store.memory_map import Texts, as_bytes, mapped, write_texts
from hiersrec.types import Bool, Int32

MOST_PARTS = 5_000
"""A word of a query that is part of more distinct words than this, or of words that half of the lines would hold, is
looked for in the lines themselves: it is in so many that the first ones will do."""


class TitleSearch:
    """A folder that `write_titles` wrote."""

    def __init__(self, folder: Path) -> None:
        self._lines = Texts(folder / "lines")
        self._items: Int32 = mapped(folder / "items.npy")
        self._order = mapped(folder / "order.npy")
        self._words = (folder / "words.bin").read_bytes()  # no map: bytes are searched several times faster
        self._starts = memoryview(mapped(folder / "words.starts.npy"))
        self._holding = mapped(folder / "holding.npy")
        self._first = memoryview(mapped(folder / "first.npy"))

    def find(self, query: str, limit: int) -> Int32:
        """At most `limit` items whose title holds all words of the query, in any case: (K,) int32.

        Those that begin with the query come first, then the more popular; a query without words finds all.
        """
        words = [as_bytes(word) for word in _folded(query).split(" ")]
        found = self._beginning(b" ".join(words), limit)
        held, broad = self._held(words)
        lines: Sequence[int] = range(len(self._lines))
        if held is not None:
            at = np.flatnonzero(held)
            lines = (at if broad else at[: limit + len(found)]).tolist()
        passed = set(found)
        for line in lines:
            if len(found) == limit:
                break
            if line not in passed and (not broad or all(map(self._lines[line].__contains__, broad))):
                found.append(line)
        return self._items[np.array(found, np.int64)]

    def _beginning(self, prefix: bytes, limit: int) -> list[int]:
        """The first `limit` lines that begin so, ascending."""

        def cut(line: int) -> bytes:
            return self._lines[line][: len(prefix)]

        order = memoryview(self._order)
        low = bisect_left(order, prefix, key=cut)
        found = self._order[low : bisect_right(order, prefix, low, key=cut)]
        lines: list[int] = np.sort(np.partition(found, limit)[:limit] if len(found) > limit else found).tolist()
        return lines

    def _held(self, words: list[bytes]) -> tuple[Bool | None, list[bytes]]:
        """Whether each line (N,) holds all words but the broad ones, or None if all are broad; and the broad ones."""
        held, broad = None, []
        for word in dict.fromkeys(words):
            parts = self._parts(word)
            if parts is None:
                broad.append(word)
                continue
            mine = np.zeros(len(self._lines), bool)
            for part in parts:
                mine[self._holding[self._first[part] : self._first[part + 1]]] = True
            held = mine if held is None else held & mine
        return held, broad

    def _parts(self, word: bytes) -> list[int] | None:
        """Distinct words that hold a word; None if it is broad."""
        found: list[int] = []
        left = len(self._lines) // 2
        at = self._words.find(word)
        while 0 <= at < len(self._words):
            part = bisect_right(self._starts, at) - 1
            found.append(part)
            left -= self._first[part + 1] - self._first[part]
            if left < 0 or len(found) > MOST_PARTS:
                return None
            at = self._words.find(word, self._starts[part + 1])
        return found


def write_titles(folder: Path, titles: list[str], items: Int32) -> None:
    """Write titles, the most popular item's first, and whose they are (N,), into a new `folder`."""
    folder.mkdir()
    lines = [as_bytes(_folded(title)) for title in titles]
    number: dict[bytes, int] = {}  # of each distinct word, in the order they come up
    came, sizes = array("i"), []
    for line in lines:
        mine = {number.setdefault(word, len(number)) for word in line.split(b" ")}
        came.extend(mine)
        sizes.append(len(mine))
    words = sorted(number)
    rank = np.empty(len(words), np.int32)
    rank[[number[word] for word in words]] = np.arange(len(words), dtype=np.int32)
    of_word = rank[np.frombuffer(came, np.int32)]  # (M,)
    of_line = np.repeat(np.arange(len(lines), dtype=np.int32), sizes)  # (M,)
    write_texts(folder / "lines", lines)
    np.save(folder / "items.npy", items)
    np.save(folder / "order.npy", np.array(sorted(range(len(lines)), key=lines.__getitem__), np.int32))
    write_texts(folder / "words", [b"\n" + word for word in words])
    np.save(folder / "holding.npy", of_line[np.argsort(of_word, kind="stable")])
    np.save(folder / "first.npy", np.concatenate([[0], np.bincount(of_word, minlength=len(words)).cumsum()]))


def _folded(text: str) -> str:
    """Without case, and with single blanks between the words."""
    return " ".join(text.casefold().split())
