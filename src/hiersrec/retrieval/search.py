"""The best of some stretches, exactly and in the one order (order.py): score descending, then item number ascending.

What a query costs beyond reading its vectors is kept small: nothing here looks at an item outside the stretches, and
most scores inside are only compared with one number.
"""

from dataclasses import dataclass

import numpy as np

from hiersrec.retrieval.layout import Layout
from hiersrec.retrieval.order import floor
from hiersrec.retrieval.session_scores import SessionScores
from hiersrec.retrieval.slabs import Slabs
from hiersrec.types import Bool, Float32, Int32, Int64

AGAIN = 4
"""For a list of k, the best 4 k by narrow scores (LEAST at least) or a few more are scored again in float32."""
LEAST = 100

MANY = 128
"""Items that are put in order with the k best: cheaper than to find out first which k these are."""

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

    def add(self, places: Int32, values: Float32) -> None:
        """Add values (S,) to what lies at places (S,), no two alike; those outside are passed over."""
        inside = _inside(places, self.stretches)
        self.scores[self._positions(places[inside])] += values[inside]

    def keep(self, places: Int32) -> None:
        """Give minus infinity to all but what lies at some places (S,)."""
        others = np.ones(len(self.scores), bool)
        others[self._positions(places)] = False
        self.scores[others] = -np.inf

    def places(self, positions: Int64) -> Int64:
        """Places (K,) of positions (K,) in `scores`."""
        if len(self.stretches) == 1:
            shift = self.stretches[0, 0]
        else:
            ends = self._ends
            shift = (self.stretches[:, 1] - ends)[ends.searchsorted(positions, "right")]
        found: Int64 = positions + shift
        return found

    def _positions(self, places: Int32) -> Int64:
        row = np.searchsorted(self.stretches[:, 0], places, side="right") - 1
        begun = row >= 0
        row, places = row[begun], places[begun]
        found: Int64 = places - (self.stretches[:, 1] - self._ends)[row]
        inside: Int64 = found[places < self.stretches[row, 1]]
        return inside

    @property
    def _ends(self) -> Int64:
        """(R,) position after each stretch's last place."""
        found: Int64 = (self.stretches[:, 1] - self.stretches[:, 0]).cumsum()
        return found


def best(scored: Scored, layout: Layout, k: int) -> tuple[Int32, Float32]:
    """Items (K,) int32 and scores (K,) float32 of the k best, K less than k only where there are no more."""
    at = _reaching(scored.scores, k)
    return first(layout.order[scored.places(at)], scored.scores[at], k)


def best_again(
    scored: Scored, layout: Layout, k: int, slabs: Slabs, query: Float32, own: SessionScores
) -> tuple[Int32, Float32]:
    """The same where `scored` is rough: the best of it are scored again in float32 for the query (d,).

    own: what the session's items add to their scores.
    """
    some = max(AGAIN * k, LEAST) + len(own.items)
    at = _reaching(scored.scores, some)
    places: Int32 | Int64 = scored.places(at)
    items = layout.order[places]
    if len(items) > 2 * some:  # many tie
        items, _ = first(items, scored.scores[at], some)
        places = layout.place[items]
    return first(items, slabs.exact(query, places) + own.of(items), k)


def _reaching(line: Float32, k: int) -> Int64:
    """Positions (M,), ascending, of the k best scores and of some that are not much worse; never minus infinity."""
    least = floor(line, k) if k < len(line) else np.float32(-np.inf)
    return ((line >= least) if least > -np.inf else (line > -np.inf)).nonzero()[0]


def first(items: Int32, scores: Float32, k: int) -> tuple[Int32, Float32]:
    """The first k of items (n,) with scores (n,) in the one order."""
    if len(items) > MANY + k:
        last = np.partition(scores, len(scores) - k)[len(scores) - k]
        above, equal = scores > last, np.flatnonzero(scores == last)
        missing = k - np.count_nonzero(above)
        if len(equal) > missing:  # the smallest numbers of those that tie
            equal = equal[np.argpartition(items[equal], missing - 1)[:missing]]
        at = np.concatenate([np.flatnonzero(above), equal])
        items, scores = items[at], scores[at]
    sort = np.lexsort((items, -scores))[:k]
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
    return places[_inside(places, stretches)]


def _inside(places: Int32, stretches: Int64) -> Bool:
    begun, ended = (np.searchsorted(stretches[:, side], places, side="right") for side in (0, 1))
    inside: Bool = begun > ended
    return inside
