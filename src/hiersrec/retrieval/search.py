"""The best rows of some ranges, exactly and in the one order (order.py): score descending, then item number ascending.

What a query costs in addition to reading its vectors is kept small: nothing here looks at an item outside the ranges,
and most scores inside are only compared with one number.
"""

from dataclasses import dataclass

import numpy as np

from hiersrec.retrieval.layout import Layout
from hiersrec.retrieval.order import floor
from hiersrec.retrieval.session_scores import SessionScores
from hiersrec.retrieval.slabs import Slabs
from hiersrec.types import Bool, Float32, Int32, Int64

AGAIN = 4
"""For a list of k, about the best 4 k by approximate scores (LEAST at least) are scored again in float32."""
LEAST = 100

MANY = 128
"""Items that are sorted with the k best: cheaper than to find out first which k these are."""

GAP = 16
"""Allowed rows with at most this many others between them are read as one range."""


@dataclass(frozen=True)
class RangeScores:
    """Scores of the rows of some ranges, one after another; minus infinity for what may not be listed."""

    scores: Float32
    """(n,) float32, changed by `add`, `remove`, `bar` and `keep`."""
    ranges: Int64
    """(R, 2) int64, ascending and disjoint; n rows in all."""

    @property
    def count(self) -> int:
        """Items that may be listed."""
        return int(np.count_nonzero(self.scores > -np.inf))

    def remove(self, rows: Int32) -> None:
        """Give minus infinity to rows (S,), in any order; those outside the ranges are ignored."""
        self.scores[self._positions(rows)] = -np.inf

    def bar(self, barred: Bool) -> None:
        """Give minus infinity to the rows that are flagged in (N,), flags of all rows."""
        begin = 0
        for start, stop in self.ranges.tolist():
            self.scores[begin : begin + stop - start][barred[start:stop]] = -np.inf
            begin += stop - start

    def add(self, rows: Int32, values: Float32) -> None:
        """Add values (S,) to the scores of distinct rows (S,); those outside the ranges are ignored."""
        inside = _inside(rows, self.ranges)
        self.scores[self._positions(rows[inside])] += values[inside]

    def keep(self, rows: Int32) -> None:
        """Give minus infinity to all but rows (S,)."""
        others = np.ones(len(self.scores), bool)
        others[self._positions(rows)] = False
        self.scores[others] = -np.inf

    def rows(self, positions: Int64) -> Int64:
        """Rows (K,) of positions (K,) in `scores`."""
        if len(self.ranges) == 1:
            shift = self.ranges[0, 0]
        else:
            shift = (self.ranges[:, 1] - self._ends)[self._ends.searchsorted(positions, "right")]
        rows: Int64 = positions + shift
        return rows

    def _positions(self, rows: Int32) -> Int64:
        """Positions in `scores` of those rows (S,) that lie in the ranges."""
        begun, ended = _counts(rows, self.ranges)
        inside = begun > ended
        positions: Int64 = rows[inside] - (self.ranges[:, 1] - self._ends)[begun[inside] - 1]
        return positions

    @property
    def _ends(self) -> Int64:
        """(R,) position after the last row of each range."""
        ends: Int64 = (self.ranges[:, 1] - self.ranges[:, 0]).cumsum()
        return ends


def best(scored: RangeScores, layout: Layout, k: int) -> tuple[Int32, Float32]:
    """Items (K,) int32 and scores (K,) float32 of the k best, K less than k only where there are no more."""
    positions = _reaching(scored.scores, k)
    return first(layout.order[scored.rows(positions)], scored.scores[positions], k)


def best_again(
    scored: RangeScores, layout: Layout, k: int, slabs: Slabs, query: Float32, own: SessionScores
) -> tuple[Int32, Float32]:
    """The same where scores are approximate: the best of them are scored again in float32 for the query (d,).

    own: what the session's items add to their scores.
    """
    size = max(AGAIN * k, LEAST) + len(own.items)
    positions = _reaching(scored.scores, size)
    rows: Int32 | Int64 = scored.rows(positions)
    items = layout.order[rows]
    if len(items) > 2 * size:  # many tie
        items, _ = first(items, scored.scores[positions], size)
        rows = layout.row_of[items]
    return first(items, slabs.exact(query, rows) + own.of(items), k)


def _reaching(scores: Float32, k: int) -> Int64:
    """Positions (M,), ascending, of the k best scores and of some that are not much worse; never minus infinity."""
    least = floor(scores, k) if k < len(scores) else np.float32(-np.inf)
    return ((scores >= least) if least > -np.inf else (scores > -np.inf)).nonzero()[0]


def first(items: Int32, scores: Float32, k: int) -> tuple[Int32, Float32]:
    """The first k of items (n,) with scores (n,) in the one order."""
    if len(items) > MANY + k:
        last = np.partition(scores, len(scores) - k)[len(scores) - k]
        above, equal = np.flatnonzero(scores > last), np.flatnonzero(scores == last)
        missing = k - len(above)
        if len(equal) > missing:  # the smallest numbers of those that tie
            equal = equal[np.argpartition(items[equal], missing - 1)[:missing]]
        chosen = np.concatenate([above, equal])
        items, scores = items[chosen], scores[chosen]
    sort = np.lexsort((items, -scores))[:k]
    return items[sort], scores[sort]


def near(rows: Int32) -> Int64:
    """Ranges (R, 2) int64 that hold rows (M,), ascending, and few others: to be scanned, then `keep` the rows."""
    if not len(rows):
        return np.zeros((0, 2), np.int64)
    breaks = np.flatnonzero(np.diff(rows) > GAP + 1)
    starts = rows[np.concatenate([[0], breaks + 1])]
    stops = rows[np.concatenate([breaks, [len(rows) - 1]])] + 1
    return np.stack([starts, stops], axis=1).astype(np.int64)


def within(rows: Int32, ranges: Int64) -> Int32:
    """Those of rows (M,) that lie in ranges (R, 2), ascending and disjoint."""
    return rows[_inside(rows, ranges)]


def _inside(rows: Int32, ranges: Int64) -> Bool:
    begun, ended = _counts(rows, ranges)
    inside: Bool = begun > ended
    return inside


def _counts(rows: Int32, ranges: Int64) -> tuple[Int64, Int64]:
    """How many ranges have begun, and how many have ended, at each row."""
    return np.searchsorted(ranges[:, 0], rows, side="right"), np.searchsorted(ranges[:, 1], rows, side="right")
