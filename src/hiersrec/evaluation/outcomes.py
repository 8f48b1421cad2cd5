"""Outcomes of one task (next item, category level, ...): the result of every prefix, in the order of the split.

Arrays are filled batch by batch in any order; a metric is a mean over them, over all prefixes or over a slice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hiersrec.evaluation import future_items, metrics
from hiersrec.evaluation.sharding import Share
from hiersrec.retrieval import order
from hiersrec.types import Bool, Float32, Float64, Int32, Int64

AT_ONCE = 2**16
"""Prefixes that a metric gets at a time, which bounds its memory."""
WORD = 64
"""Bits of an int64."""


@dataclass(frozen=True)
class Outcomes:
    """(P,) int64: target (0 or less: none to rank), its ranks, number of future targets; and which positions have one.

    bits: (P, W) int64, whether the item at each position of the list is a future item, a bit each. This takes 8 bytes a
    prefix for lists of up to 64, and arrays of several processes can be summed.
    """

    ks: tuple[int, ...]
    """Every k, ascending."""
    names: tuple[str, ...]
    """Of the metrics that have a value for each prefix."""
    length: int
    """K, of the lists."""
    target: Int64
    rank: Int64
    optimistic: Int64
    pessimistic: Int64
    future: Int64
    bits: Int64
    of_lists: Mapping[str, Float64] = field(default_factory=dict, kw_only=True)
    """Reported name -> (P,) float64 of the metrics that look at the listed items, which are not kept."""

    @classmethod
    def empty(cls, ks: tuple[int, ...], size: int, classes: int, names: Sequence[str] = metrics.DEFAULT) -> "Outcomes":
        """Zeros, for P prefixes and lists of the greatest k, or of all `classes` (items) if they are fewer."""
        length = min(ks[-1], classes)
        shapes: list[tuple[int, ...]] = [*5 * [(size,)], (size, -(-length // WORD))]
        return cls(ks, tuple(names), length, *(np.zeros(shape, np.int64) for shape in shapes))

    def fill(self, rows: Int64, scores: Float32, target: Int32, futures: future_items.Futures) -> Int32:
        """Rank the targets (B,) of a batch and find its futures in the lists; rows: (B,) indices of its prefixes.

        Returns the lists, (B, K) int32.
        """
        lists, _ = order.top_k(scores, self.ks[-1])
        self.target[rows] = target
        self.rank[rows], self.optimistic[rows], self.pessimistic[rows] = order.ranks(scores, target)
        self.future[rows] = future_items.counts(futures, len(rows))
        packed = np.packbits(future_items.in_lists(futures, lists), axis=1, bitorder="little")
        octets = np.zeros((len(rows), self.bits.shape[1] * 8), np.uint8)
        octets[:, : packed.shape[1]] = packed
        self.bits[rows] = octets.view(np.int64)
        return lists

    def total(self, share: Share) -> "Outcomes":
        """Merge the outcomes of all processes; each has filled some rows."""
        arrays = (self.target, self.rank, self.optimistic, self.pessimistic, self.future, self.bits)
        return Outcomes(self.ks, self.names, self.length, *(share.total(array) for array in arrays))

    def results(self, rows: slice | Int64, ranks: Int64) -> metrics.Results:
        """The results of some prefixes, whose targets have these ranks (P,) of all prefixes."""
        octets = self.bits[rows].view(np.uint8)
        is_future = np.unpackbits(octets, axis=1, count=self.length, bitorder="little").view(np.bool_)
        # A prefix without a future class has no label either: it is in no mean, but its value is computed.
        return metrics.Results(ranks[rows], np.maximum(self.future[rows], 1), is_future)

    def values(self) -> dict[str, Float64]:
        """Reported name -> value of each prefix, (P,) float64."""
        return self._values(self.names, self.rank)

    def tied_values(self) -> dict[str, Float64]:
        """The same with the target before ("/optimistic") or after ("/pessimistic") its ties, where ranks matter."""
        names = [name for name in self.names if not metrics.is_of_lists(name) and "rank" in metrics.load(name).USES]
        return {
            f"{name}/{side}": values
            for side, ranks in (("optimistic", self.optimistic), ("pessimistic", self.pessimistic))
            for name, values in self._values(names, ranks).items()
        }

    def _values(self, names: Sequence[str], ranks: Int64) -> dict[str, Float64]:
        members = {name: metrics.load(name) for name in names if not metrics.is_of_lists(name)}
        numbers = {f"{name}@{k}": np.zeros(len(ranks)) for name in names for k in self.ks}
        for start in range(0, len(ranks), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            results = self.results(rows, ranks)
            for name, metric in members.items():
                for k in self.ks:
                    numbers[f"{name}@{k}"][rows] = metrics.values(metric, results, k)
        return {name: self.of_lists.get(name, values) for name, values in numbers.items()}


def means(values: dict[str, Float64], chosen: Bool) -> dict[str, float]:
    """Reported name -> mean over the chosen prefixes, (P,) bool, at least one."""
    return {name: float(numbers[chosen].mean()) for name, numbers in values.items()}
