"""Metrics that look at the listed items: values of each prefix, and of all lists of a split together.

Lists are looked at batch by batch and not kept: only a value for each prefix, metric and k, and how often each item was
listed.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.evaluation import metrics
from hiersrec.evaluation.metrics import AllLists, ListsMetric, Results
from hiersrec.evaluation.sharding import Share
from hiersrec.store.catalog import Catalog
from hiersrec.store.item_catalog import known_nodes
from hiersrec.store.sessions import Prefixes
from hiersrec.types import Float32, Float64, Int32, Int64, Scorer, VectorScorer

LACKS = {
    "vectors": "compares no item vectors, as trained models do",
    "item_nodes": "has no categories",
    "train_count": "has no item that was seen in training",
    "history": "is evaluated on sessions that begin with no item seen in training",
}
"""What a metric can't do without -> what is said of a run that lacks it."""


class ListMetrics:
    """Values of a split, filled batch by batch in any order.

    Raises BadInput for a metric that uses what the scorer, its catalogue or the sessions lack.
    """

    def __init__(
        self, scorer: Scorer, catalog: Catalog, prefixes: Prefixes, names: Sequence[str], ks: tuple[int, ...]
    ) -> None:
        self.prefixes, self.ks = prefixes, ks
        self.members = {name: metrics.load(name) for name in names if not metrics.is_of_all_lists(name)}
        self.of_all = {name: cast(ListsMetric, metrics.member(name)) for name in names if metrics.is_of_all_lists(name)}
        self.train_count = catalog.train_count
        uses = {use for name in names for use in metrics.member(name).USES}
        self.vectors = _vectors(scorer) if "vectors" in uses else np.zeros((0, 0), np.float32)
        self.item_nodes = known_nodes(catalog) if "item_nodes" in uses else np.zeros((0, 0), np.int32)
        self.longest = int(prefixes.lengths.max(initial=0)) if "history" in uses else 0
        self.history = history(prefixes, catalog.num_items) if self.of_all else np.zeros(0)
        lacking = {
            "vectors": not len(self.vectors),
            "item_nodes": not self.item_nodes.any(),
            "train_count": not self.train_count.any(),
            "history": bool(self.of_all) and not self.train_count[self.history > 0].any(),
        }
        for name in names:
            for use in LACKS:
                if lacking[use] and use in metrics.member(name).USES and (use != "history" or name in self.of_all):
                    raise BadInput(f"The metric '{name}' can't be computed: this run {LACKS[use]}. Leave it out.")
        self.of_prefixes = {f"{name}@{k}": np.zeros(len(prefixes)) for name in self.members for k in ks}
        self.listed = np.zeros((len(ks), catalog.num_items + 1), np.int64)

    def add(self, rows: Int64, lists: Int32, results: Results) -> None:
        """The lists (B, K) of a batch, and its other results; rows: (B,) indices of its prefixes."""
        seen = self.prefixes.gather(rows, self.longest)[0] if self.longest else np.zeros((len(rows), 0), np.int32)
        results = replace(
            results,
            lists=lists,
            history=seen,
            train_count=self.train_count,
            item_nodes=self.item_nodes,
            vectors=self.vectors,
        )
        for name, metric in self.members.items():
            for k in self.ks:
                self.of_prefixes[f"{name}@{k}"][rows] = metrics.values(metric, results, k)
        for row, k in enumerate(self.ks if self.of_all else ()):
            self.listed[row] += np.bincount(lists[:, :k].ravel(), minlength=self.listed.shape[1])

    def total(self, share: Share) -> tuple[dict[str, Float64], dict[str, float]]:
        """Values of each prefix, and of all lists, by reported name, over all processes.

        Each prefix has its value in one process and zero in the others, so that the bits can be summed as integers.
        """
        values = {name: share.total(array.view(np.int64)).view(np.float64) for name, array in self.of_prefixes.items()}
        listed = share.total(self.listed)
        listed[:, 0] = 0
        lists = {k: AllLists(row, self.history, self.train_count) for k, row in zip(self.ks, listed, strict=True)}
        whole = {
            f"{name}@{k}": metrics.value(metric, lists[k]) for name, metric in self.of_all.items() for k in self.ks
        }
        return values, whole


def history(prefixes: Prefixes, num_items: int) -> Float64:
    """(N + 1,) float64: share of each item in the known items of a prefix, summed over prefixes that have any.

    An event counts in all later prefixes of its session, so the weights of those are summed from the session's end.
    """
    sessions = prefixes.sessions
    weights = np.zeros(len(sessions.items))
    weights[prefixes.positions] = np.where(prefixes.lengths > 0, 1 / np.maximum(prefixes.lengths, 1), 0.0)
    until = np.cumsum(weights)  # of the targets up to each position
    last = np.asarray(sessions.offsets)[1:][sessions.of_events()] - 1
    later = np.maximum(until[last] - until, 0.0)
    items = np.asarray(sessions.items)
    return np.bincount(items[items > 0], later[items > 0], minlength=num_items + 1).astype(np.float64)


def _vectors(scorer: Scorer) -> Float32:
    return scorer.item_vectors() if isinstance(scorer, VectorScorer) else np.zeros((0, 0), np.float32)
