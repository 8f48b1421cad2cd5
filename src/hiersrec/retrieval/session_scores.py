"""What the items of a session add to their own scores, by the values that a model gives to its positions."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from hiersrec.types import Batch, Float32, Int32


class SessionScores(NamedTuple):
    """What the items of one session add to their own scores."""

    items: Int32
    """(M,) int32: its distinct items, ascending."""
    values: Float32
    """(M,) float32: what each adds."""

    def of(self, items: Int32) -> Float32:
        """What items (K,) get: (K,) float32, 0 for those that are not of the session."""
        if not len(self.items):
            return np.zeros(len(items), np.float32)
        row = np.searchsorted(self.items, items).clip(max=len(self.items) - 1)
        return np.where(self.items[row] == items, self.values[row], np.float32(0))


NOTHING = SessionScores(np.zeros(0, np.int32), np.zeros(0, np.float32))


def session_scores(batch: Batch, values: Iterable[Float32]) -> list[SessionScores]:
    """For each session of a batch, from what its positions add, (B, T) for each score term."""
    total = sum(values)
    if isinstance(total, int):
        return [NOTHING] * len(batch)
    scores = []
    for items, line, length in zip(batch.items, total, batch.lengths.tolist(), strict=True):
        sums: dict[int, float] = {}  # sessions are short: arrays would take several times as long
        for item, value in zip(items[:length].tolist(), line[:length].tolist(), strict=True):
            sums[item] = sums.get(item, 0.0) + value
        distinct = sorted(sums)
        own = np.array(distinct, np.int32), np.array([sums[item] for item in distinct], np.float32)
        scores.append(SessionScores(*own))
    return scores
