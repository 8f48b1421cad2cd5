"""Outcomes of one task (next item, category level, ...): the result of every prefix, in the order of the split.

Arrays are filled batch by batch in any order; a metric is a mean over them, over all prefixes or over a slice.
"""

from dataclasses import dataclass

import numpy as np

from hiersrec.evaluation import future_items, metrics
from hiersrec.evaluation.sharding import Share
from hiersrec.retrieval import order
from hiersrec.types import Bool, Float32, Float64, Int32, Int64


@dataclass(frozen=True)
class Outcomes:
    """(P,) int64 each: target (0 or less: none to rank), its ranks, number of future targets, how many are listed."""

    k: int
    target: Int64
    rank: Int64
    optimistic: Int64
    pessimistic: Int64
    future: Int64
    listed: Int64

    @classmethod
    def empty(cls, k: int, size: int) -> "Outcomes":
        """Zeros, for P prefixes and lists of k."""
        return cls(k, *(np.zeros(size, np.int64) for _ in range(6)))

    def fill(self, rows: Int64, scores: Float32, target: Int32, futures: future_items.Futures) -> None:
        """Rank the targets (B,) of a batch and count its futures in the lists; rows: (B,) indices of its prefixes."""
        lists, _ = order.top_k(scores, self.k)
        self.target[rows] = target
        self.rank[rows], self.optimistic[rows], self.pessimistic[rows] = order.ranks(scores, target)
        self.future[rows] = future_items.counts(futures, len(rows))
        self.listed[rows] = future_items.listed_counts(futures, lists)

    def total(self, share: Share) -> "Outcomes":
        """Merge the outcomes of all processes; each has filled some rows."""
        return Outcomes(self.k, *(share.total(array) for name, array in vars(self).items() if name != "k"))

    def values(self) -> dict[str, Float64]:
        """Reported name -> value of each prefix, (P,) float64; `future` must be at least 1 wherever it is averaged."""
        return {
            f"mrr@{self.k}": metrics.mrr(self.rank, self.k),
            f"hits@{self.k}": metrics.hits(self.rank, self.k),
            f"recall@{self.k}": metrics.recall(self.listed, np.maximum(self.future, 1)),
            f"any_hit@{self.k}": metrics.any_hit(self.listed),
        }

    def means(self, chosen: Bool) -> dict[str, float]:
        """Reported name -> mean over the chosen prefixes, (P,) bool, at least one."""
        return {name: float(values[chosen].mean()) for name, values in self.values().items()}

    def tied_means(self, chosen: Bool) -> dict[str, float]:
        """Metrics with the target before ("/optimistic") or after ("/pessimistic") its ties, where they differ."""
        bounds: dict[str, float] = {}
        for side, ranks in (("optimistic", self.optimistic), ("pessimistic", self.pessimistic)):
            for name, metric in (("mrr", metrics.mrr), ("hits", metrics.hits)):
                value = float(metric(ranks[chosen], self.k).mean())
                if value != float(metric(self.rank[chosen], self.k).mean()):
                    bounds[f"{name}@{self.k}/{side}"] = value
        return bounds
