"""What the items of a session add to their own scores, where the model has learnt that (model/repeats.py)."""

from typing import NamedTuple

import numpy as np

from hiersrec.types import Batch, Float32, Int32


class Added(NamedTuple):
    """Of one session."""

    items: Int32
    """(M,) int32: its distinct items, ascending."""
    values: Float32
    """(M,) float32: what each adds."""

    def of(self, items: Int32) -> Float32:
        """What items (K,) get: (K,) float32, 0 for those that are not of the session."""
        if not len(self.items):
            return np.zeros(len(items), np.float32)
        at = np.searchsorted(self.items, items).clip(max=len(self.items) - 1)
        return np.where(self.items[at] == items, self.values[at], np.float32(0))


NOTHING = Added(np.zeros(0, np.int32), np.zeros(0, np.float32))


def added(batch: Batch, values: Float32) -> list[Added]:
    """Of each session of a batch, from what each of its positions adds, values (B, T)."""
    found = []
    for items, line, length in zip(batch.items, values, batch.lengths.tolist(), strict=True):
        distinct, which = np.unique(items[:length], return_inverse=True)
        total = np.bincount(which, line[:length], len(distinct))
        found.append(Added(distinct, total.astype(np.float32)))
    return found
