"""Session popularity: the most frequent items of the session first, then the most frequent items of training.

    score(item) = count of the item in the session * (levels of popularity) + popularity level of the item

where a popularity level is the rank of a count of training interactions among the distinct counts, so that only equal
counts tie. These are integers, exact in float32. S-POP of Hidasi et al., Session-based Recommendations with
Recurrent Neural Networks, ICLR 2016, arxiv.org/abs/1511.06939, which also breaks ties by global popularity. It shows
how much a dataset repeats itself.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.types import Batch, Float32, Int64, Scores

HISTORY = 100
"""Newest items of a session that are counted."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """No settings."""


@dataclass(frozen=True)
class SessionPopularity:
    """counts: (N + 1,) int64, training interactions of each item."""

    counts: Int64
    max_length = HISTORY

    def score(self, batch: Batch) -> Scores:
        rows, positions = np.nonzero(batch.is_item)
        items = np.tile(self._popularity, (len(batch), 1))
        np.add.at(items, (rows, batch.items[rows, positions]), self._popularity.max() + 1)
        items[:, 0] = -np.inf
        return Scores(items, {})

    @cached_property
    def _popularity(self) -> Float32:
        """(N + 1,) float32, rank of each item's count among the distinct counts, from 0."""
        return np.unique(self.counts, return_inverse=True)[1].astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        return {"counts": self.counts}


def fit(config: Config, data: TrainingData) -> SessionPopularity:
    """Count the interactions of the training sessions."""
    return load(config, data.catalog, {"counts": data.catalog.train_count})


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> SessionPopularity:  # noqa: ARG001
    """The scorer of a saved state."""
    return SessionPopularity(state["counts"])
