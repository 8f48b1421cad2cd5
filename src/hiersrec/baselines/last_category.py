"""Category of the last item: items of the same category, most popular first.

    items       first those that share the deepest category of the last item, then those that share the next coarser
                one, ..., then all others; within each group by interactions in training
    categories  those of the session, newest first; then all others by interactions in training

The second is the heuristic ("historical categories of the session") to which the paper compares its category task in
table 4a. Both orders are written as integers that are exact in float32:

    score(item) = depth shared with the last item * (levels of popularity) + popularity level of the item

where a popularity level is the rank of a count among the distinct counts, so only equal counts tie.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.types import CATEGORY, Batch, Float32, Int32, Int64, Scores

HISTORY = 100
"""Newest items of a session whose categories count."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """No settings."""


@dataclass(frozen=True)
class LastCategory:
    """nodes: (N + 1, L) int32, 0 where the category is unknown; known: C of each level; counts: (N + 1,) int64."""

    nodes: Int32
    known: tuple[int, ...]
    counts: Int64
    max_length = HISTORY

    def score(self, batch: Batch) -> Scores:
        last = batch.items[np.arange(len(batch)), batch.lengths - 1]
        depth = np.zeros((len(batch), len(self.nodes)), np.float32)
        for level in range(len(self.known)):
            of_last = self.nodes[last, level]
            shared = self.nodes[:, level] == np.where(of_last > 0, of_last, -1)[:, None]  # (B, N + 1)
            depth[shared] = level + 1
        items = depth * (self._popularity.max() + 1) + self._popularity
        items[:, 0] = -np.inf
        return Scores(
            items, {f"{CATEGORY}{level + 1}": self._categories(batch, level) for level in range(len(self.known))}
        )

    @cached_property
    def _popularity(self) -> Float32:
        """(N + 1,) float32, rank of each item's count."""
        return _ranks(self.counts)

    @cached_property
    def _category_popularity(self) -> list[Float32]:
        """For each level (C + 1,) float32, rank of each category's count."""
        counts = (
            np.bincount(self.nodes[:, level], weights=self.counts, minlength=known + 1)
            for level, known in enumerate(self.known)
        )
        return [_ranks(level_counts.astype(np.int64)) for level_counts in counts]

    def _categories(self, batch: Batch, level: int) -> Float32:
        """(B, C + 1) float32."""
        popularity = self._category_popularity[level]
        scores = np.tile(popularity, (len(batch), 1))
        for position in range(batch.items.shape[1]):  # later positions overwrite earlier ones
            rows = np.flatnonzero(position < batch.lengths)
            node = self.nodes[batch.items[rows, position], level]
            scores[rows[node > 0], node[node > 0]] = popularity.max() + 1 + position
        scores[:, 0] = -np.inf
        return scores

    def state(self) -> dict[str, np.ndarray]:
        return {"counts": self.counts}


def fit(config: Config, data: TrainingData) -> LastCategory:
    """Count the interactions of the training sessions."""
    return load(config, data.catalog, {"counts": data.catalog.train_count})


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> LastCategory:  # noqa: ARG001 - all baselines
    """The scorer of a saved state; the categories come from the catalogue."""
    known = tuple(level.num_known for level in catalog.levels)
    nodes = np.where(catalog.item_nodes <= np.array(known, np.int32), catalog.item_nodes, 0)
    return LastCategory(nodes, known, state["counts"])


def _ranks(counts: Int64) -> Float32:
    """Rank of each count among the distinct counts, from 0: float32, exact up to 16 million distinct ones."""
    return np.unique(counts, return_inverse=True)[1].astype(np.float32)
