"""What a session adds to some scores: to those of its own items, by the values that a model gives to its positions, and
to those of others, by pairs of items.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from hiersrec.store.pairs import Pairs
from hiersrec.types import Batch, Float32, Int32


class SessionScores(NamedTuple):
    """What one session adds to the scores of some items."""

    items: Int32
    """(M,) int32: distinct, ascending."""
    values: Float32
    """(M,) float32: what each gets."""

    def of(self, items: Int32) -> Float32:
        """What items (K,) get: (K,) float32, 0 for those that are not among them."""
        if not len(self.items):
            return np.zeros(len(items), np.float32)
        row = np.searchsorted(self.items, items).clip(max=len(self.items) - 1)
        return np.where(self.items[row] == items, self.values[row], np.float32(0))


NOTHING = SessionScores(np.zeros(0, np.int32), np.zeros(0, np.float32))


def session_scores(batch: Batch, values: Iterable[Float32], pairs: Sequence[Pairs] = ()) -> list[SessionScores]:
    """For each session of a batch, from what its positions add, (B, T) for each position term, and from pairs."""
    total = sum(values)
    scores = [NOTHING] * len(batch) if isinstance(total, int) else _of_positions(batch, total)
    if not any(len(found.others) for found in pairs):
        return scores
    sessions = (items[:length] for items, length in zip(batch.items, batch.lengths.tolist(), strict=True))
    return [_sum([own, *(found.of(items) for found in pairs)]) for items, own in zip(sessions, scores, strict=True)]


def _of_positions(batch: Batch, total: Float32) -> list[SessionScores]:
    scores = []
    for items, line, length in zip(batch.items, total, batch.lengths.tolist(), strict=True):
        sums: dict[int, float] = {}  # sessions are short: arrays would take several times as long
        for item, value in zip(items[:length].tolist(), line[:length].tolist(), strict=True):
            sums[item] = sums.get(item, 0.0) + value
        distinct = sorted(sums)
        own = np.array(distinct, np.int32), np.array([sums[item] for item in distinct], np.float32)
        scores.append(SessionScores(*own))
    return scores


def _sum(parts: Sequence[tuple[Int32, Float32]]) -> SessionScores:
    """Items and values of all parts, summed by item."""
    items, row = np.unique(np.concatenate([items for items, _ in parts]), return_inverse=True)
    sums = np.bincount(row, np.concatenate([values for _, values in parts]), len(items))
    return SessionScores(items, sums.astype(np.float32))
