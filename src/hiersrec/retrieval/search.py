"""The best of some stretches, exactly and in the one order (order.py): score descending, then item number ascending.

What a query costs beyond reading its vectors is kept small: nothing here looks at an item outside the stretches, and
most scores inside are only compared with one number.
"""

from dataclasses import dataclass

import numpy as np

from hiersrec.retrieval.layout import Layout
from hiersrec.retrieval.order import floor
from hiersrec.retrieval.slabs import Slabs
from hiersrec.types import Float32, Int32, Int64

AGAIN = 4
"""For a list of k, the best 4 k by narrow scores (LEAST at least) are scored again in float32."""
LEAST = 100

GAP = 16
"""Allowed places with up to so many others between them are read as one stretch."""


@dataclass(frozen=True)
class Scored:
    """Scores of the places of some stretches, one after another; minus infinity for what is not to be listed."""

    scores: Float32
    """(n,) float32, changed by `remove` and `keep`."""
    stretches: Int64
    """(R, 2) int64, ascending and disjoint; n places in all."""

    @property
    def count(self) -> int:
        """Items that may be listed."""
        return int(np.count_nonzero(self.scores > -np.inf))

    def remove(self, places: Int32) -> None:
        """Give minus infinity to what lies at some places (S,), in any order; those outside are passed over."""
        self.scores[self._positions(places)] = -np.inf

    def keep(self, places: Int32) -> None:
        """Give minus infinity to all but what lies at some places (S,)."""
        others = np.ones(len(self.scores), bool)
        others[self._positions(places)] = False
        self.scores[others] = -np.inf

    def places(self, positions: Int64) -> Int64:
        """Places (K,) of positions (K,) in `scores`."""
        begins = self._begins
        row = np.searchsorted(begins, positions, side="right") - 1
        found: Int64 = positions + (self.stretches[:, 0] - begins)[row]
        return found

    def _positions(self, places: Int32) -> Int64:
        row = np.searchsorted(self.stretches[:, 0], places, side="right") - 1
        begun = row >= 0
        row, places = row[begun], places[begun]
        found: Int64 = places - (self.stretches[:, 0] - self._begins)[row]
        inside: Int64 = found[places < self.stretches[row, 1]]
        return inside

    @property
    def _begins(self) -> Int64:
        """(R,) position of each stretch's first place."""
        counts: Int64 = self.stretches[:, 1] - self.stretches[:, 0]
        return counts.cumsum() - counts


def best(scored: Scored, layout: Layout, k: int) -> tuple[Int32, Float32]:
    """Items (K,) int32 and scores (K,) float32 of the k best, K less than k only where there are no more."""
    line = scored.scores
    at = np.flatnonzero(line >= floor(line, k)) if k < len(line) else np.arange(len(line))
    values = line[at]
    listed = values > -np.inf
    if not listed.all():
        at, values = at[listed], values[listed]
    return first(layout.order[scored.places(at)], values, k)


def best_again(scored: Scored, layout: Layout, k: int, slabs: Slabs, query: Float32) -> tuple[Int32, Float32]:
    """The same where `scored` is rough: the best of it are scored again in float32 for the query (d,)."""
    items, _ = best(scored, layout, max(AGAIN * k, LEAST))
    return first(items, slabs.exact(query, layout.place[items]), k)


def first(items: Int32, scores: Float32, k: int) -> tuple[Int32, Float32]:
    """The first k of items (n,) with scores (n,) in the one order."""
    if len(items) > k:
        last = np.partition(scores, len(scores) - k)[len(scores) - k]
        above, equal = scores > last, np.flatnonzero(scores == last)
        missing = k - np.count_nonzero(above)
        if len(equal) > missing:  # the smallest numbers of those that tie
            equal = equal[np.argpartition(items[equal], missing - 1)[:missing]]
        at = np.concatenate([np.flatnonzero(above), equal])
        items, scores = items[at], scores[at]
    sort = np.lexsort((items, -scores))
    return items[sort], scores[sort]


def near(places: Int32) -> Int64:
    """Stretches (R, 2) int64 that hold places (M,), ascending, and little else: to be scanned, then `keep` them."""
    if not len(places):
        return np.zeros((0, 2), np.int64)
    breaks = np.flatnonzero(np.diff(places) > GAP + 1)
    starts = places[np.concatenate([[0], breaks + 1])]
    stops = places[np.concatenate([breaks, [len(places) - 1]])] + 1
    return np.stack([starts, stops], axis=1).astype(np.int64)


def within(places: Int32, stretches: Int64) -> Int32:
    """Those of places (M,) that lie in stretches (R, 2), ascending and disjoint."""
    inside = np.searchsorted(stretches[:, 0], places, side="right") > np.searchsorted(
        stretches[:, 1], places, side="right"
    )
    return places[inside]
