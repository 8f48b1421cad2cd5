"""What the items of a session add to the scores of others, as arrays."""

from typing import NamedTuple

import numpy as np

from hiersrec.types import Float32, Int32, Int64


class Pairs(NamedTuple):
    """What an item of a session adds to the scores of others (model/score_term.py, PairTerm)."""

    starts: Int64
    """(N + 1,) int64: the others of item i begin at entry i - 1 and end at entry i."""
    others: Int32
    """(E,) int32, from 1."""
    values: Float32
    """(E,) float32."""

    def of(self, items: Int32) -> tuple[Int32, Float32]:
        """Others and what each gets, one time for each item of a session (T,) that it is paired with."""
        others, values = [self.others[:0]], [self.values[:0]]
        for place, item in zip(range(len(items), 0, -1), items.tolist(), strict=True):
            begin, end = self.starts[item - 1], self.starts[item]
            others.append(self.others[begin:end])
            values.append(self.values[begin:end] / np.float32(place))
        return np.concatenate(others), np.concatenate(values)
